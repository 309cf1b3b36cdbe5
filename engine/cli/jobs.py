"""What a job has committed: read from its folder, which its engine need not let go of, or asked of a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from engine.cli.desk import Desk
from engine.errors import ServerUnreachable, nearest

if TYPE_CHECKING:
    from engine.client.keeping import KeptVerbs
    from engine.state.commits import CommitLog
    from engine.state.sqlite import Peek

Command = TypeVar("Command", bound=Callable[..., Any])

N_NAMES = 20  # of jobs that a sentence lists: there is one for each run with other arguments


@dataclass(frozen=True, slots=True)
class Row:
    """One value of the state as JSON, and how many bytes it takes."""

    scope: str
    key: Any
    name: str
    value: Any
    size_bytes: int


class Kept(Protocol):
    """What was committed."""

    @property
    def job(self) -> str | None:
        """The name of the job in whose folder it is; None where a server says it."""

    @property
    def changelog(self) -> str | None:
        """The topic that has the state, where the folder has it not."""

    def rows(self, scope: str | None, key: str | None, name: str | None) -> Iterator[Row]:
        """Yield the state, in the order of its keys, as it is read; None is any."""

    def n_keys(self, scope: str | None, key: str | None, name: str | None) -> int | None:
        """Return how many keys `rows` gives; None where that takes too long to find out."""

    def rejects(self, after: int) -> Iterator[dict[str, Any]]:
        """Yield the rejects, the oldest first, with their records as bytes."""


class KeptInFolder:
    """A job's store, opened to be read."""

    def __init__(self, store: Peek | CommitLog, job: str) -> None:
        self._store, self.job = store, job

    @property
    def changelog(self) -> str | None:
        """See `Kept`."""
        from engine.runtime.topics import changelog_of

        return changelog_of(self._store.job) if self._store.job is not None else None

    def rows(self, scope: str | None, key: str | None, name: str | None) -> Iterator[Row]:
        """See `Kept`."""
        from engine.state.json_lines import entry_fields

        for entry in self._entries(scope, key, name):
            yield Row(**entry_fields(entry), size_bytes=len(entry.value or b""))

    def n_keys(self, scope: str | None, key: str | None, name: str | None) -> int | None:
        """See `Kept`."""
        return count_runs((entry.scope, entry.key) for entry in self._entries(scope, key, name))

    def rejects(self, after: int) -> Iterator[dict[str, Any]]:
        """See `Kept`."""
        from engine.state.json_rejects import reject_fields

        while page := self._store.rejects(after, 100):  # each may hold a record of megabytes
            yield from ({**reject_fields(reject), "value": reject.value} for reject in page)
            after = page[-1].number

    def _entries(self, scope: str | None, key: str | None, name: str | None) -> Any:
        from engine.state.json_lines import select

        scopes = self._store.scopes() if scope is None else [scope]
        return select((entry for one in scopes for entry in self._store.entries(one)), key, name)


class KeptByServer:
    """What an engine says that it has committed."""

    job = changelog = None

    def __init__(self, verbs: KeptVerbs, n_keys: Callable[[], int | None]) -> None:
        self._verbs, self._n_keys = verbs, n_keys

    def rows(self, scope: str | None, key: str | None, name: str | None) -> Iterator[Row]:
        """See `Kept`."""
        from engine.state.json_form import from_json

        for fields in self._verbs.state(scope=scope, key=key, name=name):
            yield Row(**fields, size_bytes=len(from_json(fields["value"])))

    def n_keys(self, scope: str | None, key: str | None, name: str | None) -> int | None:
        """See `Kept`."""
        return self._n_keys() if (scope, key, name) == (None, None, None) else None

    def rejects(self, after: int) -> Iterator[dict[str, Any]]:
        """See `Kept`."""
        return self._verbs.rejects(after)


def count_runs(items: Iterable[Any]) -> int:
    """Return how many different items there are, where equal ones stand side by side."""
    n_runs = 0
    before: Any = object()
    for item in items:
        n_runs += item != before
        before = item
    return n_runs


def job_option(command: Command) -> Command:
    """Add ``--job NAME``."""
    return click.option(
        "--job",
        metavar="NAME",
        shell_complete=_complete_job,
        help="The job in the folder of --state: serve, or that of a run.",
    )(command)


def _complete_job(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
    from engine.state.jobs import job_names

    return [name for name in job_names(ctx.ensure_object(Desk).state_dir) if name.startswith(incomplete)]


def find_job(desk: Desk, name: str | None) -> Path:
    """Return the folder of a job; without a name that of the server, or of the only one that there is.

    Raises
    ------
    click.UsageError
        There is none, or it is not clear which; the sentence lists them.
    """
    from engine.state.jobs import SERVE, job_folder, job_names

    names = job_names(desk.state_dir)
    if not names:
        raise click.UsageError(f"There is no job in {desk.state_dir}. Name another folder with --state.")
    if name is None:
        name = SERVE if SERVE in names else names[0] if len(names) == 1 else None
    if name is None:
        raise click.UsageError(f"Say which job with --job: {_listed(names)}.")
    if name not in names:
        near = nearest(name, names)
        hint = f" Did you mean {near!r}?" if near else ""
        raise click.UsageError(f"There is no job {name!r} in {desk.state_dir}.{hint} Jobs: {_listed(names)}.")
    return job_folder(desk.state_dir, name)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - N_NAMES} more" if len(names) > N_NAMES else ""
    return ", ".join(names[:N_NAMES]) + more


def with_kept(desk: Desk, job: str | None, use: Callable[[Kept], None]) -> None:
    """Call `use` with what a job has committed.

    Where --job or --state names it, its folder is read, whether its engine runs or not. Else the server is asked, and
    if none answers, the folder that it would have is read.
    """
    if job is None and desk.state is None:
        server = KeptByServer(desk.kept, lambda: desk.engine.inspect().get("n_keys"))
        try:
            desk.engine.inspect()
        except ServerUnreachable:
            from engine.state.jobs import job_names

            if not job_names(desk.state_dir):
                raise
        else:
            use(server)
            return
    folder = find_job(desk, job)
    with peek(folder) as store:
        use(KeptInFolder(store, folder.name))


def peek(folder: Path) -> AbstractContextManager[Peek]:
    """Open a job's store to read it, also while its engine runs."""
    from engine.state.sqlite import Peek

    return closing(Peek(folder))


def open_job(folder: Path) -> AbstractContextManager[CommitLog]:
    """Open a job's store to change it; raises StateLocked while its engine runs."""
    from engine.state.sqlite import SqliteStore

    return closing(SqliteStore(folder))
