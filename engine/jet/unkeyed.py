"""The state of a script without keys: its variables, and with tasks a copy of them for every task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from types import ModuleType
from typing import Any

from engine.errors import StateError, StateIncompatible, StateTooLarge
from engine.jet.changes import Figures
from engine.jet.keeping import Trial
from engine.jet.keys import Key
from engine.jet.memory import UNBOUND, Put, Resolve, bind, refuse_unknown, values_of
from engine.script import StateName
from engine.state import entangled, pack, unpack


class Own:
    """What a task has of its own: the variables that are state, and what was handed over of them last.

    Of every value handed over the digest is kept, not the value: it may take 16 MiB.
    """

    __slots__ = ("committed", "unbound", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.committed: dict[str, tuple[bytes, int]] = {}
        self.unbound: list[str] = []


class ModuleMemory:
    """The state of a script without keys: the variables of its module.

    With tasks every one has a copy of what ``begin()`` left, which is put in place when records of the task come. A
    value that cannot be copied is there once, for all tasks.

    Parameters
    ----------
    module : ModuleType
        The script.
    names : sequence of StateName
        What of it is state.
    resolve : callable
        Finds the classes of stored instances.
    changing : sequence of str
        Names that scoring a record may change, kept or not.
    is_tasked : bool
        Whether there are tasks. Otherwise all is task 0, whose variables are those of the module itself.
    """

    def __init__(
        self,
        module: ModuleType,
        names: Sequence[StateName],
        resolve: Resolve,
        *,
        is_tasked: bool = False,
        changing: Sequence[str] = (),
    ) -> None:
        self._variables: dict[str, Any] = vars(module)
        self._changing = sorted({*changing, *(entry.name for entry in names)})
        self._names, self._resolve, self._is_tasked = {entry.name: entry for entry in names}, resolve, is_tasked
        self._refused: set[str] = set()
        self._bound_at_first: frozenset[str] = frozenset()
        self._own_names: list[str] = []
        self._begun: dict[str, Any] = {}
        self._template: dict[str, bytes] = {}
        self._tasks: dict[int, Own] = {} if is_tasked else {0: Own()}
        self._current: int | None = None if is_tasked else 0
        self._touched: set[int] = set(self._tasks)

    def begin(self, trials: Iterable[Trial]) -> list[str]:
        """Take what is bound now as the beginning. What cannot be kept is left out, if the script does not insist."""
        refusals = {trial.name: trial.refusal for trial in trials if trial.refusal is not None}
        self._refused = set(refusals)
        self._bound_at_first = frozenset(self._names.keys() & self._variables.keys())
        if self._is_tasked:
            self._own_names = [name for name in self._names if name not in refusals]
            self._begun = self._taken()
            self._bound_at_first = frozenset(self._begun)
            self._template = {name: pack(value, name) for name, value in self._begun.items()}
        return [refusal.removesuffix(".") for name, refusal in refusals.items() if self._names[name].is_declared]

    def restore(self, task: int, key: bytes, name: str, value: bytes) -> None:
        """Take the stored value of a variable."""
        if key:
            raise StateIncompatible("it is of one key, and the script has no engine.key")
        own = self._tasks.setdefault(task, Own())
        if name == UNBOUND:
            own.unbound = unpack(value)
            return
        refuse_unknown(name, self._names)
        if self._is_tasked and name not in self._own_names:
            raise StateIncompatible(f"{name!r} was stored, and what begin() leaves there now cannot be kept")
        own.values[name] = unpack(value, self._resolve)
        own.committed[name] = digest_of(value), len(value)
        self._refused.discard(name)

    def finish_restore(self, task: int) -> int:
        """Return 0: there are no keys."""
        own = self._tasks.setdefault(task, Own())
        if self._is_tasked:
            for name, packed in self._template.items():
                if name not in own.values and name not in own.unbound:
                    own.values[name] = unpack(packed, self._resolve)
            return 0
        self._variables.update(own.values)
        for gone in own.unbound:
            self._variables.pop(gone, None)
        own.values = {}
        return 0

    def enter(self, task: int) -> None:
        """Put the variables of a task in place of those of another."""
        if not self._is_tasked:
            return
        self._touched.add(task)
        if task == self._current:
            return
        self._put_away()
        if task not in self._tasks:
            self.finish_restore(task)
        self._put(self._tasks[task].values)
        self._current = task

    def _taken(self) -> dict[str, Any]:
        variables = self._variables
        return {name: variables[name] for name in self._own_names if name in variables}

    def _put(self, values: Mapping[str, Any]) -> None:
        for name in self._own_names:
            if name in values:
                self._variables[name] = values[name]
            else:
                self._variables.pop(name, None)

    def _put_away(self) -> None:
        if self._current is not None:
            self._tasks[self._current].values = self._taken()

    def entangled(self) -> tuple[str, str] | None:
        """Return two names of which one changes, and that have a part in common which copies would not."""
        if self._is_tasked:
            return None  # every task has its own
        changing = {name: self._variables[name] for name in self._changing if name in self._variables}
        others = {name: value for name, value in self._variables.items() if name not in changing and name[:2] != "__"}
        return entangled(changing, others)

    def turn_to(self, key: Key) -> bool:  # noqa: ARG002 - there are none
        """Return False: there are no keys, and no new ones."""
        return False

    def drop(self) -> None:
        """Do nothing: there are no keys."""

    def take(self) -> list[Any]:
        """Return the values of the task's variables; without tasks also of those that change and are not kept."""
        return values_of(self._own_names if self._is_tasked else self._changing, self._variables)

    def put(self, values: Sequence[Any]) -> None:
        """Have the script see these values."""
        bind(self._own_names if self._is_tasked else self._changing, values, self._variables)

    def settle(self) -> None:
        """Do nothing: what is not in use is not packed."""

    def forget(self, tasks: Iterable[int]) -> None:
        """Drop the variables of tasks."""
        for task in tasks:
            self._tasks.pop(task, None)
            self._touched.discard(task)
            if task == self._current:
                self._current = None

    def commit(self, put: Put) -> Figures:
        """Pack every variable of the tasks that had records, and hand over what differs from what was before."""
        if self._is_tasked:
            self._put_away()
        refusals: list[tuple[str, str]] = []
        failures = [
            failure for task in sorted(self._touched) for failure in self._commit_task(task, refusals.append, put)
        ]
        if self._is_tasked:
            self._touched.clear()
        sizes = (len(name) + n for own in self._tasks.values() for name, (_, n) in own.committed.items())
        return Figures(0, 0, sum(sizes), refusals, next(iter(failures), None))

    def _commit_task(self, task: int, refuse: Callable[[tuple[str, str]], None], put: Put) -> Iterator[StateError]:
        own = self._tasks[task]
        values = own.values if self._is_tasked else self._variables
        for name, entry in self._names.items():
            if name in self._refused:
                continue
            if name not in values:
                _forget(own, task, name, put)
                continue
            try:
                _offer(own, task, name, pack(values[name], name), put)
            except StateError as exc:
                if entry.is_declared or isinstance(exc, StateTooLarge):
                    yield exc
                    continue
                refuse((name, str(exc)))
                self._refused.add(name)
                for of, other in self._tasks.items():
                    _forget(other, of, name, put)
        unbound = sorted(self._bound_at_first - values.keys())
        if unbound != own.unbound:
            put(task, b"", UNBOUND, pack(unbound) if unbound else None)
            own.unbound = unbound

    def end(self) -> Iterator[None]:
        """Have every task see its own variables: what ``end()`` gives is of what the task has scored."""
        if not self._own_names:  # there are no tasks, or nothing that differs between them
            yield
            return
        if not self._tasks:
            self._put(self._begun)
            yield
        for task in sorted(self._tasks):
            self.enter(task)
            yield


def _offer(own: Own, task: int, name: str, value: bytes, put: Put) -> None:
    mark = digest_of(value), len(value)
    if own.committed.get(name) != mark:
        own.committed[name] = mark
        put(task, b"", name, value)


def _forget(own: Own, task: int, name: str, put: Put) -> None:
    if own.committed.pop(name, None) is not None:
        put(task, b"", name, None)


def digest_of(value: bytes) -> bytes:
    """Return what two equal packed values have in common, and two others do not."""
    return blake2b(value, digest_size=16).digest()
