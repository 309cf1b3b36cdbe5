"""Who is told what a fetcher fetches, and what its group gives and takes away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from engine.errors import EngineError
from engine.kafka.places import Place
from engine.record import Batch


class FetchListener(Protocol):
    """Who is told what is fetched. Calls come from the fetching thread; what they wait for, the group waits for."""

    def on_assigned(self, places: Mapping[int, Mapping[int, Place]], telling: int) -> None:
        """Take tasks over: by task, and by slot, where it begins. Nothing of them is read before `Fetcher.go`.

        A task may be told of again, without having been taken away: then what was told before does not hold any more.
        `telling` is the number of this one.
        """

    def on_revoked(self, tasks: frozenset[int], budget_s: float) -> None:
        """Let go of tasks; when this returns, nothing of them is committed any more."""

    def on_lost(self, tasks: frozenset[int]) -> None:
        """Let go of tasks that are another's already; when this returns, nothing of them is committed any more."""

    def on_membership(self, membership: Any) -> None:
        """Take what proves from now on that the tasks are the engine's."""

    def on_fetched(self, batches: Sequence[tuple[int, int, Batch]]) -> None:
        """Take what a read gave: slot, task and batch; `Fetcher.more` says that one of them waits no more."""

    def on_silent(self) -> None:
        """No record has come for as long as the streams are to wait for one."""

    def on_fetch_trouble(self, reason: str) -> None:
        """Note what keeps the brokers from answering; empty when nothing does any more."""

    def on_fetch_broken(self, error: EngineError) -> None:
        """Stop: topics cannot be read."""
