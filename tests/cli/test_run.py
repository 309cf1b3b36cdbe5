"""Runs in this process; those with real jets are among the integration tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from engine.cli.sample import FILES

SCRIPT = "model_scripts/average.py"


@pytest.fixture
def sample(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "sample"
    assert command("init", folder).code == 0
    monkeypatch.chdir(folder)
    return folder


def test_a_new_library_holds_what_the_next_steps_name(sample: Path) -> None:
    assert {str(path.relative_to(sample)) for path in sample.rglob("*") if path.is_file()} == set(FILES)


def test_nothing_is_overwritten_by_init(sample: Path, command: Any) -> None:
    (sample / "prices.jsons").write_text("1\n")
    ran = command("init", sample)
    assert ran.code == 1
    assert "exists already" in ran.err
    assert (sample / "prices.jsons").read_text() == "1\n"


@pytest.mark.parametrize("options", [["--inline"], []])
def test_a_file_is_scored_to_standard_output(sample: Path, command: Any, options: list[str]) -> None:
    ran = command("run", SCRIPT, "prices.jsons", "-", *options)
    assert ran.code == 0, ran.err
    assert ran.out == FILES["expected.jsons"]
    assert ran.err.splitlines()[:2] == [
        "Slot 0 (prices.jsons): exactly once.",
        "Slot 1 (-): at least once, repeats only after a crash.",
    ]
    assert ran.err.splitlines()[2].startswith("10 records in, 6 out, 0 rejected, in ")


def test_a_file_is_scored_to_a_file(sample: Path, command: Any) -> None:
    assert command("run", SCRIPT, "prices.jsons", "scores.jsons", "--inline").out == ""
    assert (sample / "scores.jsons").read_text() == FILES["expected.jsons"]


def test_a_literal_is_scored(sample: Path, command: Any) -> None:
    assert command("run", SCRIPT, "inline:1,2,3,4,5", "-", "--inline").out == "3.0\n"


def test_a_stream_of_the_library_is_scored(sample: Path, command: Any) -> None:
    descriptor = '{"Transport": {"Type": "inline", "Data": ["1", "2", "3", "4", "5"]}, "Encoding": "json"}'
    (sample / "streams" / "five.json").write_text(descriptor)
    assert command("run", SCRIPT, "five", "-", "--inline").out == "3.0\n"


def test_rejected_records_are_explained_and_fail_only_when_strict(sample: Path, command: Any) -> None:
    (sample / "bad.jsons").write_text('1\n"x"\n2\nnot json\n3\n4\n5\n')
    ran = command("run", SCRIPT, "bad.jsons", "-", "--inline")
    assert (ran.code, ran.out) == (0, "3.0\n")
    assert "7 records in, 1 out, 2 rejected" in ran.err
    assert "  record 2 of slot 0: double expected" in ran.err
    assert "  record 4 of slot 0: Not a valid json record" in ran.err
    assert command("run", SCRIPT, "bad.jsons", "-", "--inline", "--strict").code == 1


def test_only_the_first_rejects_are_explained(sample: Path, command: Any) -> None:
    (sample / "bad.jsons").write_text("x\n" * 200)
    ran = command("run", SCRIPT, "bad.jsons", "-", "--inline")
    assert "  record 1 of slot 0" in ran.err
    assert ran.err.count("  record ") == 5
    assert "  and 195 more" in ran.err


@pytest.mark.parametrize(
    ("script", "code", "part"),
    [
        ("def action(x):\n", 4, "line 1"),
        ("def akshun(x):\n    return x\n", 3, "'action'"),
        ("raise ValueError('no')\ndef action(x):\n    return x\n", 4, "ValueError: no"),
        ("def begin():\n    raise ValueError('no')\ndef action(x):\n    return x\n", 4, "begin() failed"),
        ("def action(x):\n    raise ValueError('no')\n", 1, "ValueError: no"),
        ("# engine.schema.0: nope\ndef action(x):\n    return x\n", 1, "Schema 'nope' not found"),
        ("# engine.recordsets.0: true\ndef action(x):\n    return x\n", 3, "not supported"),
    ],
)
def test_what_is_wrong_with_a_script_is_said_and_told_by_the_exit_code(
    sample: Path, command: Any, script: str, code: int, part: str
) -> None:
    (sample / "bad.py").write_text(script)
    ran = command("run", "bad.py", "prices.jsons", "-", "--inline")
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert part in ran.err


def test_a_stream_that_does_not_fit_the_model_exits_with_3(sample: Path, command: Any) -> None:
    descriptor = '{"Transport": {"Type": "inline", "Data": ["1"]}, "Encoding": "json", "Schema": "string"}'
    (sample / "streams" / "words.json").write_text(descriptor)
    assert command("run", SCRIPT, "words", "-", "--inline").code == 3


def test_a_schema_may_be_given_by_an_option(sample: Path, command: Any, tmp_path: Path) -> None:
    (sample / "lone.py").write_text("# engine.schema.0: price\ndef action(x):\n    return x\n")
    (sample / "price.avsc").write_text('"int"')
    ran = command("run", "lone.py", "inline:1,2.5", "-", "--inline", "--schema", "price=price.avsc")
    assert ran.out == "1\n"


def test_what_the_script_prints_goes_to_standard_error(sample: Path, command: Any) -> None:
    (sample / "talks.py").write_text("def action(x):\n    print('saw', x)\n    return x\n")
    for options in ([], ["--inline"]):
        ran = command("run", "talks.py", "inline:1,2", "-", *options)
        assert ran.out == "1\n2\n"
        assert "saw 1\nsaw 2\n" in ran.err


def test_a_file_that_is_read_is_never_written(sample: Path, command: Any) -> None:
    ran = command("run", SCRIPT, "prices.jsons", "./prices.jsons", "--inline")
    assert ran.code == 3
    assert "both read and written" in ran.err


@pytest.mark.parametrize("ends", [("prices.jsons", "scores.json"), ("scores.json", "-")])
def test_the_description_of_a_stream_is_neither_records_nor_overwritten(
    sample: Path, command: Any, ends: tuple[str, str]
) -> None:
    described = '{"Transport": {"Type": "file", "Path": "scores.jsons"}, "Encoding": "json"}'
    (sample / "scores.json").write_text(described)
    ran = command("run", SCRIPT, *ends, "--inline")
    assert (ran.code, ran.out) == (3, "")
    assert "engine stream add scores scores.json" in ran.err
    assert (sample / "scores.json").read_text() == described
    assert (sample / "prices.jsons").read_text() == FILES["prices.jsons"]


def test_an_output_is_not_emptied_for_a_script_that_cannot_be_set_up(sample: Path, command: Any) -> None:
    (sample / "bad.py").write_text("raise ValueError\ndef action(x):\n    return x\n")
    (sample / "out.jsons").write_text("old\n")
    assert command("run", "bad.py", "prices.jsons", "out.jsons", "--inline").code == 4
    assert (sample / "out.jsons").read_text() == "old\n"


@pytest.mark.parametrize("text", ["2", "x=a", "=a", "2="])
def test_a_slot_that_is_not_understood_exits_with_2(sample: Path, command: Any, text: str) -> None:
    assert command("run", SCRIPT, "prices.jsons", "-", "--slot", text).code == 2


def test_more_slots_are_attached(sample: Path, command: Any) -> None:
    (sample / "two.py").write_text("# engine.slot.2: in-use\ndef action(x, slot):\n    return [slot, x]\n")
    ran = command("run", "two.py", "inline:1", "-", "--slot", "2=inline:2", "--inline")
    assert sorted(ran.out.splitlines()) == ["[0,1]", "[2,2]"], ran.err


def test_the_working_directory_is_as_before(sample: Path, command: Any) -> None:
    command("run", SCRIPT, "prices.jsons", "-", "--inline")
    assert Path(os.getcwd()) == sample  # noqa: PTH109 - what the process itself says


def test_outputs_that_are_as_expected(sample: Path, command: Any) -> None:
    ran = command("test", SCRIPT, "prices.jsons", "expected.jsons", "--inline")
    assert (ran.code, ran.out) == (0, ""), ran.err
    assert ran.err == "As expected: 10 records in, 6 out, 6 expected, 0 different, 0 rejected.\n"


def test_outputs_that_differ_are_shown_line_by_line(sample: Path, command: Any) -> None:
    lines = FILES["expected.jsons"].splitlines()
    (sample / "other.jsons").write_text("\n".join([lines[0], "1400.0", *lines[2:], "7.0"]) + "\n")
    ran = command("test", SCRIPT, "prices.jsons", "other.jsons", "--inline")
    assert ran.code == 1
    assert ran.out == (
        "line 2: 1400.0 expected, got 1420.7 (difference 20.7)\n  - 1400.0\n  + 1420.7\nline 7: no record\n  - 7.0\n"
    )
    assert "7 expected, 2 different" in ran.err


def test_a_tolerance_is_relative_to_the_expected_number(sample: Path, command: Any) -> None:
    (sample / "near.jsons").write_text(FILES["expected.jsons"].replace("1420.2", "1421"))
    assert command("test", SCRIPT, "prices.jsons", "near.jsons", "--inline").code == 1
    assert command("test", SCRIPT, "prices.jsons", "near.jsons", "--inline", "--tolerance", "0.001").code == 0


def test_expected_outputs_are_written_with_update(sample: Path, command: Any) -> None:
    assert command("test", SCRIPT, "prices.jsons", "new.jsons").code == 2
    assert command("test", SCRIPT, "prices.jsons", "new.jsons", "--inline", "--update").code == 0
    assert (sample / "new.jsons").read_text() == FILES["expected.jsons"]


COUNTED = """
def begin():
    global n
    n = 0

def action(x):
    global n
    n += 1
    if x == "stop":
        raise ValueError("no further")
    return [n, x]
"""


@pytest.fixture
def stopped(sample: Path, command: Any) -> Path:
    """A run that stopped at its third record, mended since."""
    (sample / "counted.py").write_text(COUNTED)
    (sample / "in.jsons").write_text('1\n2\n"stop"\n4\n')
    ran = command("run", "counted.py", "in.jsons", "out.jsons", "--inline")
    assert ran.code == 1, ran.err
    assert (sample / "out.jsons").read_text() == "[1,1]\n[2,2]\n"
    assert "Go on with: engine run --resume counted.py in.jsons out.jsons --inline\n" in ran.err
    (sample / "counted.py").write_text(COUNTED.replace('raise ValueError("no further")', "pass"))
    return sample


def test_a_run_that_was_stopped_goes_on_with_its_state(stopped: Path, command: Any) -> None:
    ran = command("run", "--resume", "counted.py", "in.jsons", "out.jsons", "--inline")
    assert ran.code == 0, ran.err
    lines = (stopped / "out.jsons").read_text().splitlines()
    assert lines[:2] == ["[1,1]", "[2,2]"]
    assert [line.partition(",")[2] for line in lines[2:]] == ['"stop"]', "4]"]
    assert "Went on at record 3 of slot 0." in ran.err
    assert [line.partition(",")[0] for line in lines[2:]] in (["[3", "[4"], ["[4", "[5"])  # what it did stays


def test_a_run_begins_anew_unless_it_is_to_go_on(stopped: Path, command: Any) -> None:
    ran = command("run", "counted.py", "in.jsons", "out.jsons", "--inline")
    assert "Went on" not in ran.err
    assert (stopped / "out.jsons").read_text() == '[1,1]\n[2,2]\n[3,"stop"]\n[4,4]\n'


def test_the_same_run_is_found_from_another_folder(
    stopped: Path, command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [str(stopped / name) for name in ("counted.py", "in.jsons", "out.jsons")]
    assert "Went on at record 3 of slot 0." in command("run", "--resume", *paths, "--inline").err


@pytest.mark.parametrize("streams", [["in.jsons", "other.jsons"], ["prices.jsons", "out.jsons"]])
def test_a_run_with_other_streams_is_another_one(stopped: Path, command: Any, streams: list[str]) -> None:
    ran = command("run", "--resume", "counted.py", *streams, "--inline")
    assert ran.code == 0, ran.err
    assert ran.err.startswith("There is nothing to resume: the run begins at the start.\n")


def test_a_run_that_goes_on_counts_what_it_did_itself(stopped: Path, command: Any) -> None:
    ran = command("run", "--resume", "counted.py", "in.jsons", "out.jsons", "--inline")
    assert "2 records in, 2 out, 0 rejected" in ran.err


def test_a_damaged_store_is_refused_by_a_run_that_goes_on_and_removed_by_one_that_begins_anew(
    stopped: Path, command: Any, tmp_path: Path
) -> None:
    (path,) = (tmp_path / "state" / "jobs").glob("*/commits.db")
    path.write_bytes(b"")
    run = ["counted.py", "in.jsons", "out.jsons", "--inline"]
    assert command("run", "--resume", *run).code == 6
    ran = command("run", *run)
    assert ran.code == 0
    assert ran.err.count("is removed, and with it the rejects that were in it.") == 1
    assert (stopped / "out.jsons").read_text() == '[1,1]\n[2,2]\n[3,"stop"]\n[4,4]\n'


def test_state_that_is_too_large_exits_with_6_and_says_what_to_do(sample: Path, command: Any) -> None:
    (sample / "large.py").write_text(
        "def begin():\n    global kept\n    kept = b''\n\n"
        "def action(x):\n    global kept\n    kept = bytes(17 << 20)\n    yield x\n"
    )
    ran = command("run", "large.py", "prices.jsons", "out.jsons", "--inline")
    assert ran.code == 6
    assert "kept: it takes at least " in ran.err
    assert "Keep less, or keep it in several variables." in ran.err


def test_a_run_that_has_finished_is_not_resumed(stopped: Path, command: Any) -> None:
    arguments = ["counted.py", "in.jsons", "out.jsons", "--inline"]
    assert command("run", *arguments).code == 0
    before = (stopped / "out.jsons").read_bytes()
    ran = command("run", "--resume", *arguments)
    assert ran.code == 0
    assert ran.err.startswith("The run has finished already, so that there is nothing to resume.")
    assert (stopped / "out.jsons").read_bytes() == before


def test_an_input_that_is_gone_when_it_is_read_is_not_resumed(sample: Path, command: Any) -> None:
    os.mkfifo(sample / "pipe")
    for path, part in (("-", "slot 0 reads standard input"), ("pipe", "slot 0 reads the pipe")):
        ran = command("run", "--resume", SCRIPT, path, "out.jsons", "--inline", stdin=b"1\n")
        assert ran.code == 2
        assert part in ran.err
    assert not (sample / "out.jsons").exists()


def test_the_same_run_twice_at_a_time_is_refused(stopped: Path, command: Any, tmp_path: Path) -> None:
    from engine.state.sqlite import SqliteStore

    (folder,) = (tmp_path / "state" / "jobs").iterdir()
    store = SqliteStore(folder)
    try:
        ran = command("run", "counted.py", "in.jsons", "out.jsons", "--inline")
    finally:
        store.close()
    assert ran.code == 1
    assert "is in use by" in ran.err
    assert (stopped / "out.jsons").read_text() == "[1,1]\n[2,2]\n"


def test_state_that_does_not_fit_the_script_any_more_exits_with_6_and_names_both(stopped: Path, command: Any) -> None:
    (stopped / "counted.py").write_text(
        COUNTED.replace("n = 0", "m = 0").replace("global n", "global m").replace("n += 1", "m += 1")
    )
    ran = command("run", "--resume", "counted.py", "in.jsons", "out.jsons", "--inline")
    assert ran.code == 6, ran.err
    assert "'n'" in ran.err
    assert "m" in ran.err
    assert ran.err.endswith(" Run without --resume to begin anew.\n")


def test_an_output_that_was_replaced_says_what_to_do_here(stopped: Path, command: Any) -> None:
    (stopped / "other.jsons").write_text("x" * 100)
    (stopped / "other.jsons").replace(stopped / "out.jsons")
    ran = command("run", "--resume", "counted.py", "in.jsons", "out.jsons", "--inline")
    assert ran.code == 6
    assert ran.err.endswith(" Run without --resume to begin anew.\n")


def test_a_test_leaves_no_job_behind(sample: Path, command: Any, tmp_path: Path) -> None:
    assert command("test", SCRIPT, "prices.jsons", "expected.jsons", "--inline").code == 0
    assert not (tmp_path / "state" / "jobs").exists()
