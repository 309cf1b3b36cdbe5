"""Stores that earlier versions of the engine wrote are opened, and all that is in them is found.

tests/data/state_store_vN.db is one of version N of the format, as it was when that was the latest: it is never made
again. state_store_vN.json is what `described` said of it then.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.record import Oversized
from engine.state.commits import Commit
from engine.state.sqlite import SqliteStore
from engine.state.sqlite.tables import FORMAT_VERSION

DATA = Path(__file__).parents[1] / "data"
CLOCK_S = 1.75e9
"""When the store was written; its answers are of that day."""


def described(store: SqliteStore) -> Any:
    """Return what a store holds, as JSON can say it."""

    def plain(value: Any) -> Any:
        if isinstance(value, Oversized):
            return {"oversized": value.size_bytes, "head": value.hex()}
        if isinstance(value, bytes):
            return value.hex()
        if is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        if isinstance(value, dict):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return value

    return plain(
        {
            "fence": store.fence,
            "job": store.job,
            "state": [list(entry[:4]) for scope in store.scopes() for entry in store.entries(scope)],
            "inputs": {number: store.inputs(number) for number in (1, 2, 4)},
            "outputs": {number: store.outputs(number) for number in (2, 3)},
            "answers": [answer for key in ("first", "second", "third") if (answer := store.answer_of(key))],
            "rejects": store.rejects(),
        }
    )


def opened(folder: Path, version: int) -> SqliteStore:
    folder.mkdir(exist_ok=True)
    if not (folder / "commits.db").exists():
        shutil.copy(DATA / f"state_store_v{version}.db", folder / "commits.db")
    return SqliteStore(folder, clock=lambda: CLOCK_S)


def covers(found: Any, expected: Any) -> bool:
    """Whether all that was there is found; fields that did not exist then may have come."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(key in found and covers(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(covers, found, expected))
    return bool(found == expected)


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION + 1))
def test_a_store_of_every_version_is_opened_and_goes_on(tmp_path: Path, version: int) -> None:
    expected = json.loads((DATA / f"state_store_v{version}.json").read_text())
    with opened(tmp_path / "store", version) as store:
        assert covers(described(store), expected)
        assert store.fence is not None
        last = expected["inputs"]["1"]["first_seq"] + len(expected["inputs"]["1"]["values"]) - 1
        assert store.append(1, [b"next"]).result() == last + 1
        store.commit(Commit(store.fence, list(store.entries()))).result()
    with opened(tmp_path / "store", version) as store:
        after = described(store)
        assert after["inputs"]["1"]["values"][-1] == b"next".hex()
        assert covers(after["state"], expected["state"])
