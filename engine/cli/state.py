"""``engine state``: what scripts keep, as it was committed."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from engine.cli import exits
from engine.cli.desk import Desk, pass_desk
from engine.cli.jobs import Kept, KeptInFolder, Row, count_runs, find_job, job_option, open_job, peek, with_kept
from engine.cli.printing import counted, output_option, print_table, size_text, talk
from engine.cli.verb import VerbGroup
from engine.errors import ConfigError, EngineError, NotBuilt, StateCorrupt

if TYPE_CHECKING:
    from pathlib import Path

    from engine.state.commits import CommitLog, Entry, Fence

N_KEYS = 20  # that are shown: a screen full
HEAD_CHARS = 60  # of a value, in a table
ROWS_PER_TABLE = 1000  # the columns are as wide as those rows need, and no more of them are held


@click.group(cls=VerbGroup)
def state() -> None:
    """Show and change what scripts keep from one record to the next, as it was committed."""


key_option = click.option("--key", metavar="VALUE", help="Of this key: a text, or a value as JSON.")
name_option = click.option("--name", metavar="NAME", help="Of this variable of the script.")
scope_option = click.option("--scope", metavar="SCOPE", help="script, cells or pools/NAME.  [default: all]")


@state.command()
@job_option
@scope_option
@key_option
@name_option
@click.option("--limit", type=click.IntRange(min=1), default=N_KEYS, show_default=True, help="Of so many keys.")
@output_option
@pass_desk
def show(
    desk: Desk, job: str | None, scope: str | None, key: str | None, name: str | None, limit: int, form: str
) -> None:
    """Show the committed state: of each key the variables, their types and sizes.

    It is that of the server, or with --job or --state that in a folder, whether its engine runs or not. Over Kafka a
    server shows that of the partitions that it reads, one after the other, and a folder has none.

    Examples: engine state show
              engine state show --key AAPL --name prices -o json
    """

    def print_state(kept: Kept) -> None:
        refuse_elsewhere(kept)
        shown = _Counter(_of_keys(kept.rows(scope, key, name), limit))
        if form == "json":
            for row in shown:
                click.echo(json.dumps(asdict(row), ensure_ascii=False))
        else:
            for rows in _batches(shown):
                _print_rows(rows)
        if not shown.n_keys:
            talk("There is no such state." if scope or key or name else "There is no state.")
        elif shown.n_keys == limit and (n_keys := kept.n_keys(scope, key, name)) is not None and n_keys > limit:
            talk(f"and {counted(n_keys - limit, 'more key')}; see them with --limit, or: engine state export")

    with_kept(desk, job, print_state)


class _Counter:
    """Rows that are counted while they pass."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows, self.n_keys, self.n_rows = rows, 0, 0
        self._before: Any = object()

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.n_rows += 1
            self.n_keys += self._before != (row.scope, row.key)
            self._before = row.scope, row.key
            yield row


def _of_keys(rows: Iterator[Row], n_keys: int) -> Iterator[Row]:
    counter = _Counter(rows)
    for row in counter:
        if counter.n_keys > n_keys:
            return
        yield row


def _batches(rows: Any) -> Iterator[tuple[Row, ...]]:
    rest = iter(rows)
    while batch := tuple(islice(rest, ROWS_PER_TABLE)):
        yield batch


def _print_rows(rows: tuple[Row, ...]) -> None:
    with_scope = any(row.scope != "script" for row in rows)
    keyed = {row.scope for row in rows if row.key is not None}
    headings = [*(["Scope"] if with_scope else []), *(["Key"] if keyed else []), "Name", "Type", "Size", "Value"]
    print_table(headings, (_cells(row, keyed, with_scope=with_scope) for row in rows))


def _cells(row: Row, keyed: Collection[str], *, with_scope: bool) -> list[Any]:
    key = "null" if row.key is None and row.scope in keyed else _head(row.key)
    cells = [*([row.scope] if with_scope else []), *([key] if keyed else [])]
    return [*cells, row.name or "-", type_of(row.value), size_text(row.size_bytes), _head(_content(row.value))]


def type_of(value: Any) -> str:
    """Return the name of the type that JSON stands for.

    >>> type_of({"$deque": [1], "maxlen": 3}), type_of(1.5), type_of({"a": 1})
    ('deque', 'float', 'dict')
    """
    if isinstance(value, dict):
        tag = next((name for name in value if name.startswith("$")), "$dict")
        return str(value[tag]) if tag == "$instance" else tag[1:]
    return "none" if value is None else type(value).__name__


def _content(value: Any) -> Any:
    if isinstance(value, dict) and (tag := next((name for name in value if name.startswith("$")), None)):
        return value["state"] if tag == "$instance" and "state" in value else value[tag]
    return value


def _head(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = "".join(character if character.isprintable() else "\N{MIDDLE DOT}" for character in text[: HEAD_CHARS + 1])
    return text if len(text) <= HEAD_CHARS else text[: HEAD_CHARS - 1] + "…"


@state.command()
@job_option
@scope_option
@key_option
@name_option
@pass_desk
def export(desk: Desk, job: str | None, scope: str | None, key: str | None, name: str | None) -> None:
    """Print the committed state as JSON, one value a line.

    `engine state import` reads it back. Every value comes back as what it was; what JSON does not have is written as
    an object such as {"$tuple": [1, 2]}.

    Example: engine state export > state.jsons
    """
    from engine.state.json_lines import write_failure

    def write(kept: Kept) -> None:
        refuse_elsewhere(kept)
        exported = _Counter(kept.rows(scope, key, name))
        try:
            for row in exported:
                fields = {"scope": row.scope, "key": row.key, "name": row.name, "value": row.value}
                sys.stdout.buffer.write(json.dumps(fields, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        except EngineError as exc:
            sys.stdout.buffer.write(write_failure(exc).encode() + b"\n")  # else an import would take it for all
            raise
        finally:
            sys.stdout.buffer.flush()
        keys = f" of {counted(exported.n_keys, 'key')}" if exported.n_keys > 1 else ""
        talk(f"{counted(exported.n_rows, 'value')}{keys} exported.")

    with_kept(desk, job, write)


@state.command("import")
@click.argument("file", default="-", metavar="[FILE]", type=click.File("rb"))
@job_option
@click.option("--merge", "is_merged", is_flag=True, help="Keep what FILE does not name.")
@pass_desk
def import_state(desk: Desk, file: BinaryIO, job: str | None, is_merged: bool) -> None:
    """Put the state in FILE, or on standard input, in place of the committed one.

    FILE is what `engine state export` prints; a value may have been changed. All of it is taken, or with an error
    nothing. The engine must be stopped, and goes on with it when it is started again.

    Example: engine serve is stopped; engine state import state.jsons
    """
    from engine.state.json_lines import read_lines

    folder = find_job(desk, job)
    with peek(folder) as store:
        refuse_elsewhere(KeptInFolder(store, folder.name))
    with open_job(folder) as store:
        fence = _fence_of(store, folder)
        entries = list(read_lines(file, is_keyed=bool(fence.keys)))
        if not entries and not is_merged:
            raise ConfigError("There is nothing to import. To forget the state, use: engine state clear")
        if entries:
            _put(store, fence, entries, is_merged=is_merged)
    n_keys = count_runs(sorted({(entry.scope, entry.key) for entry in entries}))
    talk(f"{counted(len(entries), 'value')} of {counted(n_keys, 'key')} imported into job {folder.name!r}.")


def _fence_of(store: CommitLog, folder: Path) -> Fence:
    if store.fence is None:
        raise ConfigError(
            f"Job {folder.name!r} has committed nothing yet, so that there is no model whose state this could be. "
            "Run it once, stop it, and import then."
        )
    return store.fence


def _put(store: CommitLog, fence: Fence, entries: list[Entry], *, is_merged: bool) -> None:
    """Commit entries at the fence that there is."""
    from engine.state.commits import Commit

    store.commit(Commit(replace(fence, number=fence.number + 1), entries, is_anew=not is_merged)).result()


@state.command()
@job_option
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@pass_desk
def clear(desk: Desk, job: str | None, is_sure: bool) -> None:
    """Forget what a job has committed: its state, where its streams stood, and what was not scored yet.

    The next start begins anew. Its rejects stay; see `engine rejects clear`. The engine must be stopped. A store that
    is damaged is removed, and its rejects with it. State in a topic is cleared by `engine stream seek`.
    """
    from engine.state.anew import open_anew

    folder = find_job(desk, job)
    question = f"Forget the state of job {folder.name!r} in {desk.state_dir}?"
    try:
        with open_job(folder) as store:  # refused here while its engine runs, before anybody is asked
            refuse_elsewhere(KeptInFolder(store, folder.name))
            confirm(question, is_sure=is_sure)
    except StateCorrupt as exc:
        talk(str(exc))
        confirm(question, is_sure=is_sure)
    open_anew(folder, lambda _step: None, talk).close()
    talk(f"Job {folder.name!r} begins anew with its next start.")


def refuse_elsewhere(kept: Kept) -> None:
    """Refuse to look for state in a folder that has none, since a topic has it.

    Raises
    ------
    NotBuilt
        The sentence names the topic.
    """
    if kept.changelog is not None:
        raise NotBuilt(
            f"The state is in the topic {kept.changelog}, where every engine of its group finds it. A server that works"
            " shows and exports that of its partitions, engine stream seek shows where it stands, and with --to and"
            " --clear-state forgets it. To read or change it in the topic itself",
            f"Job {kept.job!r}",
        )


def is_watched() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin.isatty()


def confirm(question: str, *, is_sure: bool) -> None:
    """Ask a person whether to go on.

    Raises
    ------
    click.UsageError
        Nobody is there to be asked.
    click.exceptions.Exit
        No.
    """
    if is_sure:
        return
    if not is_watched():
        raise click.UsageError("Nobody can be asked here whether to forget it. Say --yes.")
    if not click.confirm(question, err=True):
        talk("Nothing was cleared.")
        raise click.exceptions.Exit(exits.FAILURE)


@state.command(hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("rest", nargs=-1)
def repartition(rest: tuple[str, ...]) -> None:  # noqa: ARG001 - whatever it is told
    """Deal the state to another number of partitions."""
    raise NotBuilt("engine state repartition")
