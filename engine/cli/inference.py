"""``engine inference``: how fast model files are here, and how they are best run."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli import exits
from engine.cli.printing import output_option, print_json, print_table, talk
from engine.cli.verb import VerbGroup
from engine.errors import EngineError, restore

if TYPE_CHECKING:
    from engine.inference.trial import Trial

_SAME = 1e-5  # what is promised of the same network in different formats
_WORTH = 0.9  # more threads, or a larger batch, are advised where they take less than this share of the time
_N_LINES_OF_TALK = 15  # what a process that died said last


class _Numbers(click.ParamType[list[int]]):
    """Whole numbers from 1 on, with commas between them."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Read them."""
        if isinstance(value, list):
            return value
        words = str(value).split(",")
        if not all(word.strip().isdecimal() and 0 < int(word) <= 1_000_000 for word in words):
            self.fail(f"{value!r} is not a list of numbers such as 1,8,64", param, ctx)
        return [*dict.fromkeys(int(word) for word in words)]


class _Shape(_Numbers):
    """The lengths of axes: here numbers may come again."""

    name = "shape"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Read them."""
        if isinstance(value, list):
            return value
        super().convert(value, param, ctx)
        return [int(word) for word in str(value).split(",")]


@click.group(cls=VerbGroup)
def inference() -> None:
    """Model files: how fast they are here."""


@inference.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--batch", "batch_sizes", type=_Numbers(), default="1,8,64", show_default=True, help="Rows a call.")
@click.option("--threads", type=_Numbers(), default="1,2", show_default=True, help="Threads that share a call.")
@click.option(
    "--compare",
    "others",
    metavar="FILE",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="The same network in another format; may be given again.",
)
@click.option("--device", metavar="NAME", default="auto", envvar="ENGINE_DEVICE", help="cpu, or gpu:0.")
@click.option(
    "--shape",
    "shapes",
    metavar="N,N",
    multiple=True,
    type=_Shape(),
    help="Of one row, where FILE does not say it; once for each input.",
)
@click.option(
    "--seconds", type=click.FloatRange(0.01, 60), default=0.5, show_default=True, help="For each measurement."
)
@output_option
def bench(
    file: Path,
    batch_sizes: list[int],
    threads: list[int],
    others: tuple[Path, ...],
    device: str,
    shapes: tuple[list[int], ...],
    seconds: float,
    form: str,
) -> int:
    """Measure how long FILE takes on this machine, and say how it is best run.

    Every line of the table is the median of calls on random numbers, in a process of its own for each file and number
    of threads. With --compare the scores of the files are compared as well; the exit code is 1 where they are more
    than 1e-5 apart, relative to scores above 1.

    Example: engine inference bench lstm.onnx
             engine inference bench lstm.onnx --compare lstm.keras --compare lstm.pt2 --batch 1,16 --threads 1
             engine inference bench lstm.onnx --device gpu:0 -o json
    """
    from engine.inference.trial import Trial

    files = [*dict.fromkeys([file, *others])]
    # What does not say the shape of its inputs takes it from one that does.
    ordered = sorted(files, key=lambda path: path.suffix.lower() in (".pt", ".pth"))
    told: dict[Path, dict[str, Any]] = {}
    measured: list[dict[str, Any]] = []
    known: Sequence[Sequence[int]] = shapes
    with tempfile.TemporaryDirectory() as folder, _progress(len(files) * len(threads) * len(batch_sizes)) as advance:
        for path in ordered:
            for number in threads:
                results = str(Path(folder, f"{files.index(path)}.npz")) if number == threads[0] else ""
                trial = Trial(str(path), device, number, batch_sizes, seconds, known, results)
                about, *found = _run(trial, advance)
                told.setdefault(path, about)
                known = known or about["shapes"]
                measured += [{"file": str(path), "threads": number, **one} for one in found]
        compared = [_compare(files[0], other, Path(folder), files.index(other)) for other in files[1:]]
    measured.sort(key=lambda one: files.index(Path(one["file"])))
    others_than = {one["file"] for one in compared if not one["is_same"]}
    advice = _advise([one for one in measured if "call_us" in one and one["file"] not in others_than])
    if form == "json":
        about_files = [{"file": str(path), **told[path]} for path in files]
        print_json({"files": about_files, "measurements": measured, "comparison": compared, "advice": advice})
    else:
        _print(told, measured, compared, advice)
    return exits.OK if all(one["is_same"] for one in compared) else exits.FAILURE


def _run(trial: Trial, advance: Callable[[str, int], None]) -> Iterator[dict[str, Any]]:
    from engine.inference.trial import as_json

    name = Path(trial.path).name
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [sys.executable, "-m", "engine.inference.trial", as_json(trial)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as process,
    ):
        try:
            advance(f"{name} on {trial.threads} threads", 0)
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            for line in process.stdout:
                found = json.loads(line)
                if error := found.get("error"):
                    raise restore(error["kind"], error["sentence"], error["fields"])
                advance(f"{name} on {trial.threads} threads", "batch" in found)
                yield found
            code = process.wait()
        finally:
            process.kill()
        if code:
            said.seek(0)
            lines = said.read().decode("utf-8", "replace").splitlines()[-_N_LINES_OF_TALK:]
            ended = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise EngineError("\n".join([f"{name}: the process that measured it {ended}. It said last:", *lines]))


def _compare(reference: Path, other: Path, folder: Path, number: int) -> dict[str, Any]:
    import numpy as np

    told: dict[str, Any] = {"file": str(other), "reference": str(reference), "distance": None, "reason": ""}
    with np.load(folder / "0.npz", allow_pickle=False) as first, np.load(folder / f"{number}.npz") as second:
        pairs = list(zip(first.values(), second.values(), strict=False))
        shapes = [[list(array.shape) for array in arrays] for arrays in (second.values(), first.values())]
    if shapes[0] != shapes[1]:
        told["reason"] = f"it gives {shapes[0]}, and {reference.name} {shapes[1]}"
    elif all(array.dtype.kind in "fiub" for pair in pairs for array in pair):
        told["distance"] = max(
            float(np.max(np.abs(b.astype(float) - a) / np.maximum(1.0, np.abs(a.astype(float))), initial=0.0))
            for a, b in pairs
        )
    else:
        told["distance"] = 0.0 if all(np.array_equal(a, b) for a, b in pairs) else 1.0
    told["is_same"] = told["distance"] is not None and told["distance"] <= _SAME
    return told


def _advise(measured: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the fewest threads and rows that are not much slower than the best; None if nothing was measured."""
    if not measured:
        return None
    best_us = min(one["row_us"] for one in measured)
    near = [one for one in measured if one["row_us"] * _WORTH <= best_us]
    chosen = min(near, key=lambda one: (one["threads"], one["batch"], one["row_us"]))
    batch, name = chosen["batch"], Path(chosen["file"]).name
    sentence = f"Use {name} with threads={chosen['threads']}"
    sentence += f" and batches of {batch}: {_us(chosen['row_us'])} a row" if batch > 1 else f": {_us(best_us)} a row"
    alone = [one for one in measured if one["batch"] == 1]
    if batch > 1 and alone:
        fastest = min(alone, key=lambda one: one["call_us"])
        single = next((one for one in alone if _is_like(one, chosen)), fastest)
        single = single if single["call_us"] * _WORTH <= fastest["call_us"] else fastest
        other = (
            "" if _is_like(single, chosen) else f", with {Path(single['file']).name} and threads={single['threads']}"
        )
        sentence += f"; a record alone takes {_us(single['call_us'])}{other}"
    return {"file": chosen["file"], "threads": chosen["threads"], "batch": batch, "sentence": f"{sentence}."}


def _is_like(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one[key] == other[key] for key in ("file", "threads"))


def _us(microseconds: float) -> str:
    return f"{microseconds:,.0f} us" if microseconds >= 10 else f"{microseconds:.1f} us"


def _print(
    told: dict[Path, dict[str, Any]],
    measured: Sequence[dict[str, Any]],
    compared: Sequence[dict[str, Any]],
    advice: dict[str, Any] | None,
) -> None:
    rows = []
    for one in measured:
        about = told[Path(one["file"])]
        times = [round(one[key], 1) if key in one else None for key in ("call_us", "slow_call_us", "row_us")]
        rows.append((Path(one["file"]).name, about["backend"], about["device"], one["threads"], one["batch"], *times))
    print_table(("File", "Run by", "Device", "Threads", "Batch", "us/call", "95 %", "us/row"), rows)
    for note in dict.fromkeys(note for about in told.values() for note in about["notes"]):
        talk(note)
    for refused in dict.fromkeys((one["file"], one["refused"]) for one in measured if "refused" in one):
        talk(f"{Path(refused[0]).name}: {refused[1]}.")
    for one in compared:
        name, reference = Path(one["file"]).name, Path(one["reference"]).name
        if one["is_same"]:
            talk(f"{name} gives the scores of {reference}: they are at most {one['distance']:.1g} apart.")
        else:
            why = one["reason"] or f"they are up to {one['distance']:.2g} apart"
            talk(f"{name} does NOT give the scores of {reference}: {why}.")
    if advice is not None:
        talk(advice["sentence"])


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str, int], None]]:
    """Show how far it is, where a person watches; yields what takes what is in work, and how much more is done."""
    if not sys.stderr.isatty():
        yield lambda _what, _n_done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)

        def advance(what: str, n_done: int) -> None:
            progress.update(task, description=what, advance=n_done)

        yield advance
