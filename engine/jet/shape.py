"""Of which parts the state of one key consists, and how they become a blob and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import StateTooLarge, StateUnkept
from engine.jet.blobs import EMPTY, split_parts, used_s
from engine.jet.memory import NOT_BOUND, UNBOUND, Resolve, bind, values_of
from engine.state import pack, unpack

USED = "$used"
"""The entry of a key's last use, in seconds since 1970, where keys are forgotten."""

Change = tuple[str, bytes | None]
"""The name of an entry, and its packed value or None when it is forgotten."""


class Shape:
    """The names that every key has a value for, and what they begin with.

    Parameters
    ----------
    names : sequence of str
        What of the script is state.
    resolve : callable
        Finds the classes of stored instances.
    """

    def __init__(self, names: Sequence[str], resolve: Resolve) -> None:
        self.names, self._resolve = list(names), resolve
        self.parts = {name: number for number, name in enumerate([*self.names, UNBOUND])}
        self.begun: list[Any] = []
        self._template: list[bytes | None] = []

    def taken(self, variables: Mapping[str, Any]) -> list[Any]:
        """Return the values of the names in a script's variables."""
        return values_of(self.names, variables)

    def put(self, values: Sequence[Any], variables: dict[str, Any]) -> None:
        """Bind the names to these values in a script's variables."""
        bind(self.names, values, variables)

    def begin(self, variables: Mapping[str, Any]) -> None:
        """Take what is bound now as what every key begins with."""
        self.begun = self.taken(variables)
        self._template = [None if value is NOT_BOUND else pack(value) for value in self.begun]

    def unpacked(self, blob: bytes) -> list[Any]:
        """Return the values of a blob; of the empty one, copies of what every key begins with."""
        *parts, deleted = split_parts(blob, len(self.parts))
        gone = unpack(deleted) if deleted is not None else ()
        values = []
        for name, part, first in zip(self.names, parts, self._template, strict=True):
            packed = part if part is not None or name in gone else first
            values.append(NOT_BOUND if packed is None else unpack(packed, self._resolve))
        return values

    def packed(self, key: bytes, values: Sequence[Any]) -> list[bytes | None]:
        """Return the parts of a key's values.

        Raises
        ------
        StateUnkept, StateTooLarge
            One of them cannot be kept; the sentence names the key.
        """
        parts: list[bytes | None] = []
        for name, value in zip(self.names, values, strict=True):
            try:
                parts.append(None if value is NOT_BOUND else pack(value, name))
            except StateUnkept as exc:
                reason = f"{exc.reason} (key {unpack(key)!r:.80})"
                raise StateUnkept(exc.path, reason, exc.fix) from exc
            except StateTooLarge as exc:
                name = f"{exc.name} of key {unpack(key)!r:.80}"
                raise StateTooLarge(name, exc.size_bytes, exc.limit_bytes) from exc
        gone = [
            name
            for name, part, first in zip(self.names, parts, self._template, strict=True)
            if part is None and first is not None
        ]
        parts.append(pack(gone) if gone else None)
        return parts

    def differences(self, old: bytes | None, blob: bytes, parts: Sequence[bytes | None]) -> list[Change]:
        """Return the entries of a blob, whose parts these are, that differ from those of an older one, `USED` last."""
        old = EMPTY if old is None else old
        old_parts = split_parts(old, len(parts))
        changed = [(name, part) for name, part, was in zip(self.parts, parts, old_parts, strict=True) if part != was]
        now_s = used_s(blob)
        if now_s != used_s(old):
            changed.append((USED, pack(now_s) if now_s else None))
        return changed

    def entries(self, blob: bytes) -> dict[str, bytes | None]:
        """Return all entries of a blob by name, None for those that are not there."""
        seconds = used_s(blob)
        parts: dict[str, bytes | None] = dict(zip(self.parts, split_parts(blob, len(self.parts)), strict=True))
        parts[USED] = pack(seconds) if seconds else None
        return parts
