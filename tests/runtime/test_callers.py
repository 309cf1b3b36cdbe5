"""Calls are told once: what came of them, or that it took too long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import StreamTimeout
from engine.runtime.callers import Call, Calls


class Listener:
    """Takes what is told, and which works were given up."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.given_up: list[Any] = []
        self.calls = Calls(self.given_up.append)
        self.changed = asyncio.Event()

    def begin(self, name: str, timeout_s: float) -> Call:
        def tell(outputs: list[bytes] | None, error: BaseException | None) -> None:
            self.told.append((name, outputs if error is None else type(error)))
            self.changed.set()

        return self.calls.begin(tell, timeout_s)

    async def until(self, n_told: int) -> None:
        async with asyncio.timeout(10):
            while len(self.told) < n_told:
                self.changed.clear()
                await self.changed.wait()


def run(scenario: Callable[[Listener], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario(Listener())

    asyncio.run(main())


def test_a_call_is_told_once() -> None:
    async def scenario(listener: Listener) -> None:
        call = listener.begin("a", 30.0)
        call.set_result([b"1"])
        assert call.done()
        call.cancel()
        assert (listener.told, len(listener.calls)) == ([("a", [b"1"])], 0)

    run(scenario)


def test_a_call_that_is_cancelled_is_told_nothing() -> None:
    async def scenario(listener: Listener) -> None:
        call = listener.begin("a", 0.0)
        call.cancel()
        assert (call.done(), len(listener.calls)) == (True, 0)
        listener.begin("b", 0.001)
        await listener.until(1)
        assert listener.told == [("b", StreamTimeout)]

    run(scenario)


def test_calls_that_wait_too_long_are_told_so_and_others_are_not() -> None:
    async def scenario(listener: Listener) -> None:
        work: Any = SimpleNamespace()
        for name, timeout_s in (("slow", 30.0), ("a", 0.01), ("b", 0.02), ("c", 0.01)):
            listener.begin(name, timeout_s).work = work
        listener.begin("done", 0.01).set_result([])
        await listener.until(4)
        assert sorted(listener.told[1:], key=str) == [(name, StreamTimeout) for name in "abc"]
        assert (listener.given_up, len(listener.calls)) == ([work] * 3, 1)
        listener.begin("d", 0.01)  # the group of its time-out is gone, and made again
        await listener.until(5)

    run(scenario)


def test_a_call_is_not_told_before_its_time_by_the_timer_of_one_before_it() -> None:
    async def scenario(listener: Listener) -> None:
        loop = asyncio.get_running_loop()
        first = listener.begin("first", 0.05)
        await asyncio.sleep(0.03)
        started_s = loop.time()
        listener.begin("second", 0.05)
        first.set_result([])
        await listener.until(2)
        assert loop.time() - started_s >= 0.045

    run(scenario)


def test_who_fails_to_listen_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_outputs: list[bytes] | None, _error: BaseException | None) -> None:
        raise RuntimeError("gone")

    async def scenario(listener: Listener) -> None:
        listener.calls.begin(fail, 30.0).set_result([])
        assert "gone" in caplog.text

    run(scenario)
