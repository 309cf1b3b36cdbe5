"""What came of a torture, as a table and a last line, or as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from engine.cli.printing import print_json, print_table, talk

if TYPE_CHECKING:
    from engine.torture import Report
    from engine.torture.kafka import GroupReport

_WAYS = ("step", "random", "jet")


def print_reports(reports: Sequence[Report], seed: int, form: str) -> None:
    """Print reports; the last line has the totals, which `form` ``json`` gives with everything else."""
    groups = _of_groups(reports)
    totals = {
        "kills": sum(report.n_kills for report in reports),
        "lost": sum(report.n_lost for report in reports),
        "repeated": sum(report.n_repeated for report in reports),
        **_recovery("recovery", [second for report in reports for second in report.recoveries_s]),
        **(_recovery("total", [second for report in groups for second in report.totals_s]) if groups else {}),
    }
    if form == "json":
        print_json({"seed": seed, **totals, "cases": [_case(report) for report in reports]})
        return
    headings = ["Case", "Kills", "Step", "Random", "Jet", "Passes", "Outputs", "Lost", "Repeated", "p50 s", "max s"]
    troubles: list[str] = []
    if groups:
        troubles = [name for name in groups[0].troubles if any(group.troubles[name] for group in groups)]
        headings = [*headings[:5], *map(str.capitalize, troubles), *headings[5:], "Total p50 s", "max s"]
    print_table(headings, [_row(report, troubles) for report in reports])
    for report in reports:
        for reason in [report.note] * bool(report.note) + report.reasons:
            talk(f"{report.name}: {reason}")
    if groups:
        talk("Recoveries count from the assignment of partitions, totals from the kill.")
    talk(f"seed {seed}")
    click.echo(" ".join(f"{name} {value}" for name, value in totals.items()))


def _of_groups(reports: Sequence[Report]) -> list[GroupReport]:
    from engine.torture.kafka import GroupReport

    return [report for report in reports if isinstance(report, GroupReport)]


def _recovery(name: str, seconds: Sequence[float]) -> dict[str, float]:
    return {
        f"{name}_p50_s": round(statistics.median(seconds), 3) if seconds else 0.0,
        f"{name}_max_s": round(max(seconds, default=0.0), 3),
    }


def _row(report: Report, troubles: Sequence[str]) -> list[Any]:
    row = [
        report.name,
        report.n_kills,
        *(report.kills.get(way, 0) for way in _WAYS),
        report.n_passes,
        report.n_outputs,
        report.n_lost,
        report.n_repeated,
        round(report.recovery_p50_s, 2),
        round(report.recovery_max_s, 2),
    ]
    for group in _of_groups([report]):
        hurt = [group.troubles[name] for name in troubles]
        row = [*row[:5], *hurt, *row[5:], round(group.total_p50_s, 2), round(group.total_max_s, 2)]
    return row


def _case(report: Report) -> dict[str, Any]:
    said = {
        "case": report.name,
        "kills": report.n_kills,
        "by": report.kills,
        "passes": report.n_passes,
        "outputs": report.n_outputs,
        "lost": report.n_lost,
        "repeated": report.n_repeated,
        "ended": report.n_ended,
        "recovery_p50_s": round(report.recovery_p50_s, 3),
        "recovery_max_s": round(report.recovery_max_s, 3),
        "reasons": report.reasons,
        "note": report.note,
    }
    for group in _of_groups([report]):
        said |= {
            "troubles": group.troubles,
            "total_p50_s": round(group.total_p50_s, 3),
            "total_max_s": round(group.total_max_s, 3),
        }
    return said
