"""The works on their way: those that wait for a jet, and behind each other those that one has."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic

from engine import metrics
from engine.runtime.cut import Cut
from engine.runtime.work import Work


class Line:
    """Keeps the order in which records came in, so that outputs leave in it."""

    def __init__(self) -> None:
        self.waiting: deque[Work] = deque()
        self.sent: deque[Work | Cut] = deque()
        """What was given to jets, oldest first, and the cuts between."""
        self.calling_bytes = 0
        """What waits of records that somebody waits for."""
        self._answered: dict[Work, None] = {}
        """Of what was given to jets, that which has outputs: few of many."""

    @property
    def is_still(self) -> bool:
        """Nothing waits, and nothing is in a jet."""
        return not self.waiting and not self.sent

    @property
    def head(self) -> Work | Cut | None:
        """The oldest that was given to a jet."""
        return self.sent[0] if self.sent else None

    @property
    def last(self) -> Work | Cut | None:
        """The latest that was given to a jet."""
        return self.sent[-1] if self.sent else None

    @property
    def sent_works(self) -> list[Work]:
        """What jets have."""
        return [item for item in self.sent if isinstance(item, Work)]

    @property
    def works(self) -> list[Work]:
        """All of them, in order."""
        return [*self.sent_works, *self.waiting]

    @property
    def output_bytes(self) -> int:
        """What jets have answered, and is not delivered."""
        return sum(work.output_bytes for work in self._answered) if self._answered else 0

    def put(self, work: Work) -> None:
        """Take a work, behind all others."""
        self._count(work)
        work.since_s = monotonic()
        self.waiting.append(work)

    def put_back(self, works: Iterable[Work]) -> None:
        """Take works again, in front of all that wait."""
        works = list(works)
        for work in works:
            self._count(work)
            work.since_s = monotonic()
        self.waiting.extendleft(reversed(works))

    def send(self, work: Work, max_records: int) -> None:
        """Note that a work that waits is given to a jet; what is too much of it for one batch waits on."""
        if work is self.waiting[0] and len(work.values) <= max_records:  # the common case
            self.waiting.popleft()
        else:
            at = self.waiting.index(work)
            if len(work.values) > max_records:
                self.waiting.insert(at + 1, work.split(max_records))
            del self.waiting[at]
        self.sent.append(work)
        n_records = len(work.values)
        metrics.add_queue_time(n_records, n_records * (monotonic() - work.since_s))
        if work.caller is not None:
            self.calling_bytes -= work.size_bytes

    def note_answer(self, work: Work) -> None:
        """Note that a work has outputs, and is not delivered."""
        self._answered[work] = None

    def pop(self) -> Work | Cut:
        """Remove the head and return it."""
        item = self.sent.popleft()
        if isinstance(item, Work):
            self._answered.pop(item, None)
        return item

    def remove(self, is_meant: Callable[[Work], bool]) -> list[Work]:
        """Remove works that wait, and return them."""
        gone = [work for work in self.waiting if is_meant(work)]
        if gone:
            self.waiting = deque(work for work in self.waiting if not is_meant(work))
            self.calling_bytes -= sum(work.size_bytes for work in gone if work.caller is not None)
        return gone

    def take_sent(self) -> list[Work]:
        """Remove all that jets have, and the cuts, and return the works."""
        works = self.sent_works
        self.sent.clear()
        self._answered.clear()
        return works

    def take_sent_of(self, is_meant: Callable[[Work], bool]) -> list[Work]:
        """Remove some of what jets have, and return it."""
        works = [work for work in self.sent_works if is_meant(work)]
        gone = set(works)
        self.sent = deque(item for item in self.sent if item not in gone)
        self._answered = {work: None for work in self._answered if work not in gone}
        return works

    def clear(self) -> list[Work]:
        """Remove everything but the cuts; return it."""
        works = self.works
        self.sent = deque(item for item in self.sent if isinstance(item, Cut))
        self.waiting.clear()
        self._answered.clear()
        self.calling_bytes = 0
        return works

    def _count(self, work: Work) -> None:
        if work.caller is not None:
            self.calling_bytes += work.size_bytes
