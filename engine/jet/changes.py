"""What a jet answers to COMMIT: the entries that changed, in frames of a bounded size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from engine.channel import Kind, dump_error, pack_message
from engine.errors import StateError
from engine.jet.answer import FLUSH_BYTES

ENTRY_OVERHEAD_BYTES = 64
"""What an entry costs beside its bytes, so that a million forgotten keys do not become one frame."""


class Figures(NamedTuple):
    """What there is to say of the state as it was committed.

    Parameters
    ----------
    n_keys, n_live : int
        Keys in all, and how many of them are there as objects; 0 in a script without keys.
    size_bytes : int
        Packed, keys included.
    refusals : sequence of (str, str)
        Names that turned out to be such that they cannot be kept, and why; each is told once.
    failure : StateError or None
        Why the state cannot be committed at all.
    warnings : sequence of (str, dict)
        What a person should know, as events for the log and their fields; each is told once.
    """

    n_keys: int
    n_live: int
    size_bytes: int
    refusals: Sequence[tuple[str, str]] = ()
    failure: StateError | None = None
    warnings: Sequence[tuple[str, dict[str, Any]]] = ()


class ChangedFrames:
    """Collects changed entries, and sends them.

    Parameters
    ----------
    send : callable
        Takes a frame.
    number : int
        Of the commit that is answered.
    """

    def __init__(self, send: Callable[[bytes], None], number: int) -> None:
        self._send, self._number = send, number
        self._entries: list[tuple[int, bytes, str, bytes | None]] = []
        self._size_bytes = 0

    def put(self, task: int, key: bytes, name: str, value: bytes | None) -> None:
        """Take an entry: of which task and key, under which name, and its packed value or None when it is forgotten."""
        self._entries.append((task, key, name, value))
        self._size_bytes += ENTRY_OVERHEAD_BYTES + len(key) + (0 if value is None else len(value))
        if self._size_bytes > FLUSH_BYTES:
            self._send(pack_message(Kind.CHANGED, self._message(is_last=False)))
            self._entries, self._size_bytes = [], 0

    def finish(self, figures: Figures) -> None:
        """Send the last frame."""
        failure = dump_error(figures.failure) if figures.failure is not None else None
        told = figures._asdict() | {"failure": failure}
        self._send(pack_message(Kind.CHANGED, self._message(is_last=True) | told))

    def _message(self, *, is_last: bool) -> dict[str, object]:
        return {"number": self._number, "is_last": is_last, "entries": self._entries}
