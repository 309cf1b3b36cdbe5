from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.cli.inference import _advise
from tests.cli.conftest import Command
from tests.inference.conftest import write_graph


def measurement(file: str, threads: int, batch: int, call_us: float) -> dict[str, Any]:
    return {"file": file, "threads": threads, "batch": batch, "call_us": call_us, "row_us": call_us / batch}


@pytest.mark.parametrize(
    ("measured", "sentence"),
    [
        ([("a", 1, 1, 230.0)], "Use a with threads=1: 230 us a row."),
        (
            [("a", 1, 1, 230.0), ("a", 1, 8, 1120.0), ("a", 1, 64, 8900.0), ("a", 2, 8, 1100.0)],
            "Use a with threads=1 and batches of 8: 140 us a row; a record alone takes 230 us.",
        ),
        (
            [("a", 1, 1, 230.0), ("a", 1, 64, 8900.0), ("a", 2, 64, 4500.0), ("a", 2, 1, 300.0)],
            "Use a with threads=2 and batches of 64: 70 us a row; a record alone takes 230 us, with a and threads=1.",
        ),
        ([("a", 1, 1, 100.0), ("b", 1, 1, 5.04)], "Use b with threads=1: 5.0 us a row."),
    ],
    ids=["one", "no more threads or rows than pay", "other threads for one record", "another file"],
)
def test_the_advice_is_the_least_that_is_not_much_slower_than_the_best(
    measured: list[tuple[str, int, int, float]], sentence: str
) -> None:
    advice = _advise([measurement(*one) for one in measured])
    assert advice is not None
    assert advice["sentence"] == sentence


def test_nothing_measured_is_no_advice() -> None:
    assert _advise([]) is None


@pytest.fixture
def graphs(tmp_path: Path) -> Path:
    """Graphs that double, double by another way, treble, give less, and want a batch, or a length, of their own."""
    rows, longer = {"x": ["n", 2]}, {"x": ["n", "length"]}
    write_graph(tmp_path / "doubling.onnx", rows, {"y": ["n", 2]}, [("Add", "x x", "y")])
    write_graph(tmp_path / "summing.onnx", rows, {"y": ["n", 2]}, [("Sum", "x x", "y")])
    write_graph(tmp_path / "trebling.onnx", rows, {"y": ["n", 2]}, [("Sum", "x x x", "y")])
    write_graph(tmp_path / "fixed.onnx", {"x": [4, 2]}, {"y": [4, 2]}, [("Add", "x x", "y")])
    write_graph(tmp_path / "longer.onnx", longer, {"y": ["n", "length"]}, [("Add", "x x", "y")])
    return tmp_path


QUICK = ("--seconds", "0.01", "--threads", "1", "--batch", "1,4")


@pytest.mark.integration
def test_bench_measures_each_batch_size_and_number_of_threads(command: Command, graphs: Path) -> None:
    ran = command("inference", "bench", graphs / "doubling.onnx", *QUICK, "--threads", "1,2", "-o", "json")
    assert (ran.code, ran.err) == (0, "")
    told = json.loads(ran.out)
    assert [(one["threads"], one["batch"]) for one in told["measurements"]] == [(1, 1), (1, 4), (2, 1), (2, 4)]
    assert all(0 < one["call_us"] <= one["slow_call_us"] for one in told["measurements"])
    assert told["files"][0]["backend"] == "onnxruntime"
    assert told["advice"]["sentence"].startswith("Use doubling.onnx with threads=")


@pytest.mark.integration
def test_bench_says_whether_files_give_the_same_scores(command: Command, graphs: Path) -> None:
    same = command("inference", "bench", graphs / "doubling.onnx", "--compare", graphs / "summing.onnx", *QUICK)
    assert same.code == 0
    assert [line.split()[0] for line in same.out.splitlines()] == [
        "File",
        *["doubling.onnx"] * 2,
        *["summing.onnx"] * 2,
    ]
    assert "summing.onnx gives the scores of doubling.onnx" in same.err
    other = command("inference", "bench", graphs / "doubling.onnx", "--compare", graphs / "trebling.onnx", *QUICK)
    assert other.code == 1
    assert "trebling.onnx does NOT give the scores of doubling.onnx: they are up to" in other.err
    assert other.err.splitlines()[-1].startswith("Use doubling.onnx")


@pytest.mark.integration
def test_batch_sizes_that_a_file_does_not_take_are_left_out_by_name(command: Command, graphs: Path) -> None:
    ran = command("inference", "bench", graphs / "fixed.onnx", *QUICK)
    assert ran.code == 0
    assert ran.out.splitlines()[1].split()[4:6] == ["1", "-"]
    assert "fixed.onnx: it takes batches of 4 only." in ran.err


@pytest.mark.integration
def test_an_axis_of_any_length_is_asked_for(command: Command, graphs: Path) -> None:
    ran = command("inference", "bench", graphs / "longer.onnx", *QUICK)
    assert ran.code == 3
    assert "--shape 30,1" in ran.err
    assert command("inference", "bench", graphs / "longer.onnx", *QUICK, "--shape", "3,3").code == 3
    assert command("inference", "bench", graphs / "longer.onnx", *QUICK, "--shape", "3").code == 0


@pytest.mark.integration
@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["doubling.onnx", "--device", "gpu:0"], 3, "onnxruntime has no gpu:0 here"),
        (["doubling.onnx", "--device", "tpu"], 3, "Device 'tpu' is not known"),
        (["empty.onnx"], 1, "was not taken by onnxruntime"),
        (["doubling.onnx", "--compare", "empty.onnx"], 1, "empty.onnx"),
        (["nothing.onnx"], 2, "does not exist"),
        (["doubling.onnx", "--batch", "1,0"], 2, "not a list of numbers"),
        (["doubling.onnx", "--batch", ""], 2, "not a list of numbers"),
    ],
)
def test_what_cannot_be_measured_is_an_error(
    command: Command, graphs: Path, arguments: list[str], code: int, told: str
) -> None:
    (graphs / "empty.onnx").touch()
    ran = command("inference", "bench", *QUICK, *arguments)  # the working folder is that of the graphs
    assert ran.code == code
    assert told in ran.err
    assert ran.out == ""


@pytest.mark.integration
def test_a_process_that_dies_is_told_with_what_it_said_last(
    command: Command, graphs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = graphs / "site"
    site.mkdir()
    (site / "onnxruntime.py").write_text("import os, sys\nprint('no memory left', file=sys.stderr)\nos._exit(7)\n")
    monkeypatch.setenv("PYTHONPATH", os.fspath(site))
    ran = command("inference", "bench", graphs / "doubling.onnx", *QUICK)
    assert ran.code == 1
    assert "ended with exit code 7" in ran.err
    assert "no memory left" in ran.err
