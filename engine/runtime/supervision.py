"""How a jet is looked after: how long a record may take, and how often and how soon it is started again."""

from __future__ import annotations

import asyncio

from engine.channel import Cell
from engine.errors import ModelStalled
from engine.log import get_logger
from engine.settings import Settings

log = get_logger(__name__)

SLOW_S = 60.0
"""How often a record without a time-out is warned about."""


class Watch:
    """The time that the record in work, or the batched prediction, has taken.

    Looked at a few times within the time that a record may take.

    Parameters
    ----------
    jet : int
        The jet's number, for the log.
    """

    def __init__(self, jet: int) -> None:
        self._jet = jet
        self._work: tuple[int, ...] | None = None
        self._since_s = 0.0

    def clear(self) -> None:
        """Forget the record: its jet has ended."""
        self._work, self._since_s = None, 0.0

    def look(self, cell: Cell, now_s: float, timeout_s: float | None, *, is_heard: bool) -> ModelStalled | None:
        """Look at the record in work; return an error when it takes longer than it may.

        Parameters
        ----------
        cell : Cell
            The jet's.
        now_s : float
            Now, on any clock.
        timeout_s : float or None
            What a record may take.
        is_heard : bool
            Whether its outputs are taken: a jet that waits for that is not slow.
        """
        work, record = cell.work, cell.record
        if work is None or work != self._work or not is_heard:
            self._work, self._since_s = work, now_s
        elif timeout_s is not None and now_s - self._since_s > timeout_s:
            return ModelStalled(timeout_s, cell.describe())
        elif timeout_s is None and now_s - self._since_s > SLOW_S:
            slot, seq_no = record if record is not None else (None, None)
            log.warning("record.slow", jet=self._jet, slot=slot, seq_no=seq_no, seconds=SLOW_S)
            self._since_s = now_s
        return None


class Trials:
    """Starts of a jet that came to nothing, since one that did."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.n_vain = 0

    def clear(self) -> None:
        """Begin to count anew: something was scored."""
        self.n_vain = 0

    async def pause(self) -> bool:
        """Count a trial and wait before it; False when there were too many of them."""
        self.n_vain += 1
        if self.n_vain > self._settings.n_restarts:
            return False
        backoff_s = self._settings.restart_backoff_s * 2 ** (self.n_vain - 1)
        await asyncio.sleep(min(backoff_s, self._settings.restart_backoff_max_s))
        return True
