"""The state of a script with keys: a copy of its variables for every key, put in place when a record has that key."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

from engine.errors import DataError, StateError, StateIncompatible, StateTooLarge, StateUnkept
from engine.jet.blobs import EMPTY, join_parts, split_parts, used_s, with_part, with_used
from engine.jet.changes import Figures
from engine.jet.keeping import Trial
from engine.jet.keys import Key, key_reader
from engine.jet.lifetimes import Lifetime
from engine.jet.memory import UNBOUND, Put, Resolve, refuse_unknown
from engine.script import StateName
from engine.state import pack, unpack

USED = "$used"
"""The entry of a key's last use, in seconds since 1970, where keys are forgotten."""

MAX_LIVE = 10_000
"""Keys that are there as objects: 30 floats take 1.3 kB so, and the garbage collector looks at each list."""

MAX_UNDECLARED_BYTES = 1 << 16
"""A larger value is rather a table that all keys read than what one key remembers; the script must say which."""

_UNBOUND: Any = object()


class _Live:
    """The variables of one key, as objects."""

    __slots__ = ("interval", "key", "values")

    def __init__(self, key: bytes, values: list[Any]) -> None:
        self.key, self.values, self.interval = key, values, 0


class KeyedMemory:
    """The state of every key: packed, and of the keys in use as objects too.

    A blob is what was handed over of a key last, but for keys in `_early`: those had to give way within an interval.

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
        self._names, self._resolve = [entry.name for entry in names], resolve
        self._parts = {name: number for number, name in enumerate([*self._names, UNBOUND])}
        self._lifetime = Lifetime(ttl_s, clock) if ttl_s is not None else None
        self._begun: list[Any] = []
        self._template: list[bytes | None] = []
        self._blobs: dict[bytes, bytes] = {}
        self._size_bytes = 0
        self._early: dict[bytes, set[str]] = {}
        self._live: OrderedDict[object, _Live] = OrderedDict()
        self._touched: dict[bytes, _Live] = {}
        self._current: _Live | None = None
        self._interval = 1
        self._restored: set[str] = set()
        self._failure: StateError | None = None

    def begin(self, trials: Iterable[Trial]) -> list[str]:
        """Take what is bound now as what every key begins with."""
        trials = list(trials)
        if reasons := [reason for trial in trials if (reason := self._refusal(trial)) is not None]:
            return reasons
        self._begun = self._taken()
        self._template = [None if value is _UNBOUND else pack(value) for value in self._begun]
        return []

    def _refusal(self, trial: Trial) -> str | None:
        shared = f'Say "# engine.shared: {trial.name}" if action() only reads it'
        if trial.refusal is not None:
            return f"{trial.refusal} Every key has its own state, and it must be kept. {shared}"
        size_bytes = trial.size_bytes or 0
        if size_bytes <= MAX_UNDECLARED_BYTES or trial.name in self._declared:
            return None
        own = f'"# engine.state: {", ".join(self._names)}" if every key shall have its own'
        return f"{trial.name} takes {size_bytes >> 10} KiB, and every key would have a copy. {shared}, or {own}"

    def restore(self, key: bytes, name: str, value: bytes) -> None:
        """Keep the packed value of a key; it becomes an object when a record has that key."""
        if not key:
            raise StateIncompatible("it was stored by a script without engine.key, and this one has a key")
        blob = self._blobs.get(key, EMPTY)
        if name == USED:
            blob = with_used(blob, unpack(value))
        else:
            refuse_unknown(name, self._parts)
            blob = with_part(blob, self._parts[name], value)
        if name not in self._restored:  # the first of each tells, before a record comes, whether they fit the script
            self._restored.add(name)
            unpack(key)
            unpack(value, self._resolve)
        self._store(key, blob)

    def finish_restore(self) -> int:
        """Return the number of keys."""
        if self._lifetime is not None:
            self._blobs = self._lifetime.in_order(self._blobs)
        return len(self._blobs)

    def reader(self, decode: Callable[[bytes], Any], path: str) -> Callable[[bytes], Any]:
        """Return what decodes a record and puts the state of its key in place.

        It raises a `DataError` where the record has no key.
        """
        key_of, turn_to = key_reader(path), self.turn_to

        def read(raw: bytes) -> Any:
            record = decode(raw)
            turn_to(key_of(record))
            return record

        return read

    def turn_to(self, key: Key) -> None:
        """Put the variables of a key in place of those that are there.

        Raises
        ------
        DataError
            The stored state of the key cannot be read. Then the next commit fails.
        """
        place = (key,) if key is True or key is False else key  # True is 1 to a dictionary
        live = self._live.get(place)
        if live is None:
            live = self._wake(key, place)
        elif live is self._current:
            return
        self._put_away()
        variables = self._variables
        for name, value in zip(self._names, live.values, strict=True):
            if value is _UNBOUND:
                variables.pop(name, None)
            else:
                variables[name] = value
        self._current = live
        if live.interval != self._interval:
            live.interval = self._interval
            self._touched[live.key] = live
            self._live.move_to_end(place)

    def _taken(self) -> list[Any]:
        variables = self._variables
        return [variables.get(name, _UNBOUND) for name in self._names]

    def _put_away(self) -> None:
        if self._current is not None:
            self._current.values = self._taken()
            self._current = None

    def _wake(self, key: Key, place: object) -> _Live:
        packed = pack(key)
        try:
            live = _Live(packed, self._unpacked(self._blobs.get(packed, EMPTY)))
        except StateError as exc:
            self._failure = exc
            raise DataError(f"The state of key {key!r:.80} cannot be read. {exc}") from exc
        self._live[place] = live
        if len(self._live) > MAX_LIVE:
            self._evict()
        return live

    def _unpacked(self, blob: bytes) -> list[Any]:
        *parts, deleted = split_parts(blob, len(self._parts))
        gone = unpack(deleted) if deleted is not None else ()
        values = []
        for name, part, first in zip(self._names, parts, self._template, strict=True):
            packed = part if part is not None or name in gone else first
            values.append(_UNBOUND if packed is None else unpack(packed, self._resolve))
        return values

    def _evict(self) -> None:
        """Pack the key that was touched first, before its commit."""
        self._put_away()
        place, live = next(iter(self._live.items()))
        if self._touched.pop(live.key, None) is not None:
            try:
                changed = self._pack(live)
            except StateError as exc:
                self._failure = exc
            else:
                if changed:
                    self._early.setdefault(live.key, set()).update(name for name, _ in changed)
        del self._live[place]

    def _pack(self, live: _Live) -> list[tuple[str, bytes | None]]:
        """Bring the blob of a key up to date; return what differed from it, by name."""
        parts: list[bytes | None] = []
        for name, value in zip(self._names, live.values, strict=True):
            try:
                parts.append(None if value is _UNBOUND else pack(value, name))
            except StateUnkept as exc:
                reason = f"{exc.reason} (key {unpack(live.key)!r:.80})"
                raise StateUnkept(exc.path, reason, exc.fix) from exc
            except StateTooLarge as exc:
                name = f"{exc.name} of key {unpack(live.key)!r:.80}"
                raise StateTooLarge(name, exc.size_bytes, exc.limit_bytes) from exc
        gone = [
            name
            for name, part, first in zip(self._names, parts, self._template, strict=True)
            if part is None and first is not None
        ]
        parts.append(pack(gone) if gone else None)
        now_s = self._lifetime.now_s() if self._lifetime is not None else 0
        blob, old = join_parts(now_s, parts), self._blobs.get(live.key)
        if blob == old:
            return []
        old_parts = split_parts(old, len(parts)) if old is not None else [None] * len(parts)
        changed = [(name, part) for name, part, was in zip(self._parts, parts, old_parts, strict=True) if part != was]
        was_used_s = used_s(old) if old is not None else 0
        if was_used_s != now_s:
            changed.append((USED, pack(now_s) if now_s else None))
            if old is not None:  # to the end of the order of last use
                self._drop(live.key)
        self._store(live.key, blob)
        return changed

    def _store(self, key: bytes, blob: bytes) -> None:
        old = self._blobs.get(key)
        self._size_bytes += len(blob) - len(old) if old is not None else len(key) + len(blob)
        self._blobs[key] = blob

    def _drop(self, key: bytes) -> bytes:
        blob = self._blobs.pop(key)
        self._size_bytes -= len(key) + len(blob)
        return blob

    def commit(self, put: Put) -> Figures:
        """Pack the keys that were used since the last commit, and hand over what has changed of them."""
        self._put_away()
        for key, live in self._touched.items():
            try:
                changed = self._pack(live)
            except StateError as exc:
                self._failure = self._failure or exc
                continue
            early = self._early.pop(key, None)
            for name, part in changed if not early else self._parts_of(key, early.union(dict(changed))):
                put(key, name, part)
        for key, names in self._early.items():
            for name, part in self._parts_of(key, names):
                put(key, name, part)
        self._touched, self._early = {}, {}
        self._forget(put)
        self._let_rest()
        return Figures(len(self._blobs), len(self._live), self._size_bytes, [], self._failure)

    def _parts_of(self, key: bytes, names: set[str]) -> list[tuple[str, bytes | None]]:
        blob = self._blobs[key]
        seconds = used_s(blob)
        parts = dict(zip(self._parts, split_parts(blob, len(self._parts)), strict=True))
        parts[USED] = pack(seconds) if seconds else None
        return [(name, parts[name]) for name in sorted(names)]

    def _forget(self, put: Put) -> None:
        if self._lifetime is None:
            return
        for key in list(self._lifetime.expired(self._blobs)):
            parts = split_parts(self._drop(key), len(self._parts))
            for name, part in zip(self._parts, parts, strict=True):
                if part is not None:
                    put(key, name, None)
            put(key, USED, None)
            found = unpack(key)
            self._live.pop((found,) if isinstance(found, bool) else found, None)

    def _let_rest(self) -> None:
        """Keep as objects what was used in this interval or the one before; of the rest the blob is enough."""
        while self._live:
            place, live = next(iter(self._live.items()))
            if live.interval >= self._interval - 1:
                break
            del self._live[place]
        self._interval += 1

    def end(self) -> None:
        """Put in place what ``begin()`` left: ``end()`` is called once, and not for every key."""
        self._put_away()
        for name, value in zip(self._names, self._begun, strict=True):
            if value is not _UNBOUND:
                self._variables[name] = value
            else:
                self._variables.pop(name, None)
