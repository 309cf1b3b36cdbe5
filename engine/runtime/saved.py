"""State that was saved, on its way back into a jet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator

from engine.channel import Kind, pack_message
from engine.state.commits import Entry

FRAME_BYTES = 1 << 19
"""Half a pipe: one is read while the next is written."""

_Row = tuple[bytes, str, bytes | None]


async def frames_of(entries: Iterable[Entry], task: int = 0) -> AsyncIterator[bytes]:
    """Yield the frames that give a jet this state of a task; reading it happens in another thread.

    Raises
    ------
    StateCorrupt
        Something of it is damaged.
    """
    chunks = _chunks(iter(entries))
    chunk = await asyncio.to_thread(next, chunks, None)
    while chunk is not None:
        following = await asyncio.to_thread(next, chunks, None)
        yield pack_message(Kind.RESTORE, [following is None, task, chunk])
        chunk = following


def _chunks(entries: Iterator[Entry]) -> Iterator[list[_Row]]:
    chunk: list[_Row] = []
    size_bytes = 0
    for entry in entries:
        chunk.append((entry.key, entry.name, entry.value))
        size_bytes += len(entry.key) + len(entry.name) + len(entry.value or b"")
        if size_bytes >= FRAME_BYTES:
            yield chunk
            chunk, size_bytes = [], 0
    yield chunk
