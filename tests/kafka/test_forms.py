"""The records of the changelog come back as they were, or are refused; those of every version are read.

tests/data/changelog_vN.json holds records of version N of the format, as it was when that was the latest: key and value
in hexadecimal digits, and what `said` made of them then. It is never made again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StateCorrupt, StateIncompatible
from engine.kafka import forms
from engine.kafka.forms import JOB_KEY, TASK_KEY, JobRecord, Place, Stamp
from engine.state.commits import Fence, InputFence, OutputFence, TaskFence

DATA = Path(__file__).parents[1] / "data"
TASK = 3

FENCE = Fence(
    9,
    "momentum",
    "f" * 64,
    {0: "symbol", 2: "$key"},
    {1: InputFence(4, 12, 12, 2)},
    {2: OutputFence(1, 4096, 100, "8:15"), 3: OutputFence(3)},
    tasks={
        0: TaskFence({0: InputFence(0, 1)}),
        TASK: TaskFence({0: InputFence(0, 1 << 40, 700, 3), 2: InputFence(2, 0)}, has_begun=False),
    },
)
PLACE = Place(Stamp(b"\x00\xffwriter", 9), 1 << 33)
KEYS = [
    ("script", b"", "prices"),
    ("script", b"\x00\xff", ""),
    ("pools/p", b"k", ""),
    ("cells", b"", "total \N{EURO SIGN}"),
    ("script", b"", "\udcff"),
]


def records() -> list[tuple[bytes, bytes | None]]:
    """Return a record of every kind."""
    entries = [forms.entry_key(*key) for key in KEYS]
    job = JobRecord("home", "life", FENCE, ("cells", "pools/p"))
    receipt = forms.receipt_key("group-one")
    return [
        *((key, forms.seal(key, b"value %d" % number)) for number, key in enumerate(entries)),
        (entries[0], forms.seal(entries[0], b"")),
        (entries[1], None),
        (TASK_KEY, forms.pack_task(FENCE, TASK, PLACE)),
        (JOB_KEY, forms.pack_job(job, PLACE)),
        (JOB_KEY, forms.pack_job(JobRecord(), Place(Stamp(b"", 0)))),
        (receipt, forms.pack_receipt(receipt, PLACE.stamp)),
    ]


def said(key: bytes, value: bytes | None) -> Any:
    """Return what a record says, as JSON can."""

    def plain(found: Any) -> Any:
        if isinstance(found, bytes):
            return found.hex()
        if isinstance(found, dict):
            return {str(name): plain(one) for name, one in found.items()}
        return [plain(one) for one in found] if isinstance(found, list | tuple) else found

    if forms.is_entry(key):
        return plain(list(forms.unpack_entry(key, value, TASK)))
    assert value is not None
    if key in (TASK_KEY, JOB_KEY):
        found, place = forms.unpack_task(value, TASK) if key == TASK_KEY else forms.unpack_job(value)
        return plain([asdict(found), asdict(place)])
    return plain(list(forms.unpack_receipt(key, value)))


def covers(found: Any, expected: Any) -> bool:
    """Whether all that was there is found; fields that did not exist then may have come."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(
            name in found and covers(found[name], expected[name]) for name in expected
        )
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(covers, found, expected))
    return bool(found == expected)


@pytest.mark.parametrize("version", range(1, forms.FORMAT_VERSION + 1))
def test_records_of_every_version_are_read(version: int) -> None:
    for one in json.loads((DATA / f"changelog_v{version}.json").read_text()):
        value = None if one["value"] is None else bytes.fromhex(one["value"])
        assert covers(said(bytes.fromhex(one["key"]), value), one["said"])


def test_what_is_written_now_is_what_was_written_when_the_version_was_made() -> None:
    kept = json.loads((DATA / f"changelog_v{forms.FORMAT_VERSION}.json").read_text())
    now = [{"key": key.hex(), "value": None if value is None else value.hex()} for key, value in records()]
    assert now == [{"key": one["key"], "value": one["value"]} for one in kept]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [b"", b"value", None])
def test_an_entry_comes_back_with_its_task(key: tuple[str, bytes, str], value: bytes | None) -> None:
    packed = forms.entry_key(*key)
    sealed = None if value is None else forms.seal(packed, value)
    assert forms.unpack_entry(packed, sealed, TASK) == (*key, value, TASK)


def test_the_fence_of_a_task_holds_that_task_alone() -> None:
    fence, place = forms.unpack_task(forms.pack_task(FENCE, TASK, PLACE), TASK)
    assert (fence.number, fence.model, fence.digest, fence.keys) == (9, FENCE.model, FENCE.digest, FENCE.keys)
    assert (fence.tasks, fence.inputs, fence.outputs) == ({TASK: FENCE.tasks[TASK]}, {}, {})
    assert place == PLACE


def test_the_fence_of_a_job_holds_its_attachments_and_no_task() -> None:
    record, place = forms.unpack_job(forms.pack_job(JobRecord("home", "life", FENCE, ("cells",)), PLACE))
    assert (record.home, record.life, record.scopes, place) == ("home", "life", ("cells",), PLACE)
    assert record.fence is not None
    assert (record.fence.inputs, record.fence.outputs, record.fence.tasks) == (FENCE.inputs, FENCE.outputs, {})


@pytest.mark.parametrize("kind", [JOB_KEY, TASK_KEY, forms.entry_key("script", b"k", "n")])
def test_a_damaged_record_is_refused_whatever_is_damaged(kind: bytes) -> None:
    value = dict(records()).get(kind) or forms.seal(kind, b"value")
    for at in range(len(value)):
        for bit in (1, 0x80):
            damaged = bytearray(value)
            damaged[at] ^= bit
            with pytest.raises((StateCorrupt, StateIncompatible)):
                forms.opened(kind, bytes(damaged))
    for cut in (b"", value[:1], value[:16], value[:-1], value + b"\0"):
        with pytest.raises(StateCorrupt):
            forms.opened(kind, cut)


def test_a_value_does_not_pass_for_that_of_another_key() -> None:
    one, other = forms.entry_key("script", b"k", "a"), forms.entry_key("script", b"k", "b")
    with pytest.raises(StateCorrupt):
        forms.opened(other, forms.seal(one, b"value"))
    with pytest.raises(StateCorrupt):  # nor when the border between them has moved
        forms.opened(b"ee", forms.seal(b"e", b"e"))


def test_a_record_of_a_later_version_is_refused_by_its_number() -> None:
    with pytest.raises(StateIncompatible, match=r"version 2 .* reads 1"):
        forms.opened(TASK_KEY, b"\x02" + b"\x00" * 40)


def test_a_key_that_is_none_is_refused() -> None:
    key = b"e\xc1"
    with pytest.raises(StateCorrupt, match="key"):
        forms.unpack_entry(key, forms.seal(key, b""), 0)
