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

N_CALLERS_IN_FLIGHT = 64
"""The same of records that somebody waits for, one to a batch, where they are fast or are predicted together."""

N_SLOW_IN_FLIGHT = 2
"""The same where one record alone takes longer than a slice of time: a commit waits for all of them."""

SLICE_S = 0.02
"""What a batch in a jet is meant to take: a fifth of the time between commits, which fall between batches."""

SLICE_BYTES = 1 << 22
"""What it is meant to give, 4 MiB: outputs wait in memory for their commit."""

N_KILLS = 2
"""A record in work at this many ends of a jet is taken for their cause."""


class Flight:
    """The parts of works that were sent to a jet and are not answered, oldest first."""

    def __init__(self) -> None:
        self._parts: deque[Sent] = deque()
        self._size_bytes = 0
        self._kills: Counter[tuple[int, int, int]] = Counter()
        """By task, slot and sequence number: each task counts its own records."""
        self.n_condemned = 0
        """Records that were taken for the cause of an end."""
        self.is_batched = False
        """Whether the jet predicts for many records at once."""
        self._n_callers = 0
        """How many of the parts are records that somebody waits for."""
        self._record_s: float | None = None
        self._record_bytes = 0.0

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def max_records(self) -> int:
        """How many records a batch may have so that it takes a slice of time, and gives no more than is good.

        The first one goes alone: it may take half a minute.
        """
        if self._record_s is None:
            return 1
        return max(1, int(min(SLICE_S / (self._record_s + 1e-9), SLICE_BYTES / (self._record_bytes + 1))))

    def has_room(self, size_bytes: int) -> bool:
        """Say whether so much more may be sent: what is under way always fits into the pipe, or is alone in it."""
        if not self._parts:
            return True
        if self._record_s is None:
            return False  # what one of them takes and gives is not known yet
        if self._size_bytes + size_bytes > PIPE_BYTES:
            return False
        limit = N_SLOW_IN_FLIGHT if self._record_s > SLICE_S else N_IN_FLIGHT
        if self.is_batched or self._record_s * N_CALLERS_IN_FLIGHT < SLICE_S:
            n_batches = len(self._parts) - self._n_callers
            return n_batches < limit and self._n_callers < N_CALLERS_IN_FLIGHT
        return len(self._parts) < limit

    def add(self, part: Sent) -> None:
        """Note that a part is sent."""
        self._parts.append(part)
        self._size_bytes += part.size_bytes
        self._n_callers += part.work.caller is not None

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
        before_bytes = work.output_bytes
        work.take(frame, part.start)
        self._learn(n_settled, frame.action_ns / 1e9, work.output_bytes - before_bytes)
        failures = [replace(failure, index=part.start + failure.index) for failure in frame.failures]
        work.failures += failures
        if frame.is_last:
            self._parts.popleft()
            self._size_bytes -= part.size_bytes
            self._n_callers -= part.work.caller is not None
            if frame.is_halted:
                work.fatal, work.n_kept, work.is_halted = failures[-1].error, failures[-1].index, True
                work.condemned.append(work.failures.pop())
            work.close_part()
        return work, n_settled

    def _learn(self, n_records: int, duration_s: float, size_bytes: int) -> None:
        if n_records:
            record_s, record_bytes = duration_s / n_records, size_bytes / n_records
            if self._record_s is None:
                self._record_s, self._record_bytes = record_s, record_bytes
            self._record_s = (self._record_s + record_s) / 2
            self._record_bytes = (self._record_bytes + record_bytes) / 2

    def judge(self, cell: Cell, error: EngineError) -> None:
        """Count the record in work as one that has ended a jet.

        At its second end it is condemned, with `error`; at its first when somebody waits for it. After an end in a
        prediction for several records, what is under way is scored with care, so that the next end names its cause.

        Parameters
        ----------
        cell : Cell
            The dead jet's.
        error : EngineError
            How it ended.
        """
        if cell.is_predicting:
            for sent in self._parts:
                sent.work.is_careful = True
            return
        culprit = cell.record
        part = next((part for part in self._parts if part.batch == cell.words[Cell.BATCH]), None)
        if culprit is None or part is None:
            return
        record = (part.work.task, *culprit)
        self._kills[record] += 1
        if part.work.caller is not None or self._kills[record] >= N_KILLS:
            del self._kills[record]
            self.n_condemned += 1
            part.work.condemned.append(Failure(culprit[1] - part.work.first_seq, "action", error))

    def cut(self, policy: Callable[[int], str]) -> Iterator[Work]:
        """Keep of everything what is not answered, for the jet that comes; yield the works of which nothing is left.

        For a script without state only: of one with state, everything since the last commit is done again.

        Parameters
        ----------
        policy : callable
            From a slot to stop, reject or skip: under stop nothing behind a condemned record is kept of its work.
        """
        parts, self._parts = self._parts, deque()
        for part in parts:
            work, start = part.work, part.start + part.n_done
            known = len(work.failures)
            spans = [(max(first, start), min(last, part.stop)) for first, last in work.spans(policy(work.slot))]
            # `spans` is about the whole work: what it says of records that another part holds was said before.
            work.failures[known:] = [one for one in work.failures[known:] if start <= one.index < part.stop]
            for first, last in spans:
                if first < last:
                    size_bytes = sum(map(len, work.values[first:last]))
                    self._parts.append(Sent(0, work, first, last, size_bytes))
                    work.n_open += 1
            work.close_part()
            if work.is_done:
                yield work

    def land(self) -> list[Sent]:
        """Return what is left, to be sent again, and be empty."""
        parts, self._parts, self._size_bytes, self._n_callers = list(self._parts), deque(), 0, 0
        return parts

    def give_up(self, error: EngineError) -> None:
        """Tell whoever waits for a record that there will be no answer."""
        for part in self.land():
            caller = part.work.caller
            if caller is not None and not caller.done():
                caller.set_exception(error)
