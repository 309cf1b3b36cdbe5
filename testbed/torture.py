"""``python -m testbed.torture``: `engine torture` on brokers of the testbed, which may be stopped too."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Sequence

from engine.cli.progress import kills_bar
from engine.cli.torture_report import print_reports
from engine.torture import Report, engine_environ, made_folder, work_through
from engine.torture.kafka import GROUP_CASES, Brokers, GroupSubject, torture_group
from testbed.kafka import KafkaCluster

N_KILLS = 70  # ten in each case
N_BROKERS = 3  # the fewest of which one may be away
RECORDS_PER_KILL, MIN_RECORDS, MAX_RECORDS = 400, 6_000, 20_000  # as the command has them


class ClusterBouncer:
    """Stops brokers of a cluster of the testbed, and starts them again."""

    def __init__(self, cluster: KafkaCluster, n_brokers: int) -> None:
        self._cluster, self.numbers = cluster, range(1, n_brokers + 1)

    def bounce(self, number: int, *, is_hard: bool) -> None:
        """Stop a broker and start it again."""
        (self._cluster.kill if is_hard else self._cluster.stop)(number)
        self._cluster.start(number)


def hurt(
    names: Sequence[str], n_kills: int, seed: int, n_jobs: int | None, on_kill: Callable[[], None], *, is_kept: bool
) -> list[Report]:
    """Hurt groups of every case, and return what came of it."""
    with made_folder(is_kept=is_kept) as folder, KafkaCluster(N_BROKERS) as cluster:
        bouncer = ClusterBouncer(cluster, N_BROKERS)

        def work(nth: int) -> Report:
            share = max(1, n_kills // len(names) + (nth < n_kills % len(names)))
            place = folder / names[nth]
            place.mkdir()
            subject = GroupSubject(
                GROUP_CASES[names[nth]],
                place,
                [sys.executable, "-m", "engine"],
                engine_environ(),
                Brokers(cluster.bootstrap),
                name="torture",
                n_records=min(max(share * RECORDS_PER_KILL, MIN_RECORDS), MAX_RECORDS),
                bouncer=bouncer,
            )
            report = torture_group(subject, share, seed + nth, is_kept=is_kept, on_kill=on_kill)
            told = f"{report.n_kills} kills, {report.n_lost} lost, {report.n_repeated} repeated"
            print(f"{report.name}: {told}", *report.reasons, sep="\n", file=sys.stderr)
            return report

        return work_through(work, len(names), n_jobs)


def main(arguments: list[str] | None = None) -> int:
    """Hurt them, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=N_KILLS)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))  # noqa: S311 - no secret
    parser.add_argument("--case", action="append", choices=tuple(GROUP_CASES))
    parser.add_argument("--jobs", type=int, help="cases at a time; by default one for each core")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a pass in which something was wrong")
    options = parser.parse_args(arguments)
    names = options.case or tuple(GROUP_CASES)
    with kills_bar(options.kills) as on_kill:
        reports = hurt(names, options.kills, options.seed, options.jobs, on_kill, is_kept=options.keep)
    print_reports(reports, options.seed, "table")
    return 0 if all(report.is_right for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
