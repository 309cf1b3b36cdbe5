"""Reads the states of tasks from where they are committed, a few at a time, and says how far it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from engine.kafka.changelog import Restoring, latest
from engine.kafka.log import KafkaLog
from engine.state.commits import SCRIPT, Entry

N_AT_ONCE = 4
"""Partitions whose state is read at the same time: most of the time of a short one is asking and waiting."""


class Reading:
    """The state of one task, on its way.

    Parameters
    ----------
    restoring : Restoring
        What is read, in a thread of its own.
    """

    def __init__(self, restoring: Restoring) -> None:
        self.restoring = restoring
        self._started_s: float | None = None

    @property
    def left_s(self) -> float | None:
        """How long the rest will take, if it goes on as until now; None where nobody can say."""
        n_read, n_total = self.restoring.n_read, self.restoring.n_total
        if self._started_s is None or not n_read or n_total < n_read:
            return None
        return (time.monotonic() - self._started_s) * (n_total - n_read) / n_read

    async def read(self, room: asyncio.Semaphore) -> list[Entry]:
        """Wait for room, which the caller gives back, and return the last value for each name and key.

        Raises
        ------
        StateError, BrokerRefused, BrokerUnreachable
            It cannot be read.
        """
        await room.acquire()
        self._started_s = time.monotonic()
        return await asyncio.to_thread(_state, self.restoring)


class Readings:
    """The states that are being read, by task.

    Parameters
    ----------
    store : KafkaLog
        Where from.
    """

    def __init__(self, store: KafkaLog) -> None:
        self._store = store
        self._room = asyncio.Semaphore(N_AT_ONCE)
        self.by_task: dict[int, Reading] = {}
        self._reads: dict[int, asyncio.Task[list[Entry]]] = {}

    def begin(self, tasks: Iterable[int]) -> None:
        """Read the states of tasks, in this order."""
        for task in tasks:
            reading = self.by_task[task] = Reading(self._store.restore(task))
            self._reads[task] = asyncio.get_running_loop().create_task(reading.read(self._room))

    async def take(self, task: int) -> tuple[list[Entry], Restoring]:
        """Wait for the state of a task, the first one that was not taken, and return it; raises as `Reading.read`."""
        reading = self.by_task[task]
        try:
            return await self._reads[task], reading.restoring
        finally:
            del self.by_task[task], self._reads[task]
            self._room.release()

    def close(self, tasks: Iterable[int]) -> None:
        """Have the states of tasks read no further; what there is of them is still to be taken."""
        for task in tasks:
            if (reading := self.by_task.get(task)) is not None:
                reading.restoring.close()

    async def drop(self) -> None:
        """Have nothing read any more, and let go of what nobody has taken."""
        self.close(self.by_task)
        for task in list(self.by_task):
            await asyncio.gather(self._reads[task], return_exceptions=True)
            del self.by_task[task], self._reads[task]
            self._room.release()


def _state(restoring: Restoring) -> list[Entry]:
    return [entry for entry in latest(restoring) if entry.scope == SCRIPT]
