"""Commits: outputs to their sinks, then fence, state and all else into the store at once, then everybody may know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from engine import metrics
from engine.errors import DiskFull, EngineError, StoreFailed
from engine.log import get_logger
from engine.registry import Model
from engine.runtime.intake import Intake
from engine.runtime.interval import Interval, Yield
from engine.runtime.outlet import Outlet
from engine.runtime.rejects import pack_reject
from engine.runtime.steps import Step
from engine.state.commits import Commit, CommitLog, Entry, Fence, InputFence, OutputFence

log = get_logger(__name__)

RETRY_S = 0.5
"""How often a full disk is looked at again: as soon as a person would notice."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a commit is about.

    Parameters
    ----------
    model : Model
        Whose state it is.
    policies : mapping of int to str
        For each input slot, what becomes of a record on which the script raises.
    intakes, outlets : sequence
        All that are attached; `outlets` with those that take rejects.
    is_finished : bool
        It is the last one.
    """

    model: Model
    policies: Mapping[int, str]
    intakes: Sequence[Intake]
    outlets: Sequence[Outlet]
    is_finished: bool = False


class Readers(Protocol):
    """Who is told when outputs find no room."""

    async def room(self, outlet: Outlet) -> None:
        """Wait until the outlet is not full."""


class Committer:
    """Writes intervals, one at a time and in order.

    Parameters
    ----------
    store : CommitLog
        Where they are kept.
    readers : Readers
        Makes room in full outlets.
    on_step : callable
        Called at each `Step` with its value.
    is_synced : callable
        Says whether a commit must survive a power loss.
    """

    def __init__(
        self, store: CommitLog, readers: Readers, on_step: Callable[[str], None], is_synced: Callable[[], bool]
    ) -> None:
        self._store, self._readers, self._on_step, self._is_synced = store, readers, on_step, is_synced
        self.is_anew = False
        """Whether the next commit forgets the state of before: it was another model's."""
        self.committed_s: float | None = None
        """When the last one was, on the monotonic clock."""
        self.trouble = ""
        """What keeps a commit from going on, while something does."""
        self.is_stopping = False
        """Whether a full disk is an error, and nothing to wait for."""

    @property
    def fence(self) -> Fence | None:
        """The last committed one."""
        return self._store.fence

    async def pin(self, target: Target, *, has_begun: bool) -> None:
        """Commit where everything stands, before anything is written that is not there yet.

        Parameters
        ----------
        target : Target
            What is attached.
        has_begun : bool
            What ``begin()`` gave is written.

        Raises
        ------
        StoreFailed
            It cannot be kept.
        """
        for outlet in target.outlets:
            outlet.fence = await outlet.flush(0)
        fence = replace(self._fence(Yield(), {}, target), has_begun=has_begun)
        await self._keep(Commit(fence=fence, is_synced=self._is_synced(), is_anew=self.is_anew))
        self.is_anew = False

    async def commit(self, interval: Interval, entries: Iterable[Entry], target: Target) -> Yield:
        """Write an interval for good; return what it came to. A full disk is waited for.

        Raises
        ------
        DeliveryFailed
            A sink does not take its outputs.
        StoreFailed
            They cannot be kept.
        """
        started_s = time.perf_counter()
        found = interval.gather(target.policies)
        by_outlet = _outputs_by_outlet(found, target.outlets)
        for outlet in by_outlet:
            await self._readers.room(outlet)
        fences = dict(
            zip(by_outlet, await asyncio.gather(*(self._deliver(*one) for one in by_outlet.items())), strict=True)
        )
        self._on_step(Step.SYNCED.value)
        commit = Commit(
            fence=self._fence(found, fences, target),
            entries=list(entries),
            outputs={outlet.number: values for outlet, values in by_outlet.items() if outlet.is_journaled and values},
            rejects=[reject for intake, reject in found.rejects if intake.rejects is None],
            replayed=found.replayed,
            answers=found.answers,
            is_synced=self._is_synced(),
            is_anew=self.is_anew,
        )
        if not _is_nothing(commit, found):
            await self._keep(commit)
        self.is_anew = False
        for outlet, fence in fences.items():
            outlet.fence = fence
            if outlet.outbox is not None:
                outlet.outbox.publish(by_outlet[outlet])
        for intake, progress in found.inputs.items():
            intake.fence = progress.fence
        self.committed_s = time.monotonic()
        metrics.observe_commit(time.perf_counter() - started_s)
        self._on_step(Step.PUBLISHED.value)
        return found

    async def _deliver(self, outlet: Outlet, values: list[bytes]) -> OutputFence:
        while True:
            try:
                if values:
                    await outlet.write(values)
                self._on_step(Step.WRITTEN.value)
                fence = await outlet.flush(len(values)) if values else outlet.fence
            except DiskFull as exc:  # the sink has cut back to what was safe: all of it can be tried again
                await self._wait(exc)
            else:
                return fence

    async def _keep(self, commit: Commit) -> None:
        while True:
            try:
                await asyncio.wrap_future(self._store.commit(commit))
            except StoreFailed as exc:
                if not exc.is_full:
                    raise
                await self._wait(exc)
            else:
                self.trouble = ""
                return

    async def _wait(self, exc: EngineError) -> None:
        if self.is_stopping:
            raise exc
        if self.trouble != str(exc):
            self.trouble = str(exc)
            log.error("commit.waits", reason=str(exc))
        await asyncio.sleep(RETRY_S)

    def _fence(self, found: Yield, fences: Mapping[Outlet, OutputFence], target: Target) -> Fence:
        before = self._store.fence
        inputs: dict[int, InputFence] = {}
        for intake in target.intakes:
            progress = found.inputs.get(intake)
            inputs[intake.number] = progress.fence if progress is not None else intake.fence
        outputs = {outlet.number: fences.get(outlet, outlet.fence) for outlet in target.outlets}
        script = target.model.script
        return Fence(
            number=before.number + 1 if before is not None else 1,
            model=script.name,
            digest=target.model.digest,
            keys=dict(script.keys),
            inputs=inputs,
            outputs=outputs,
            is_finished=target.is_finished,
        )


def _outputs_by_outlet(found: Yield, outlets: Sequence[Outlet]) -> dict[Outlet, list[bytes]]:
    by_outlet: dict[Outlet, list[bytes]] = {outlet: [] for outlet in outlets}
    slots = {outlet.slot: outlet for outlet in outlets}
    for slot, values in found.outputs.items():
        by_outlet[slots[slot]] = values
    for intake, reject in found.rejects:
        if intake.rejects is not None:
            by_outlet[intake.rejects].append(pack_reject(reject))
    return by_outlet


def _is_nothing(commit: Commit, found: Yield) -> bool:
    """Whether a crash would take away nothing that anybody could miss."""
    is_moved = any(progress.fence.position != intake.fence.position for intake, progress in found.inputs.items())
    is_more = commit.entries or commit.rejects or commit.answers or commit.replayed or found.outputs or found.rejects
    return not (is_moved or is_more or commit.is_anew or commit.fence.is_finished)
