"""What is under way in one jet: how much it may be, what is answered, and what is left of it when the jet ends."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from engine.channel import PIPE_BYTES, Cell, Failure, OutputFrame
from engine.errors import EngineError
from engine.runtime.work import Sent, Work

N_IN_FLIGHT = 4
"""Batches under way to one jet: enough that it never waits for the engine, few enough that a pause bites soon."""

N_KILLS = 2
"""A record in work at this many ends of a jet is taken for their cause."""


class Flight:
    """The parts of works that were sent to a jet and are not answered, oldest first."""

    def __init__(self) -> None:
        self._parts: deque[Sent] = deque()
        self._size_bytes = 0
        self._kills: Counter[tuple[int, int]] = Counter()
        self.n_condemned = 0
        """Records that were taken for the cause of an end."""

    def __len__(self) -> int:
        return len(self._parts)

    def has_room(self, size_bytes: int) -> bool:
        """Say whether so much more may be sent: what is under way always fits into the pipe, or is alone in it."""
        if not self._parts:
            return True
        return len(self._parts) < N_IN_FLIGHT and self._size_bytes + size_bytes <= PIPE_BYTES

    def add(self, part: Sent) -> None:
        """Note that a part is sent."""
        self._parts.append(part)
        self._size_bytes += part.size_bytes

    def answer(self, frame: OutputFrame) -> tuple[Work, int]:
        """Give the oldest part what a frame answers; return its work, and how many records that settled.

        Raises
        ------
        ValueError
            It answers something else: two processes write into the pipe, since the script has forked.
        """
        part = self._parts[0] if self._parts else None
        if part is None or frame.batch != part.batch:
            raise ValueError(f"an answer to batch {frame.batch}, which is not the oldest")
        work = part.work
        n_settled, part.n_done = frame.n_done - part.n_done, frame.n_done
        work.take(frame.values, frame.slots)
        work.failures += [replace(failure, index=part.start + failure.index) for failure in frame.failures]
        if frame.is_last:
            self._parts.popleft()
            self._size_bytes -= part.size_bytes
            if frame.is_halted:
                work.fatal = frame.failures[-1].error
            work.close_part()
        return work, n_settled

    def cut(self, cell: Cell, error: EngineError, policy: Callable[[int], str]) -> Iterator[Work]:
        """Keep of everything what is not answered; yield the works of which nothing is left.

        The record in work counts as one that has ended a jet. At its second end it fails, with `error`; at its first
        when somebody waits for it.

        Parameters
        ----------
        cell : Cell
            The dead jet's.
        error : EngineError
            How it ended.
        policy : callable
            From a slot to stop, reject or skip: under stop nothing behind the failed record is kept of its work.
        """
        parts, self._parts = self._parts, deque()
        culprit = cell.record
        for part in parts:
            work, start = part.work, part.start + part.n_done
            rest = [(start, part.stop)]
            if culprit is not None and part.batch == cell.words[Cell.BATCH]:
                self._kills[culprit] += 1
                if work.caller is not None or self._kills[culprit] >= N_KILLS:
                    del self._kills[culprit]
                    self.n_condemned += 1
                    index = culprit[1] - work.first_seq
                    work.failures.append(Failure(index, "action", error))
                    rest = [(start, index), (index + 1, part.stop)]
                    if work.caller is None and policy(work.slot) == "stop":
                        work.fatal = error
                        rest.pop()
            for first, last in rest:
                if first < last:
                    size_bytes = sum(map(len, work.values[first:last]))
                    self._parts.append(Sent(0, work, first, last, size_bytes))
                    work.n_open += 1
            work.close_part()
            if work.is_done:
                yield work

    def land(self) -> list[Sent]:
        """Return what is left, to be sent again, and be empty."""
        parts, self._parts, self._size_bytes = list(self._parts), deque(), 0
        return parts

    def give_up(self, error: EngineError) -> None:
        """Tell whoever waits for a record that there will be no answer."""
        for part in self.land():
            caller = part.work.caller
            if caller is not None and not caller.done():
                caller.set_exception(error)
