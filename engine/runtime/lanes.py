"""One partition of an input stream, on its way through the manifold: a task's side of an intake."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.state.commits import InputFence
from engine.streams import Stream

if TYPE_CHECKING:
    from engine.runtime.outlet import Outlet


class Lane:
    """Takes the place of an `Intake` for the records of one partition.

    Parameters
    ----------
    number : int
        Of the attachment.
    task : int
        The partition's number.
    fence : InputFence
        Where it begins; a position is the offset of the next record.
    stream : Stream
        What was attached.
    rejects : Outlet, optional
        Where its rejects go; None for the store's own log.
    on_more : callable
        Called with the lane once for every batch of it that waits no more, whatever became of it.
    """

    inbox = None
    """None: nobody sends requests to a partition."""

    is_over = False
    """Whether nothing more will be read: a partition has no end."""

    def __init__(
        self,
        number: int,
        task: int,
        fence: InputFence,
        stream: Stream,
        rejects: Outlet | None,
        on_more: Callable[[Lane], None],
    ) -> None:
        self.number, self.task, self.fence, self.stream, self.rejects = number, task, fence, stream, rejects
        self.last_seq = fence.seq_no
        """Sequence number of the last record that came in."""
        self.last_position = fence.position
        """The offset behind what came in."""
        self._on_more = on_more

    @property
    def slot(self) -> int:
        """The input slot."""
        return self.fence.slot

    @property
    def position(self) -> int:
        """The offset behind what is committed."""
        return self.fence.position

    @property
    def n_rejected(self) -> int:
        """How many of its records were rejected."""
        return self.fence.n_rejected

    @property
    def n_records(self) -> int:
        """How many records came in."""
        return self.last_seq

    def more(self) -> None:
        """Allow one more batch."""
        self._on_more(self)
