"""``engine torture``: engines are killed at work, and nothing may be lost or come twice."""

from __future__ import annotations

import os
import random
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli import exits
from engine.cli.desk import Desk, pass_desk
from engine.cli.printing import output_option
from engine.cli.progress import kills_bar
from engine.cli.torture_report import print_reports
from engine.cli.verb import Verb

if TYPE_CHECKING:
    from engine.torture import Report, Subject

RECORDS_PER_KILL = 400  # what the built-in scripts score between two kills, and a little more
MAX_RECORDS = 20_000  # ten seconds of work: beyond that another pass begins
GROUP_RECORDS = 6_000  # at least: so long that members can come and go
N_KILLS = 50
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(cls=Verb, short_help="Kill engines at work and look what is lost: nothing.")
@click.argument("script", type=_file, required=False)
@click.argument("input", type=_file, required=False)
@click.option("--kills", "n_kills", type=click.IntRange(min=1), default=N_KILLS, show_default=True, metavar="N")
@click.option("--seed", type=int, metavar="N", help="Repeats a run: decides who is killed when.")
@click.option("--case", "names", multiple=True, metavar="NAME", help="Only this case; may be given again.")
@click.option("--jobs", "n_jobs", type=click.IntRange(min=1), help="Cases at a time.  [default: one for each core]")
@click.option("--keep", "is_kept", is_flag=True, help="Keep the folder of a pass in which something was wrong.")
@click.option("--schema", multiple=True, metavar="NAME=FILE", help="As for engine run.")
@click.option("--attachment", multiple=True, metavar="FILE", help="As for engine run.")
@click.option("--encoding", metavar="NAME", help="As for engine run.")
@click.option("--brokers", metavar="ADDRESS", help="Kill groups of engines between topics of this Kafka cluster.")
@click.option("--engine", "program", hidden=True, metavar="COMMAND", help="What is killed, in place of this engine.")
@output_option
@pass_desk
@click.pass_context
def torture(
    ctx: click.Context,
    desk: Desk,
    /,
    script: Path | None,
    input: Path | None,  # noqa: A002 - the argument's name in the help
    n_kills: int,
    seed: int | None,
    names: tuple[str, ...],
    n_jobs: int | None,
    is_kept: bool,
    brokers: str | None,
    program: str | None,
    form: str,
    **options: Any,
) -> None:
    """Kill engines that run SCRIPT on INPUT; nothing may be lost, and nothing may come twice.

    Other engines go on, and what came out is compared with a run that nobody killed. Engines are killed with SIGKILL:
    at every step of a commit in turn, and at random moments; so is the process that runs the script. Without SCRIPT,
    scripts and inputs of the engine's own go through every case. The exit code is 0 when nothing was lost and nothing
    came twice. INPUT must take longer than an engine takes to commit: where nothing was resumed, the exit code is 1.

    With --brokers, groups of engines read one topic and write another, and worse is done to them: members join and
    leave, stand still for longer than the group waits, have their transactions aborted, and meet records that take long
    or never end. Topics and groups whose names begin with engine-torture- are made, and removed again.

    Examples: engine torture model_scripts/average.py prices.jsons
              engine torture --kills 200
              engine torture --case rest-disk --case http --seed 7
              engine torture --brokers localhost:9092
    """
    from engine.torture import engine_environ, made_folder, work_through

    if script is not None and input is None:
        raise click.UsageError("INPUT is missing: a file with what SCRIPT is to score.")
    if script is not None and brokers is not None:
        raise click.UsageError("--brokers goes with scripts of the engine's own, not with SCRIPT.")
    cases = _cases(brokers)
    if unknown := [name for name in names if name not in cases]:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(cases)}.", param_hint="--case")
    chosen = names or (cases if script is None else ("file",))
    seed = random.randrange(1_000_000) if seed is None else seed  # noqa: S311 - no secret
    command = shlex.split(program) if program else [sys.executable, "-m", "engine"]
    with made_folder(is_kept=is_kept) as folder, kills_bar(n_kills) as on_kill:

        def work(nth: int) -> Report:
            from engine.torture import torture as kill_engines

            share = n_kills // len(chosen) + (nth < n_kills % len(chosen))
            place = folder / chosen[nth]
            place.mkdir()
            if brokers is not None:
                return kill_group(chosen[nth], place, command, brokers, max(share, 1), seed + nth, is_kept, on_kill)
            subject = _subject(chosen[nth], place, command, engine_environ(), script, input, share, desk, options)
            return kill_engines(subject, max(share, 1), seed + nth, is_kept=is_kept, on_kill=on_kill)

        reports = work_through(work, len(chosen), n_jobs)
    print_reports(reports, seed, form)
    ctx.exit(exits.OK if all(report.is_right for report in reports) else exits.FAILURE)


def _cases(brokers: str | None) -> tuple[str, ...]:
    """Return the names of the cases: those over Kafka where there are brokers, but for those that would stop them."""
    if brokers is None:
        from engine.torture import CASES

        return tuple(CASES)
    from engine.torture.kafka import GROUP_CASES

    return tuple(name for name, case in GROUP_CASES.items() if not case.needs_bouncer)


def kill_group(
    name: str,
    place: Path,
    command: Sequence[str],
    address: str,
    n_kills: int,
    seed: int,
    is_kept: bool,
    on_kill: Callable[[], None],
) -> Report:
    """Hurt groups of a case over Kafka, and return what came of it."""
    from engine.torture import engine_environ
    from engine.torture.kafka import GROUP_CASES, Brokers, GroupSubject, torture_group

    n_records = min(max(n_kills * RECORDS_PER_KILL, GROUP_RECORDS), MAX_RECORDS)
    subject = GroupSubject(
        GROUP_CASES[name],
        place,
        command,
        engine_environ(),
        Brokers(address),
        name=f"engine-torture-{os.getpid()}",
        n_records=n_records,
    )
    return torture_group(subject, n_kills, seed, is_kept=is_kept, on_kill=on_kill)


def _subject(
    name: str,
    place: Path,
    command: Sequence[str],
    environ: dict[str, str],
    script: Path | None,
    source: Path | None,
    n_kills: int,
    desk: Desk,
    options: dict[str, Any],
) -> Subject:
    from engine.registry import library_of
    from engine.torture import CASES, BuiltIn, Own

    if script is None or source is None:
        n_records = min(max(n_kills, 2) * RECORDS_PER_KILL, MAX_RECORDS)
        return BuiltIn(CASES[name], place, command, environ, n_records=n_records)
    library = desk.library
    if library is None and (found := library_of(script)) is not None:
        library = found.root
    words = [word for key in ("schema", "attachment") for given in options[key] for word in (f"--{key}", given)]
    words += ["--encoding", options["encoding"]] if options["encoding"] else []
    return Own(CASES[name], place, command, environ, script=script, source=source, options=words, library=library)
