"""State that was committed, shown, exported, imported and cleared, in a folder and through a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.client.connection import Connection
from engine.errors import StateCorrupt
from engine.state import Window, pack, unpack
from engine.state.commits import Commit, Entry, Fence, InputFence, Reject
from engine.state.jobs import SERVE, job_folder
from engine.state.sqlite import Peek, SqliteStore

FENCE = Fence(1, "average", "d1", keys={0: "symbol"}, inputs={1: InputFence(0, 17, 3)})
PRICES = Window(3)
PRICES.extend([1.5, 2.5])
ENTRIES = [
    Entry("script", pack("AAPL"), "n", pack(3)),
    Entry("script", pack("AAPL"), "prices", pack(PRICES)),
    Entry("script", pack("MSFT"), "n", pack((1, 2))),
]
REJECT = Reject(1.0, 0, 2, 5, "input", "DecodeError", "Not JSON.", "", b"x")

Fill = Callable[..., Path]


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    """Make the store of a job, with a commit in it."""

    def make(job: str = SERVE, entries: list[Entry] = ENTRIES, fence: Fence | None = FENCE) -> Path:
        folder = job_folder(tmp_path / "state", job)
        store = SqliteStore(folder)
        if fence is not None:
            store.commit(Commit(fence, entries, rejects=[REJECT])).result()
        store.close()
        return folder

    return make


def entries_of(folder: Path) -> list[Entry]:
    with Peek(folder) as store:
        return [entry for scope in store.scopes() for entry in store.entries(scope)]


def test_state_is_shown_with_types_and_sizes(command: Any, fill: Fill) -> None:
    fill()
    ran = command("state", "show")
    assert ran.code == 0, ran.err
    assert [line.split() for line in ran.out.splitlines()] == [
        ["Key", "Name", "Type", "Size", "Value"],
        ["AAPL", "n", "int", *size(pack(3)), "3"],
        ["AAPL", "prices", "window", *size(pack(PRICES)), "[1.5,", "2.5]"],
        ["MSFT", "n", "tuple", *size(pack((1, 2))), "[1,", "2]"],
    ]


def size(data: bytes) -> list[str]:
    return [str(len(data)), "B"]


def test_state_without_keys_has_no_column_for_them(command: Any, fill: Fill) -> None:
    fill(entries=[Entry("script", b"", "total", pack(1.5)), Entry("cells", b"", "count", pack(None))])
    lines = [line.split() for line in command("state", "show").out.splitlines()]
    assert lines[0] == ["Scope", "Name", "Type", "Size", "Value"]
    assert {line[1] for line in lines[1:]} == {"total", "count"}


def test_of_many_keys_the_first_are_shown_and_the_rest_counted(command: Any, fill: Fill) -> None:
    fill(entries=[Entry("script", pack(n), name, pack(n)) for n in range(50) for name in ("a", "b")])
    ran = command("state", "show", "--limit", 3)
    assert len(ran.out.splitlines()) == 1 + 2 * 3
    assert "and 47 more keys" in ran.err
    assert len(command("state", "show", "--limit", 50).out.splitlines()) == 1 + 2 * 50
    assert "more" not in command("state", "show", "--limit", 50).err
    assert "more" not in command("state", "show", "--key", 7).err


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--key", "AAPL"], ["n", "prices"]),
        (["--key", '"AAPL"', "--name", "n"], ["n"]),
        (["--name", "n"], ["n", "n"]),
        (["--scope", "cells"], []),
        (["--key", "NONE"], []),
    ],
)
def test_what_is_shown_can_be_chosen(command: Any, fill: Fill, options: list[str], names: list[str]) -> None:
    fill()
    ran = command("state", "show", *options, "-o", "json")
    assert [json.loads(line)["name"] for line in ran.out.splitlines()] == names
    assert ("There is no such state." in ran.err) == (not names)


def test_state_is_shown_while_its_engine_works(command: Any, fill: Fill) -> None:
    store = SqliteStore(fill())
    try:
        assert "AAPL" in command("state", "show").out
        assert command("state", "import", stdin=b"").code == 1
    finally:
        store.close()


def test_a_value_is_cut_to_a_line(command: Any, fill: Fill) -> None:
    fill(entries=[Entry("script", b"", "text", pack("a\nb\x1b[31m" + "x" * 500))])
    ran = command("state", "show")
    assert len(ran.out.splitlines()) == 2
    assert "\x1b" not in ran.out
    assert "…" in ran.out


def test_what_is_exported_is_imported_as_it_was(command: Any, fill: Fill) -> None:
    first, second = fill("one"), fill("two", [Entry("script", pack("OLD"), "n", pack(0))])
    ran = command("state", "export", "--job", "one")
    assert ran.err == "3 values of 2 keys exported.\n"
    assert command("state", "import", "--job", "two", stdin=ran.out.encode()).code == 0
    assert entries_of(second) == entries_of(first) == ENTRIES
    assert unpack(entries_of(second)[1].value or b"") == PRICES


def test_an_import_moves_no_stream(command: Any, fill: Fill) -> None:
    folder = fill()
    exported = command("state", "export").out
    assert command("state", "import", stdin=exported.encode()).code == 0
    with Peek(folder) as store:
        assert store.fence is not None
        assert (store.fence.number, store.fence.inputs) == (2, FENCE.inputs)
        assert len(store.rejects()) == 1


def test_a_merge_keeps_what_is_not_named(command: Any, fill: Fill) -> None:
    folder = fill()
    line = json.dumps({"scope": "script", "key": "MSFT", "name": "n", "value": {"$tuple": [7]}})
    assert command("state", "import", "--merge", stdin=line.encode()).code == 0
    assert entries_of(folder) == [*ENTRIES[:2], Entry("script", pack("MSFT"), "n", pack((7,)))]


def test_an_import_with_a_wrong_line_changes_nothing_and_names_it(command: Any, fill: Fill, tmp_path: Path) -> None:
    folder = fill()
    lines = [*command("state", "export").out.splitlines()[:2], '{"scope": "script"}']
    (tmp_path / "bad.jsons").write_text("\n".join(lines))
    ran = command("state", "import", "bad.jsons")
    assert (ran.code, ran.out) == (3, "")
    assert "Line 3: " in ran.err
    assert entries_of(folder) == ENTRIES


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (b"", "There is nothing to import."),
        (b" \n\n", "There is nothing to import."),
        (b"\x1f\x8b\xff\n", "Line 1: not UTF-8"),
        (b'{"failure": "No server answers."}\n', "Line 1: the export failed here"),
    ],
)
def test_an_import_of_nothing_or_of_no_export_changes_nothing(
    command: Any, fill: Fill, given: bytes, reason: str
) -> None:
    folder = fill()
    ran = command("state", "import", stdin=given)
    assert ran.code == 3
    assert reason in ran.err
    assert entries_of(folder) == ENTRIES


def test_nothing_can_be_merged_into_what_is_there(command: Any, fill: Fill) -> None:
    folder = fill()
    ran = command("state", "import", "--merge")
    assert (ran.code, ran.err) == (0, "0 values of 0 keys imported into job 'serve'.\n")
    assert entries_of(folder) == ENTRIES


def test_an_export_that_fails_halfway_cannot_be_imported(
    command: Any, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill()
    whole = Peek.entries

    def fail(store: Peek, scope: str) -> Any:
        yield next(whole(store, scope))
        raise StateCorrupt("a byte has changed")

    with monkeypatch.context() as patch:
        patch.setattr(Peek, "entries", fail)
        exported = command("state", "export")
    assert exported.code == 6
    ran = command("state", "import", stdin=exported.out.encode())
    assert ran.code == 3
    assert "Line 2: the export failed here, so that this is not all of the state. It said: " in ran.err
    assert entries_of(folder) == ENTRIES


def test_a_key_that_is_none_is_null_there_and_back(command: Any, fill: Fill) -> None:
    entries = [Entry("script", pack(None), "n", pack(1)), ENTRIES[0]]
    folder = fill(entries=entries)
    assert [line.split()[0] for line in command("state", "show").out.splitlines()] == ["Key", "null", "AAPL"]
    exported = command("state", "export").out
    assert [json.loads(line)["key"] for line in exported.splitlines()] == [None, "AAPL"]
    assert command("state", "import", stdin=exported.encode()).code == 0
    assert entries_of(folder) == entries


def test_a_key_is_refused_by_a_job_that_has_none(command: Any, fill: Fill) -> None:
    folder = fill(entries=[Entry("script", b"", "n", pack(1))], fence=replace(FENCE, keys={}))
    for line in command("state", "export").out, '{"scope": "script", "key": "AAPL", "name": "n", "value": 2}':
        ran = command("state", "import", stdin=line.encode())
        assert (ran.code == 3) == ("AAPL" in line)
    assert "Line 1: it has a key" in ran.err
    assert entries_of(folder) == [Entry("script", b"", "n", pack(1))]


def test_an_import_while_the_engine_works_is_refused(command: Any, fill: Fill) -> None:
    store = SqliteStore(fill())
    try:
        for args in (["import"], ["clear", "--yes"]):
            ran = command("state", *args)
            assert ran.code == 1
            assert "is in use by" in ran.err
    finally:
        store.close()


def test_an_import_into_a_job_without_a_commit_is_refused(command: Any, fill: Fill) -> None:
    fill(fence=None)
    ran = command("state", "import", stdin=b"")
    assert ran.code == 3
    assert "has committed nothing yet" in ran.err


@pytest.mark.parametrize("words", [["show"], ["export"], ["import", "no.jsons"], ["clear", "--yes"]])
def test_state_that_a_topic_has_is_not_looked_for_in_the_folder(
    command: Any, fill: Fill, tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "no.jsons").write_text("")
    words = [str(tmp_path / word) if word == "no.jsons" else word for word in words]
    folder = fill()
    transport = {"Type": "Kafka", "BootstrapServers": ["b"], "Topic": "t", "Group": "prices"}
    source = "n = 0\ndef action(x):\n    global n\n    n += x\n    yield n\n"
    store = SqliteStore(folder)
    attached = [{"slot": 0, "stream": {"descriptor": {"Transport": transport, "Encoding": "json"}}}]
    store.set_job({"model": {"name": "average", "source": source}, "attached": attached}).result()
    store.close()
    ran = command("state", *words)
    assert ran.code == 3, ran.err
    assert "topic prices-average-changelog" in ran.err
    assert "engine stream seek" in ran.err
    assert len(entries_of(folder)) == len(ENTRIES)


def test_clear_forgets_all_but_the_rejects(command: Any, fill: Fill) -> None:
    folder = fill()
    ran = command("state", "clear", "--yes")
    assert (ran.code, ran.err) == (0, "Job 'serve' begins anew with its next start.\n")
    with Peek(folder) as store:
        assert (store.fence, store.scopes(), len(store.rejects())) == (None, [], 1)
    assert command("state", "show").err == "There is no state.\n"


def test_clear_asks_and_where_nobody_can_be_asked_it_refuses(command: Any, fill: Fill) -> None:
    folder = fill()
    ran = command("state", "clear")
    assert ran.code == 2
    assert "--yes" in ran.err
    assert entries_of(folder) == ENTRIES


def test_a_person_who_says_no_has_cleared_nothing(command: Any, fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill()
    monkeypatch.setattr("engine.cli.state.is_watched", lambda: True)
    for verb in "state", "rejects":
        ran = command(verb, "clear", stdin=b"n\n")
        assert ran.code == 1
        assert ran.err.endswith("Nothing was cleared.\n")
    assert entries_of(folder) == ENTRIES


def test_nobody_is_asked_whether_to_clear_what_an_engine_works_with(
    command: Any, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(fill())
    monkeypatch.setattr("engine.cli.state.is_watched", lambda: True)
    try:
        for verb in "state", "rejects":
            ran = command(verb, "clear", stdin=b"y\n")
            assert ran.code == 1
            assert "Forget" not in ran.err
            assert "is in use by" in ran.err
    finally:
        store.close()


@pytest.mark.parametrize("damage", ["a byte", "emptied", "gone"])
def test_a_damaged_store_is_removed_by_clear(command: Any, fill: Fill, damage: str) -> None:
    folder = fill()
    path = folder / "commits.db"
    if damage == "a byte":
        path.write_bytes(path.read_bytes().replace(b"average", b"Average"))
    elif damage == "emptied":
        path.write_bytes(b"")
    else:
        path.unlink()
    ran = command("state", "clear", "--yes", "--job", SERVE)
    assert ran.code == 0
    assert "is removed, and with it the rejects" in ran.err
    SqliteStore(folder).close()


@pytest.mark.parametrize(
    ("jobs", "options", "part"),
    [
        ([], [], "There is no job in "),
        (["a-1", "b-2"], [], "Say which job with --job: a-1, b-2."),
        (["average-1", SERVE], ["--job", "averag-1"], "Did you mean 'average-1'? Jobs: average-1, serve."),
    ],
)
def test_a_job_that_is_not_clear_is_asked_for(
    command: Any, fill: Fill, jobs: list[str], options: list[str], part: str
) -> None:
    for job in jobs:
        fill(job)
    ran = command("state", "show", *options)
    assert ran.code == 2
    assert part in ran.err


def test_the_only_job_needs_no_name(command: Any, fill: Fill) -> None:
    fill("average-1")
    assert command("state", "show").code == 0


def test_a_feature_that_is_not_built_is_refused_by_name(command: Any) -> None:
    ran = command("state", "repartition", "--to", "4")
    assert ran.code == 3
    assert "engine state repartition is not supported by this version" in ran.err


def test_a_store_that_is_damaged_exits_with_6(command: Any, fill: Fill) -> None:
    folder = fill()
    path = folder / "commits.db"
    data = bytearray(path.read_bytes())
    at = data.index(b"prices")
    data[at] ^= 0x20
    path.write_bytes(data)
    assert command("state", "show").code == 6


def test_without_a_folder_a_server_is_asked(command: Any, fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGINE_STATE")
    lines = [{"scope": "script", "key": n, "name": "x", "value": 0.5} for n in range(30)]

    class Answers(Connection):
        def download(self, path: str, params: Any = None) -> Any:
            assert path == "/engine/state"
            assert params["name"] == "x" or not any(params.values())
            yield from (json.dumps(line).encode() + b"\n" for line in lines)

        def request(self, method: str, path: str, **_: Any) -> Any:
            assert (method, path) == ("GET", "/engine")
            return type("Response", (), {"content": b"{}", "json": lambda _: {"n_keys": 30}})()

    monkeypatch.setattr("engine.client.client.Connection", Answers)
    ran = command("state", "show")
    assert len(ran.out.splitlines()) == 1 + 20
    assert "and 10 more keys" in ran.err
    assert len(command("state", "export").out.splitlines()) == 30
    assert "more" not in command("state", "show", "--name", "x").err


def test_without_a_server_the_folder_is_read(
    command: Any, fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ENGINE_STATE")
    assert command("state", "show").code == 5
    fill()
    (tmp_path / "state").rename(tmp_path / ".engine")
    assert "AAPL" in command("state", "show").out
