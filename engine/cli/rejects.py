"""``engine rejects``: records that were not scored, and outputs that were not written."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import click

from engine.cli.desk import Desk, pass_desk
from engine.cli.jobs import Kept, find_job, job_option, open_job, with_kept
from engine.cli.printing import counted, hint, is_readable, output_option, print_records, print_table, talk
from engine.cli.state import confirm
from engine.cli.verb import VerbGroup

N_REJECTS = 20  # a screen full
HEAD_CHARS = 40  # of a record
REASON_CHARS = 80

numbers_argument = click.argument("numbers", nargs=-1, type=click.IntRange(min=1), metavar="[NUMBER...]")


@click.group(cls=VerbGroup)
def rejects() -> None:
    """Show and replay records that were not scored."""


@rejects.command()
@numbers_argument
@job_option
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="NUMBER", help="Those behind this one.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help=f"At most so many.  [default: {N_REJECTS}]")
@click.option("--raw", "is_raw", is_flag=True, help="Print the records alone, as they came, one a line.")
@click.option("--traceback", type=click.IntRange(min=1), metavar="NUMBER", help="Print the script's traceback of one.")
@output_option
@pass_desk
def show(
    desk: Desk,
    numbers: tuple[int, ...],
    job: str | None,
    after: int,
    limit: int | None,
    is_raw: bool,
    traceback: int | None,
    form: str,
) -> None:
    """Show the rejects, the oldest first; with NUMBERs only those.

    They are those of the server, or with --job or --state those in a folder. All of them come with --raw or -o json.

    Examples: engine rejects show
              engine rejects show --raw | sed s/,/./ | engine model input
    """
    if traceback is not None:
        numbers, limit = (traceback,), 1
    if limit is None and form == "text" and not is_raw:
        limit = N_REJECTS

    def print_rejects(kept: Kept) -> None:
        chosen = _chosen(kept, numbers, after)
        found = islice(chosen, limit)
        if traceback is not None:
            _print_traceback(found, traceback)
        elif is_raw:
            print_records((reject["value"] for reject in found), is_binary=False)
        elif form == "json":
            for reject in found:
                line = {**reject, "value": base64.b64encode(reject["value"]).decode()}
                click.echo(json.dumps(line, ensure_ascii=False))
        else:
            rejects = list(found)
            _print_table(rejects, has_more=lambda: next(chosen, None) is not None)
            _tell_missing(numbers, rejects)
            if not rejects and not numbers:
                talk("There are no rejects.")
            if rejects:
                hint(_next_step(desk, kept.job))

    with_kept(desk, job, print_rejects)


def _next_step(desk: Desk, job: str | None) -> str:
    from engine.state.jobs import SERVE

    if job in (None, SERVE):
        return "engine rejects replay NUMBER (or --all), or engine rejects clear"
    where = shlex.join(["--state", str(desk.state_dir), "--job", str(job)])
    return f"engine rejects show --raw {where} | engine run SCRIPT - OUTPUT, or engine rejects clear {where}"


def _tell_missing(numbers: tuple[int, ...], found: list[dict[str, Any]]) -> None:
    there = {reject["number"] for reject in found}
    for number in numbers:
        if number not in there:
            talk(f"There is no reject {number}.")


def _chosen(kept: Kept, numbers: tuple[int, ...], after: int) -> Iterator[dict[str, Any]]:
    if not numbers:
        return kept.rejects(after)
    first, last = min(numbers), max(numbers)
    return (reject for reject in _until(kept.rejects(max(after, first - 1)), last) if reject["number"] in numbers)


def _until(found: Iterator[dict[str, Any]], last: int) -> Iterator[dict[str, Any]]:
    for reject in found:
        if reject["number"] > last:
            return
        yield reject


def _print_traceback(found: Iterator[dict[str, Any]], number: int) -> None:
    reject = next(found, None)
    if reject is None:
        raise click.ClickException(f"There is no reject {number}.")
    click.echo(reject["traceback"].rstrip("\n") or f"{reject['error']}: {reject['reason']}")


def _print_table(found: list[dict[str, Any]], has_more: Any) -> None:
    if not found:
        return
    print_table(
        ("Number", "Time", "Slot", "Record", "Stage", "Rejected because", "Value"),
        (
            (
                reject["number"],
                datetime.fromisoformat(reject["time"]),
                reject["slot"],
                _place(reject),
                reject["stage"],
                _cut(reject["reason"].partition("\n")[0], REASON_CHARS),
                _head(reject["value"]),
            )
            for reject in found
        ),
    )
    if has_more():
        talk(f"There are more; see: engine rejects show --after {found[-1]['number']}")
    if any(reject["traceback"] for reject in found):
        number = next(reject["number"] for reject in found if reject["traceback"])
        talk(f"Where in the script: engine rejects show --traceback {number}")


def _place(reject: dict[str, Any]) -> str:
    """Return which record of its slot it was; of a topic, what `engine stream seek` calls it."""
    if reject.get("offset") is None:  # also: a server of before says nothing of it
        return str(reject["seq_no"])
    return f"offset {reject['offset']} of {reject['topic']}[{reject['partition']}]"


def _head(value: bytes) -> str:
    head = value[: 4 * HEAD_CHARS]  # as many bytes as a character has at most
    return _cut(head.decode("utf-8", "replace") if is_readable(value) else head.hex(" "), HEAD_CHARS)


def _cut(text: str, n_chars: int) -> str:
    return text if len(text) <= n_chars else text[: n_chars - 1] + "…"


@rejects.command()
@numbers_argument
@click.option("--all", "is_all", is_flag=True, help="All of them.")
@pass_desk
def replay(desk: Desk, numbers: tuple[int, ...], is_all: bool) -> None:
    """Feed rejects back into their slots, as if they came now: when the script, or what it needs, is mended.

    They leave the log when they are scored; one that is rejected again gets a new number. Those of a topic are refused:
    produce them to it again, as `engine rejects show --raw` prints them.

    Examples: engine rejects replay 3 4
              engine rejects replay --all
    """
    if bool(numbers) == is_all:
        raise click.UsageError("Give the NUMBERs of rejects, or --all.")
    n_replayed = desk.kept.replay(None if is_all else list(numbers))
    talk(f"{counted(n_replayed, 'record')} fed back in.")


@rejects.command()
@numbers_argument
@job_option
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@pass_desk
def clear(desk: Desk, numbers: tuple[int, ...], job: str | None, is_sure: bool) -> None:
    """Forget rejects, all of them or those with the NUMBERs, and the records in them.

    Those of the server, or with --job or --state those in a folder, whose engine must be stopped.
    """
    wanted = list(numbers) or None
    what = counted(len(wanted), "reject") if wanted else "all rejects"
    question = f"Forget {what} for good?"
    if job is None and desk.state is None:
        desk.engine.inspect()  # fails here when there is no server, before anybody is asked
        confirm(question, is_sure=is_sure)
        desk.kept.drop_rejects(wanted)
    else:
        with open_job(find_job(desk, job)) as store:
            confirm(question, is_sure=is_sure)
            store.drop_rejects(wanted).result()
    talk(f"{what[:1].upper()}{what[1:]} forgotten.")
