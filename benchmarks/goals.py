"""What is wanted, what it came to, and whether that was shown at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measuring import print_table
from benchmarks.metrics import LEAST_BATCH

Goal = dict[str, Any]
"""``what``, ``is``, ``goal``, ``is_met``, and where the goal is about batches ``mean_batch``, the mean of their rows.

`is_met` is None where a run was not batched: it shows nothing, whatever it came to.
"""

_UNTOLD = object()


def at_least(what: str, value: float, bound: float, mean_batch: float | object | None = _UNTOLD) -> Goal:
    """Judge a value that shall be as high as a bound.

    `mean_batch` is given where batching is claimed; None says that nobody counted.
    """
    return _judge(what, value, f">= {bound:g}", value >= bound, mean_batch)


def at_most(what: str, value: float, bound: float, mean_batch: float | object | None = _UNTOLD) -> Goal:
    """Judge a value that shall be as low as a bound."""
    return _judge(what, value, f"<= {bound:g}", value <= bound, mean_batch)


def below(what: str, value: float, bound: float, mean_batch: float | object | None = _UNTOLD) -> Goal:
    """Judge a value that shall be lower than a bound."""
    return _judge(what, value, f"< {bound:g}", value < bound, mean_batch)


def _judge(what: str, value: float, goal: str, is_met: bool, mean_batch: float | object | None) -> Goal:
    judged: Goal = {"what": what, "is": float(f"{value:.4g}"), "goal": goal, "is_met": is_met}
    if mean_batch is _UNTOLD:
        return judged
    is_batched = isinstance(mean_batch, float | int) and mean_batch >= LEAST_BATCH
    return judged | {"mean_batch": mean_batch, "is_met": is_met if is_batched else None}


def verdict(goal: Mapping[str, Any]) -> str:
    """Return in words whether a goal is met."""
    if goal["is_met"] is None:
        mean_batch = goal.get("mean_batch")
        counted = "no batches were counted" if mean_batch is None else f"batches of {mean_batch:g}"
        return f"not shown: {counted}, and {LEAST_BATCH:g} are the least"
    return "yes" if goal["is_met"] else "NO"


def print_goals(goals: Sequence[Mapping[str, Any]]) -> None:
    """Print how figures stand to their goals."""
    rows = [(one["what"], f"{one['is']:g}", one["goal"], batch_of(one), verdict(one)) for one in goals]
    print_table("Goals", ("what", "is", "goal", "mean batch", "met"), rows)


def batch_of(figures: Mapping[str, Any]) -> str:
    """Return the mean batch as it stands in a table."""
    mean_batch = figures.get("mean_batch")
    return "-" if mean_batch is None else f"{mean_batch:.1f}"
