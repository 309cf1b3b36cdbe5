"""How the figures of all benchmarks stand to their goals: a table in Markdown, and pictures.

``python -m benchmarks.report`` reads the files in ``benchmarks/results/local/``, prints the table, and draws the
pictures beside them. ``--results benchmarks/results`` does so for the figures that are kept.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.goals import Goal, at_least, at_most, batch_of, verdict
from benchmarks.measuring import LOCAL

NAMES = ("hop", "score", "serving", "durability", "files", "growth", "inference", "kafka")
HOP_SHARE, ADDED_US, STARLETTE_SHARE, DISK_TIMES = 0.5, 100.0, 0.8, 2.0
_BLUE, _ORANGE, _GREEN, _GREY = "#0072b2", "#d55e00", "#009e73", "#9a9a9a"
_LINES = (_BLUE, _ORANGE, _GREEN, "#cc79a7", "#e69f00", "#56b4e9")


def read(folder: Path) -> dict[str, Any]:
    """Return the results that there are, by benchmark."""
    paths = {name: folder / f"{name}.json" for name in NAMES}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def goals_of(results: Mapping[str, Any]) -> Iterator[Goal]:
    """Give the goals of every benchmark that was run, those that a file does not state itself among them."""
    if "hop" in results and "avro" in (cases := results["hop"]["cases"]):
        yield at_least("file to file, no-op, Avro doubles: share of a loop's rate", cases["avro"]["ratio"], HOP_SHARE)
    scores = results.get("score", {}).get("cases", {})
    if "tf_sp500_lstm x1" in scores:
        what = "REST score, the sample LSTM, 1 connection: us added to raw at p50"
        yield at_most(what, scores["tf_sp500_lstm x1"]["added_p50_us"], ADDED_US)
    no_op = scores.get("no_op x32", {})
    if "rate_to_starlette" in no_op:
        what = "REST no-op, 32 connections: rate, engine / Starlette"
        yield at_least(what, no_op["rate_to_starlette"], STARLETTE_SHARE)
    disk = results.get("durability", {}).get("cases", {}).get("disk x32")
    if disk is not None:
        yield at_most("asynchronous REST, 32 connections: time, disk / false", disk["ratio"], DISK_TIMES)
    for name in NAMES:
        yield from results.get(name, {}).get("goals", ())


def table(goals: Sequence[Mapping[str, Any]]) -> str:
    """Return the goals as a table in Markdown."""
    lines = ["| what | is | goal | mean batch | met |", "|---|---|---|---|---|"]
    lines += [f"| {one['what']} | {one['is']:g} | {one['goal']} | {batch_of(one)} | {verdict(one)} |" for one in goals]
    return "\n".join(lines)


def circumstances(results: Mapping[str, Any]) -> str:
    """Return on which machine each was measured, and how busy it was."""
    lines = []
    for name, found in results.items():
        of = found["machine"]
        lines.append(f"{name}: {of['cores']} cores, {of['cpu']}, load {of['load_before']:g} before it began")
    return "\n".join(lines)


def draw(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw what can be drawn; return the files."""
    from matplotlib.figure import Figure  # only the pictures need it

    drawers = {"serving": _draw_serving, "files": _draw_files, "growth": _draw_growth, "inference": _draw_inference}
    drawn = []
    for name, drawer in drawers.items():
        if name not in results:
            continue
        figure = Figure(figsize=(10, 4.5), layout="constrained")
        drawer(figure, results[name])
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=100, metadata={"Software": None})
        drawn.append(path)
    return drawn


def _axes(figure: Any, place: tuple[int, int, int], title: str) -> Any:
    axes = figure.add_subplot(*place)
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _bars(axes: Any, figures: Mapping[str, Mapping[str, Any]], batches: Mapping[str, str]) -> None:
    """Draw a bar for each name, its range over the rounds, and the mean batch beside it."""
    names = list(figures)
    medians = [figures[name]["median"] for name in names]
    below = [figures[name]["median"] - figures[name]["min"] for name in names]
    above = [figures[name]["max"] - figures[name]["median"] for name in names]
    colours = [_ORANGE if name.startswith("engine") else _GREY if name.startswith("raw") else _BLUE for name in names]
    axes.barh(names, medians, xerr=(below, above), color=colours, error_kw={"linewidth": 1, "ecolor": "#333333"})
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.3)
    for nth, name in enumerate(names):
        label = f"  {medians[nth]:,.0f}" + (f", batch {batches[name]}" if batches.get(name, "-") != "-" else "")
        axes.text(figures[name]["max"], nth, label, va="center", fontsize=8)


def _draw_serving(figure: Any, results: Mapping[str, Any]) -> None:
    parts = (
        ("window x1", "p50_us", "One connection: p50, microseconds"),
        ("window x32", "rates", "32: scores a second"),
    )
    for nth, (case, what, title) in enumerate(parts):
        found = results["cases"][case]["contenders"]
        figures = {name: one[what] for name, one in found.items()}
        batches = {name: batch_of(one) for name, one in found.items() if nth}
        _bars(_axes(figure, (1, 2, nth + 1), title), figures, batches)
    figure.suptitle("LSTM over REST, one window a request; medians and ranges of the rounds", x=0.01, ha="left")


def _draw_files(figure: Any, results: Mapping[str, Any]) -> None:
    for nth, (case, found) in enumerate(results["cases"].items()):
        figures = {name: one["us"] for name, one in found["contenders"].items()}
        batches = {name: batch_of(one) for name, one in found["contenders"].items()}
        _bars(_axes(figure, (1, 2, nth + 1), f"{case}: microseconds a record"), figures, batches)
    figure.suptitle(f"LSTM from file to file, {results['n_records']:,} records", x=0.01, ha="left")


def _draw_growth(figure: Any, results: Mapping[str, Any]) -> None:
    n_parts = len(results["parts"])
    for nth, (part, cases) in enumerate(results["parts"].items()):
        axes = _axes(figure, (1, n_parts, nth + 1), f"{part}: microseconds a record")
        for colour, n_keys in zip(_LINES, dict.fromkeys(case["n_keys"] for case in cases), strict=False):
            own = [case for case in cases if case["n_keys"] == n_keys]
            sizes = [case["n_records"] for case in own]
            axes.plot(sizes, [case["us"]["median"] for case in own], "o-", color=colour, label=f"{n_keys:,} keys")
            lows, highs = ([case["us"][end] for case in own] for end in ("min", "max"))
            axes.fill_between(sizes, lows, highs, color=colour, alpha=0.15, linewidth=0)
        axes.set_xscale("log")
        sizes = sorted({case["n_records"] for case in cases})
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("records")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)


def _draw_inference(figure: Any, results: Mapping[str, Any]) -> None:
    n_parts = len(results["networks"])
    for nth, (units, rates) in enumerate(results["networks"].items()):
        axes = _axes(figure, (1, n_parts, nth + 1), f"LSTM of 3 x {units}: windows a second")
        for number, (name, by) in enumerate(rates.items()):
            sizes = [int(batch) for batch in by]
            medians = [one["median"] for one in by.values()]
            axes.plot(sizes, medians, "o-", color=_LINES[number % len(_LINES)], label=name)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xlabel("batch")
        sizes = sorted({int(batch) for by in rates.values() for batch in by})
        axes.set_xticks(sizes, [str(size) for size in sizes])
        if rates:
            axes.legend(frameon=False, fontsize=8)


def main(arguments: list[str] | None = None) -> None:
    """Print the table, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=LOCAL, help="folder of the JSON files")
    options = parser.parse_args(arguments)
    results = read(options.results)
    print(table(list(goals_of(results))))
    print(f"\n{circumstances(results)}")
    for path in draw(results, options.results):
        print(f"drawn: {path}")


if __name__ == "__main__":
    main()
