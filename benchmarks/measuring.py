"""Rounds of contenders side by side, their medians and spreads, and the file and table that hold them."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCAL = ROOT / "benchmarks" / "results" / "local"
"""Where results go unless told otherwise; git does not see it."""

_LIBRARIES = ("fastavro", "msgpack", "numpy", "onnxruntime", "uvicorn", "httptools", "uvloop")


def interleave(n_rounds: int, contenders: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Call each contender once a round, so that whatever else the machine does meets all of them alike.

    Every other round runs backwards: a contender does not always follow the same neighbour.
    """
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    for nth in range(n_rounds):
        for name in list(contenders)[:: -1 if nth % 2 else 1]:
            figures[name].append(contenders[name]())
    return figures


def spread(figures: Sequence[float]) -> dict[str, Any]:
    """Return the median of some figures, the lowest, the highest, and the figures."""
    rounded = [float(f"{figure:.5g}") for figure in figures]
    return {"median": statistics.median(rounded), "min": min(rounded), "max": max(rounded), "rounds": rounded}


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median of the ratios round by round: what disturbed one round disturbed both of its sides."""
    return round(statistics.median(a / b for a, b in zip(above, below, strict=True)), 3)


def machine() -> dict[str, Any]:
    """Return what a reader must know of this machine to judge the figures."""
    models = [line.partition(":")[2].strip() for line in _cpu_lines() if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None  # a machine that is borrowed for one benchmark need not have all


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def save(name: str, results: Mapping[str, Any], folder: Path) -> Path:
    """Write results as ``NAME.json`` and return the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    return path


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print aligned columns; the first one is text, the others are numbers."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    print(f"\n{title}")
    for row in (head, *cells):
        first, *rest = (
            cell.ljust(width) if nth == 0 else cell.rjust(width)
            for nth, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  " + "  ".join([first, *rest]).rstrip())


def _cell(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.2f}" if abs(cell) < 10 else f"{cell:,.0f}"
    return str(cell)
