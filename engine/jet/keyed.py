"""The state of a script with keys: a copy of its variables for every key, put in place when a record has that key."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

from engine.errors import DataError, StateError, StateIncompatible
from engine.jet.blobs import EMPTY, join_parts, with_part, with_used
from engine.jet.changes import Figures
from engine.jet.keeping import Trial
from engine.jet.keys import Key
from engine.jet.lifetimes import MAX_FORGOTTEN, Lifetime
from engine.jet.memory import Put, Resolve, refuse_unknown
from engine.jet.shape import USED, Change, Shape
from engine.jet.shelf import Live, Shelf
from engine.script import StateName
from engine.state import pack, unpack

MAX_LIVE = 10_000
"""Keys that are there as objects: 30 floats take 1.3 kB so, and the garbage collector looks at each list."""

MAX_UNDECLARED_BYTES = 1 << 16
"""A larger value is rather a table that all keys read than what one key remembers; the script must say which."""

_SPLIT = (
    "Records of one key are in several partitions, and it has a state of its own in each. Have what writes the topic"
    " choose the partition by this key."
)


class KeyedMemory:
    """The state of every key of every task: packed, and of the keys in use as objects too.

    Parameters
    ----------
    module : ModuleType
        The script.
    names : sequence of StateName
        What of it is state.
    resolve : callable
        Finds the classes of stored instances.
    ttl_s : float, optional
        For how long a key is kept that is not used.
    clock : callable
        Returns the seconds since 1970.
    """

    def __init__(
        self,
        module: ModuleType,
        names: Sequence[StateName],
        resolve: Resolve,
        ttl_s: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._variables: dict[str, Any] = vars(module)
        self._declared = {entry.name for entry in names if entry.is_declared}
        self._resolve, self._ttl_s, self._clock = resolve, ttl_s, clock
        self._shape = Shape([entry.name for entry in names], resolve)
        self._shelves: dict[int, Shelf] = {}
        self._shelf = self._shelf_of(0)
        self._live: OrderedDict[Live, None] = OrderedDict()
        self._touched: dict[Live, None] = {}
        self._current: Live | None = None
        self._interval = 1
        self._is_busy = False
        self._split: dict[str, Any] | None = None
        self._is_split_told = False

    def _shelf_of(self, task: int) -> Shelf:
        shelf = self._shelves.get(task)
        if shelf is None:
            lifetime = Lifetime(self._ttl_s, self._clock) if self._ttl_s is not None else None
            shelf = self._shelves[task] = Shelf(task, lifetime)
        return shelf

    def begin(self, trials: Iterable[Trial]) -> list[str]:
        """Take what is bound now as what every key begins with."""
        trials = list(trials)
        if reasons := [reason for trial in trials if (reason := self._refusal(trial)) is not None]:
            return reasons
        self._shape.begin(self._variables)
        return []

    def _refusal(self, trial: Trial) -> str | None:
        shared = f'Say "# engine.shared: {trial.name}" if action() only reads it'
        if trial.refusal is not None:
            return f"{trial.refusal} Every key has its own state, and it must be kept. {shared}"
        size_bytes = trial.size_bytes or 0
        if size_bytes <= MAX_UNDECLARED_BYTES or trial.name in self._declared:
            return None
        own = f'"# engine.state: {", ".join(self._shape.names)}" if every key shall have its own'
        return f"{trial.name} takes {size_bytes >> 10} KiB, and every key would have a copy. {shared}, or {own}"

    def restore(self, task: int, key: bytes, name: str, value: bytes) -> None:
        """Keep the packed value of a key; it becomes an object when a record has that key."""
        if not key:
            raise StateIncompatible("it was stored by a script without engine.key, and this one has a key")
        shelf = self._shelf_of(task)
        blob = shelf.blobs.get(key, EMPTY)
        if name == USED:
            blob = with_used(blob, unpack(value))
        else:
            refuse_unknown(name, self._shape.parts)
            blob = with_part(blob, self._shape.parts[name], value)
        if name not in shelf.restored:  # the first of each tells, before a record comes, whether they fit the script
            shelf.restored.add(name)
            unpack(key)
            unpack(value, self._resolve)
        shelf.store(key, blob)

    def finish_restore(self, task: int) -> int:
        """Return the number of keys."""
        shelf = self._shelf_of(task)
        shelf.sort()
        return len(shelf.blobs)

    def enter(self, task: int) -> None:
        """Turn to the keys of a task."""
        if task != self._shelf.task:
            self._shelf = self._shelf_of(task)

    def forget(self, tasks: Iterable[int]) -> None:
        """Drop the keys of tasks."""
        for task in tasks:
            shelf = self._shelves.pop(task, None)
            if shelf is None:
                continue
            for live in shelf.live.values():
                del self._live[live]
                self._touched.pop(live, None)
            if shelf is self._shelf:
                self._shelf = self._shelf_of(0)

    def reader(self, decode: Callable[[bytes], Any], key_of: Callable[[Any], Key]) -> Callable[[bytes], Any]:
        """Return what decodes a record and puts the state of its key in place.

        It raises a `DataError` where the record has no key.
        """
        turn_to = self.turn_to

        def read(raw: bytes) -> Any:
            record = decode(raw)
            turn_to(key_of(record))
            return record

        return read

    def turn_to(self, key: Key) -> bool:
        """Put the variables of a key of the task in place of those that are there; return whether the key is new.

        Raises
        ------
        DataError
            The stored state of the key cannot be read. Then the next commit fails.
        """
        place = (key,) if key is True or key is False else key  # True is 1 to a dictionary
        live = self._shelf.live.get(place)
        is_new = False
        if live is None:
            live = self._wake(key, place)
            is_new = live.key not in self._shelf.blobs
        elif live is self._current:
            return False
        self._put_away()
        self._shape.put(live.values, self._variables)
        self._current = live
        if live.interval != self._interval:
            live.interval = self._interval
            self._touched[live] = None
            self._live.move_to_end(live)
        return is_new

    def drop(self) -> None:
        """Forget the key whose variables are in place: it was new, and nothing has come of it."""
        if self._current is not None:
            self._touched.pop(self._current, None)
            self._drop(self._current)
            self._current = None

    def entangled(self) -> None:
        """Return None: what a key has is its own."""

    def take(self) -> list[Any]:
        """Return the values of the key, as the script sees them now; until `settle` keys stay objects."""
        self._is_busy = True
        return self._shape.taken(self._variables)

    def put(self, values: Sequence[Any]) -> None:
        """Have the script see these values of the key."""
        self._shape.put(values, self._variables)

    def settle(self) -> None:
        """Let keys rest again."""
        self._is_busy = False
        while len(self._live) > MAX_LIVE:
            self._evict()

    def _put_away(self) -> None:
        if self._current is not None:
            self._current.values = self._shape.taken(self._variables)
            self._current = None

    def _wake(self, key: Key, place: object) -> Live:
        shelf, packed = self._shelf, pack(key)
        blob = shelf.blobs.get(packed)
        if blob is None and len(self._shelves) > 1 and self._split is None:
            self._look_elsewhere(key, place, packed)
        try:
            live = Live(shelf, place, packed, self._shape.unpacked(blob if blob is not None else EMPTY))
        except StateError as exc:
            shelf.failure = exc
            raise DataError(f"The state of key {key!r:.80} cannot be read. {exc}") from exc
        self._live[live] = None
        shelf.live[place] = live
        if len(self._live) > MAX_LIVE and not self._is_busy:
            self._evict()
        return live

    def _look_elsewhere(self, key: Key, place: object, packed: bytes) -> None:
        """Note the first key that another task has too: records of it went there, and have a state of their own.

        Looked for is only until one is found, when a key is new in its task, and among the tasks of this process.
        """
        for shelf in self._shelves.values():
            if shelf is not self._shelf and (place in shelf.live or packed in shelf.blobs):
                tasks = sorted((shelf.task, self._shelf.task))
                self._split = {"key": f"{key!r:.80}", "partitions": tasks, "reason": _SPLIT}
                return

    def _evict(self) -> None:
        """Pack the key that was touched first, before its commit."""
        self._put_away()
        live = next(iter(self._live))
        if live in self._touched:
            del self._touched[live]
            try:
                changed = self._pack(live)
            except StateError as exc:
                live.shelf.failure = exc
            else:
                if changed:
                    live.shelf.early.setdefault(live.key, set()).update(name for name, _ in changed)
        self._drop(live)

    def _drop(self, live: Live) -> None:
        del self._live[live], live.shelf.live[live.place]

    def _pack(self, live: Live) -> list[Change]:
        """Bring the blob of a key up to date; return what differed from it, by name."""
        shelf, key = live.shelf, live.key
        parts = self._shape.packed(key, live.values)
        blob, old = join_parts(shelf.now_s(), parts), shelf.blobs.get(key)
        if blob == old:
            return []
        changed = self._shape.differences(old, blob, parts)
        if old is not None and changed and changed[-1][0] == USED:  # to the end of the order of last use
            shelf.drop(key)
        shelf.store(key, blob)
        return changed

    def commit(self, put: Put) -> Figures:
        """Pack the keys that were used since the last commit, and hand over what has changed of them."""
        self._put_away()
        for live in self._touched:
            shelf, key = live.shelf, live.key
            try:
                changed = self._pack(live)
            except StateError as exc:
                shelf.failure = shelf.failure or exc
                continue
            early = shelf.early.pop(key, None)
            for name, part in changed if not early else self._entries(shelf, key, early.union(dict(changed))):
                put(shelf.task, key, name, part)
        self._touched = {}
        for shelf in self._shelves.values():
            for key, names in shelf.early.items():
                for name, part in self._entries(shelf, key, names):
                    put(shelf.task, key, name, part)
            shelf.early = {}
        self._forget(put)
        self._let_rest()
        return self._figures()

    def _entries(self, shelf: Shelf, key: bytes, names: set[str]) -> list[Change]:
        entries = self._shape.entries(shelf.blobs[key])
        return [(name, entries[name]) for name in sorted(names)]

    def _forget(self, put: Put) -> None:
        n_left = MAX_FORGOTTEN
        for shelf in self._shelves.values():
            for key in list(shelf.expired(n_left)):
                n_left -= 1
                for name, part in self._shape.entries(shelf.drop(key)).items():
                    if part is not None:
                        put(shelf.task, key, name, None)
                found = unpack(key)
                live = shelf.live.get((found,) if isinstance(found, bool) else found)
                if live is not None:
                    self._drop(live)

    def _let_rest(self) -> None:
        """Keep as objects what was used in this interval or the one before; of the rest the blob is enough."""
        while self._live:
            live = next(iter(self._live))
            if live.interval >= self._interval - 1:
                break
            self._drop(live)
        self._interval += 1

    def _figures(self) -> Figures:
        shelves = self._shelves.values()
        warnings: list[tuple[str, dict[str, Any]]] = []
        if self._split is not None and not self._is_split_told:
            self._is_split_told = True
            warnings.append(("key.split", self._split))
        return Figures(
            n_keys=sum(len(shelf.blobs) for shelf in shelves),
            n_live=len(self._live),
            size_bytes=sum(shelf.size_bytes for shelf in shelves),
            failure=next((shelf.failure for shelf in shelves if shelf.failure is not None), None),
            warnings=warnings,
        )

    def end(self) -> Iterator[None]:
        """Put in place what ``begin()`` left: ``end()`` is called once, and not for every key."""
        self._put_away()
        self._shape.put(self._shape.begun, self._variables)
        yield
