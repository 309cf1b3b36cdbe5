"""Wakes whoever waits for something to become true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.errors import EngineError


class Bell:
    """Rung when something has changed that somebody may wait for."""

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; raises what `fail` is given."""
        while not condition():
            await self.next()

    async def next(self) -> None:
        """Wait until it is rung."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def ring(self) -> None:
        """Have everybody look again."""
        if not self._waiters:
            return
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def fail(self, error: EngineError) -> None:
        """Tell everybody that what they wait for will not come."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)
