"""Where a loaded model's time goes, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.cli.printing import print_table, talk

_PREDICTOR_HEADINGS = (
    "Predictor",
    "Backend",
    "Device",
    "Calls",
    "Rows",
    "Mean batch",
    "us/call",
    "us/row",
    "Waiting us/row",
    "Longest ms",
)
_SCRIPT = "script"
"""The backend of a batched function: what it predicts with, is counted for itself too."""


def print_profile(profile: Mapping[str, Any]) -> None:
    """Print what predictors did, and what the time went into."""
    if profile["predictors"]:
        print_table(_PREDICTOR_HEADINGS, map(_predictor_row, profile["predictors"]))
        print()
    print_table(("What", "Count", "Total s", "Mean us"), _time_rows(profile))
    talk("")
    if not profile["predictors"]:
        talk("No predictor has been called: engine.inference.load makes one.")
    talk(f"Now {profile['n_waiting']} records wait for a jet, and {profile['n_in_jets']} are in one.")
    talk(profile["plan"]["sentence"])


def _predictor_row(one: Mapping[str, Any]) -> Sequence[Any]:
    n_calls, n_rows = one["n_calls"], one["n_rows"]
    return (
        one["name"],
        one["backend"],
        one["device"] or None,
        n_calls,
        n_rows,
        _ratio(n_rows, n_calls),
        _ratio(1e6 * one["duration_s"], n_calls),
        _ratio(1e6 * one["duration_s"], n_rows),
        _ratio(1e6 * one["waiting_s"], n_rows),
        round(1e3 * one["max_duration_s"], 2),
    )


def _time_rows(profile: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    predictors = [one for one in profile["predictors"] if one["backend"] != _SCRIPT]
    yield _time_row("waiting for a jet, a record", profile["queue"])
    yield _time_row("action(), a record", profile["action"])
    if predictors:
        in_calls = {name: sum(one[of] for one in predictors) for name, of in _CALL_SUMS.items()}
        yield _time_row("  in predictors, a call", in_calls)
    yield _time_row("commit", profile["commit"])
    yield _time_row("synchronous score", profile["score"])


_CALL_SUMS = {"count": "n_calls", "total_s": "duration_s"}


def _time_row(what: str, times: Mapping[str, Any]) -> Sequence[Any]:
    return what, times["count"], round(times["total_s"], 3), _ratio(1e6 * times["total_s"], times["count"])


def _ratio(total: float, count: int) -> float | None:
    """Return a mean to a tenth; None of nothing."""
    return round(total / count, 1) if count else None
