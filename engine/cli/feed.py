"""Records from standard input to an input slot, as fast as the engine takes them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from engine.errors import RetryAfter

if TYPE_CHECKING:
    from engine.client import EngineVerbs

READ_BYTES = 1024 * 1024
MAX_RECORDS = 1000
# Far below what a server takes in one body, and enough that the request's own cost does not count.
MAX_BYTES = 4 * 1024 * 1024
MAX_PAUSE_S = 5.0  # a server that says "in a minute" is asked again sooner: it may have been restarted


class Arriving(Protocol):
    """A file or pipe that gives what has arrived, and waits only when there is nothing."""

    def read1(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""


@dataclass
class Fed:
    """How many records went in, and how many lines were blank."""

    n_accepted: int = 0
    n_blank: int = 0


def standard_input() -> Arriving:
    """Return standard input as bytes."""
    return cast("Arriving", sys.stdin.buffer)  # its declared type is wider than what it is


def read_lines(stream: Arriving) -> Iterator[list[bytes]]:
    """Yield lines without their ends as soon as they are there, so that ``tail -f`` works."""
    parts: list[bytes] = []  # of a line whose end has not come: joined once, however long it is
    while data := stream.read1(READ_BYTES):
        first, *others = data.split(b"\n")
        parts.append(first)
        if others:
            lines = [b"".join(parts), *others[:-1]]
            parts = [others[-1]]
            yield [line.removesuffix(b"\r") for line in lines]
    if rest := b"".join(parts):
        yield [rest]


def feed(
    engine: EngineVerbs,
    slot: int,
    arrivals: Iterator[list[bytes]],
    *,
    pause: Callable[[float], None] = time.sleep,
    on_busy: Callable[[], None] = lambda: None,
) -> Fed:
    """Send every line that is not blank as one record.

    Parameters
    ----------
    engine : EngineVerbs
        Takes them.
    slot : int
        An input slot.
    arrivals : iterator of list of bytes
        See `read_lines`.
    pause : callable
        Waits for so many seconds.
    on_busy : callable
        Called each time the engine has no room; the records are sent again after the time it asks for.
    """
    fed = Fed()
    for lines in arrivals:
        records = [line for line in lines if line.strip()]
        fed.n_blank += len(lines) - len(records)
        for chunk in _chunks(records):
            fed.n_accepted += _send(engine, slot, chunk, pause, on_busy)
    return fed


def _send(
    engine: EngineVerbs,
    slot: int,
    records: Sequence[bytes],
    pause: Callable[[float], None],
    on_busy: Callable[[], None],
) -> int:
    while True:
        try:
            return engine.input(slot, records)
        except RetryAfter as busy:
            on_busy()
            pause(min(busy.seconds, MAX_PAUSE_S))


def _chunks(records: Sequence[bytes]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    n_bytes = 0
    for record in records:
        if chunk and (len(chunk) == MAX_RECORDS or n_bytes + len(record) > MAX_BYTES):
            yield chunk
            chunk, n_bytes = [], 0
        chunk.append(record)
        n_bytes += len(record)
    if chunk:
        yield chunk
