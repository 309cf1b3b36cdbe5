"""Frames leave in order and together, whatever the pipe takes."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Awaitable, Callable

import pytest

from engine.runtime.pipe_writer import TOGETHER_BYTES, PipeWriter

PAGE = 4096


class Pipe:
    """Both ends; the reading one does not block either."""

    def __init__(self) -> None:
        self.reads, self.writes = os.pipe()
        fcntl.fcntl(self.writes, fcntl.F_SETPIPE_SZ, PAGE)
        for fd in (self.reads, self.writes):
            os.set_blocking(fd, False)

    def read(self) -> bytes:
        try:
            return os.read(self.reads, 1 << 20)
        except BlockingIOError:
            return b""

    async def read_all(self, n_bytes: int) -> bytes:
        data = b""
        async with asyncio.timeout(10):
            while len(data) < n_bytes:
                data += self.read()
                await asyncio.sleep(0)
        return data


def run(scenario: Callable[[PipeWriter, Pipe], Awaitable[None]]) -> None:
    async def main() -> None:
        pipe = Pipe()
        writer = PipeWriter(pipe.writes)
        try:
            await scenario(writer, pipe)
        finally:
            writer.close()
            os.close(pipe.writes)
            os.close(pipe.reads)

    asyncio.run(main())


def test_the_small_frames_of_a_turn_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []

    def write(_fd: int, data: bytes) -> int:
        written.append(bytes(data))
        return len(data)

    async def scenario(writer: PipeWriter, _pipe: Pipe) -> None:
        monkeypatch.setattr(os, "write", write)
        for turn in (b"a", b"b"):
            for _ in range(3):
                writer.send(turn)
            await asyncio.sleep(0)
        monkeypatch.undo()
        assert written == [b"aaa", b"bbb"]

    run(scenario)


def test_frames_leave_in_their_order_whatever_their_size() -> None:
    frames = [
        b"a" * 10,
        b"b" * TOGETHER_BYTES,
        b"c" * 3 * TOGETHER_BYTES,
        b"d",
        b"e" * (TOGETHER_BYTES - 1),
        b"f" * PAGE,
    ]

    async def scenario(writer: PipeWriter, pipe: Pipe) -> None:
        for _ in range(3):
            for frame in frames:
                writer.send(frame)
            await asyncio.sleep(0)
        assert await pipe.read_all(3 * len(b"".join(frames))) == b"".join(frames) * 3

    run(scenario)


def test_a_large_frame_does_not_wait() -> None:
    async def scenario(writer: PipeWriter, pipe: Pipe) -> None:
        writer.send(b"x" * TOGETHER_BYTES)
        assert len(pipe.read()) == PAGE

    run(scenario)


def test_draining_ends_when_all_is_taken() -> None:
    async def scenario(writer: PipeWriter, pipe: Pipe) -> None:
        writer.send(b"x" * 3 * PAGE)
        draining = asyncio.create_task(writer.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        assert len(await pipe.read_all(3 * PAGE)) == 3 * PAGE
        await asyncio.wait_for(draining, 10)
        writer.send(b"y")
        await writer.drain()
        assert pipe.read() == b"y"

    run(scenario)


def test_nothing_is_written_behind_the_end() -> None:
    async def scenario(writer: PipeWriter, pipe: Pipe) -> None:
        writer.send(b"x")
        writer.close()
        writer.send(b"y" * TOGETHER_BYTES)
        await asyncio.sleep(0)
        await writer.drain()
        assert pipe.read() == b""

    run(scenario)


def test_a_reader_that_is_gone_is_no_error_here() -> None:
    async def main() -> None:
        pipe = Pipe()
        writer = PipeWriter(pipe.writes)
        os.close(pipe.reads)
        writer.send(b"x")
        await asyncio.sleep(0)
        writer.send(b"x" * TOGETHER_BYTES)
        await asyncio.wait_for(writer.drain(), 10)
        writer.close()
        os.close(pipe.writes)

    asyncio.run(main())
