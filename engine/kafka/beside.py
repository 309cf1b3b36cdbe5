"""What a job that touches Kafka keeps in the local store all the same."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from engine.state.commits import Answer, Kept, Reject

if TYPE_CHECKING:
    from engine.state.sqlite import SqliteStore


class Beside:
    """The part of a `CommitLog` that is the local store's.

    Parameters
    ----------
    local : SqliteStore
        The job's own store.
    """

    def __init__(self, local: SqliteStore) -> None:
        self._local = local

    @property
    def job(self) -> Any:
        """As `SqliteStore.job`."""
        return self._local.job

    def set_job(self, job: Any) -> Future[None]:
        """As `SqliteStore.set_job`."""
        return self._local.set_job(job)

    def append(
        self,
        attachment: int,
        values: Sequence[bytes],
        *,
        pending: bytes = b"",
        answers: Sequence[Answer] = (),
        is_synced: bool = True,
    ) -> Future[int]:
        """As `SqliteStore.append`."""
        return self._local.append(attachment, values, pending=pending, answers=answers, is_synced=is_synced)

    def inputs(self, attachment: int) -> Kept:
        """As `SqliteStore.inputs`."""
        return self._local.inputs(attachment)

    def outputs(self, attachment: int) -> Kept:
        """As `SqliteStore.outputs`."""
        return self._local.outputs(attachment)

    def acknowledge(self, attachment: int, through: int) -> None:
        """As `SqliteStore.acknowledge`."""
        self._local.acknowledge(attachment, through)

    def answer_of(self, key: str) -> Answer | None:
        """As `SqliteStore.answer_of`."""
        return self._local.answer_of(key)

    def rejects(self, after: int = 0, limit: int | None = None) -> list[Reject]:
        """As `SqliteStore.rejects`."""
        return self._local.rejects(after, limit)

    def drop_rejects(self, numbers: Sequence[int] | None = None) -> Future[None]:
        """As `SqliteStore.drop_rejects`."""
        return self._local.drop_rejects(numbers)
