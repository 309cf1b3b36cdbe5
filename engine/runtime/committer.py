"""Commits: outputs to their sinks, then fence, state and all else into the store at once, then everybody may know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from engine import metrics
from engine.errors import CommitAborted, DiskFull, EngineError, StoreFailed
from engine.log import get_logger
from engine.record import Labels
from engine.registry import Model
from engine.runtime.gathering import gather
from engine.runtime.intake import Intake
from engine.runtime.interval import Hook, Interval, Yield
from engine.runtime.lanes import Lane
from engine.runtime.outlet import Outlet
from engine.runtime.rejects import pack_reject
from engine.runtime.steps import Step
from engine.state.commits import SCRIPT, Commit, CommitLog, Entry, Fence, InputFence, OutputFence, TaskFence

log = get_logger(__name__)

_Given = tuple[list[bytes], Labels | None]

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
    lanes : sequence of Lane
        The partitions of inputs that the engine owns.
    tasks : collection of int, optional
        Whose state it is; None where tasks have none of their own.
    hooks : mapping of int to Hook
        By task, what ``begin()`` gave and is not committed.
    membership : object
        What proves that the engine owns its tasks.
    is_finished : bool
        It is the last one.
    """

    model: Model
    policies: Mapping[int, str]
    intakes: Sequence[Intake]
    outlets: Sequence[Outlet]
    lanes: Sequence[Lane] = ()
    tasks: Collection[int] | None = None
    hooks: Mapping[int, Hook] = field(default_factory=dict)
    membership: Any = None
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
        self.store = store
        self._readers, self._on_step, self._is_synced = readers, on_step, is_synced
        self._order = asyncio.Lock()  # a fence says what comes behind the one before
        self.is_anew = False
        """Whether the next commit forgets the state of before: it was another model's."""
        self.committed_s: float | None = None
        """When the last one was, on the monotonic clock."""
        self.trouble = ""
        """What keeps a commit from going on, while something does."""
        self.is_stopping = False
        """Whether a full disk is an error, and nothing to wait for."""
        self.is_storing = False
        """Whether a commit is with the store, so that nothing can be taken from it any more."""

    @property
    def fence(self) -> Fence | None:
        """The last committed one."""
        return self.store.fence

    async def pin(
        self, look: Callable[[], Target], on_aborted: Callable[[CommitAborted], None], *, has_begun: bool
    ) -> None:
        """Commit where everything stands, before anything is written that is not there yet.

        Parameters
        ----------
        look : callable
            Returns what is attached and owned, as of when it is called.
        on_aborted : callable
            Called with the reason before it is tried again: there is nothing in it that could be done again.
        has_begun : bool
            What ``begin()`` gave is written.

        Raises
        ------
        StoreFailed
            It cannot be kept.
        """
        while True:
            try:
                async with self._order:
                    await self._pin(look, has_begun=has_begun)
            except CommitAborted as exc:
                on_aborted(exc)
                await self._wait(exc)
            else:
                return

    async def _pin(self, look: Callable[[], Target], *, has_begun: bool) -> None:
        for outlet in look().outlets:
            outlet.fence = await outlet.flush(0)
        target = look()
        fence = replace(self._fence(Yield(), {}, target), has_begun=has_begun)
        commit = Commit(fence=fence, is_synced=self._is_synced(), is_anew=self.is_anew, membership=target.membership)
        try:
            await self._keep(commit)
        finally:
            self.is_storing = False
        self.is_anew = False

    async def commit(
        self,
        interval: Interval,
        entries: Sequence[Entry],
        look: Callable[[], Target],
        *,
        is_forced: bool = False,
    ) -> Yield:
        """Write an interval for good; return what it came to. A full disk is waited for.

        Parameters
        ----------
        interval : Interval
            What was scored.
        entries : sequence of Entry
            The state that has changed.
        look : callable
            Returns what the commit is about, as of when it is called.
        is_forced : bool
            Write it even if it says nothing new.

        Raises
        ------
        CommitAborted
            Nothing of it is kept, and sinks are where they were before.
        DeliveryFailed
            A sink does not take its outputs.
        StoreFailed
            They cannot be kept.
        """
        async with self._order:
            return await self._commit(interval, entries, look, is_forced=is_forced)

    async def _commit(
        self, interval: Interval, entries: Sequence[Entry], look: Callable[[], Target], *, is_forced: bool
    ) -> Yield:
        started_s = time.perf_counter()
        target = look()
        label_slots = {outlet.slot for outlet in target.outlets if outlet.wants_labels}
        found = interval.gather(target.policies, label_slots)
        by_outlet = _outputs_by_outlet(found, target.outlets)
        for outlet in by_outlet:
            await self._readers.room(outlet)
        try:
            fences = await self._deliver_all(by_outlet)
            self._on_step(Step.SYNCED.value)
            target = look()  # what was lost meanwhile must not be committed
            _check_owned(found, target)
            commit = Commit(
                fence=self._fence(found, fences, target),
                entries=[entry for entry in entries if _is_owned(entry, target)],
                outputs={one.number: values for one, (values, _) in by_outlet.items() if one.is_journaled and values},
                rejects=[reject for intake, reject, _ in found.rejects if intake.rejects is None],
                replayed=found.replayed,
                answers=found.answers,
                is_synced=self._is_synced(),
                is_anew=self.is_anew,
                membership=target.membership,
            )
            if is_forced or not _is_nothing(commit, found):
                await self._keep(commit)
        except CommitAborted:
            await gather(outlet.cut() for outlet in by_outlet)
            raise
        finally:
            self.is_storing = False
        self.is_anew = False
        for outlet, fence in fences.items():
            outlet.fence = fence
            if outlet.outbox is not None:
                outlet.outbox.publish(by_outlet[outlet][0])
        for intake, progress in found.inputs.items():
            intake.fence = progress.fence
        self.committed_s = time.monotonic()
        metrics.observe_commit(time.perf_counter() - started_s)
        self._on_step(Step.PUBLISHED.value)
        return found

    async def _deliver_all(self, by_outlet: Mapping[Outlet, _Given]) -> dict[Outlet, OutputFence]:
        works = [asyncio.ensure_future(self._deliver(outlet, *given)) for outlet, given in by_outlet.items()]
        try:
            return dict(zip(by_outlet, await asyncio.gather(*works), strict=True))
        except CommitAborted:
            await asyncio.wait(works)  # nobody may write behind a cut
            raise

    async def _deliver(self, outlet: Outlet, values: list[bytes], labels: Labels | None) -> OutputFence:
        while True:
            try:
                if values:
                    await outlet.write(values, labels)
                self._on_step(Step.WRITTEN.value)
                fence = await outlet.flush(len(values)) if values else outlet.fence
            except DiskFull as exc:  # the sink has cut back to what was safe: all of it can be tried again
                await self._wait(exc)
            else:
                return fence

    async def _keep(self, commit: Commit) -> None:
        self.is_storing = True
        while True:
            try:
                await asyncio.wrap_future(self.store.commit(commit))
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
        before = self.store.fence
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
            tasks=_task_fences(found, target),
        )


def _outputs_by_outlet(found: Yield, outlets: Sequence[Outlet]) -> dict[Outlet, _Given]:
    by_outlet: dict[Outlet, _Given] = {
        outlet: ([], Labels.of(()) if outlet.wants_labels else None) for outlet in outlets
    }
    slots = {outlet.slot: outlet for outlet in outlets}
    for slot, values in found.outputs.items():
        by_outlet[slots[slot]] = values, found.outgoing.get(slot)
    for intake, reject, carried in found.rejects:
        if intake.rejects is not None:
            values, labels = by_outlet[intake.rejects]
            values.append(pack_reject(reject))
            if labels is not None:
                labels.extend(Labels.of([carried]))
    return by_outlet


def _task_fences(found: Yield, target: Target) -> dict[int, TaskFence]:
    inputs: dict[int, dict[int, InputFence]] = {}
    for lane in target.lanes:
        progress = found.inputs.get(lane)
        inputs.setdefault(lane.task, {})[lane.slot] = progress.fence if progress is not None else lane.fence
    waiting = {task for task, hook in target.hooks.items() if hook not in found.hooks}
    return {task: TaskFence(fences, task not in waiting) for task, fences in inputs.items()}


def _check_owned(found: Yield, target: Target) -> None:
    """Raise CommitAborted if what was scored is of a partition that is the engine's no more."""
    lost = {intake.task for intake in found.inputs if isinstance(intake, Lane) and intake not in target.lanes}
    lost |= {hook.task for hook in found.hooks if hook.task is not None and hook not in target.hooks.values()}
    if lost:
        tasks = ", ".join(map(str, sorted(lost)))
        raise CommitAborted(f"partition {tasks} of the input is not this engine's any more")


def _is_owned(entry: Entry, target: Target) -> bool:
    return target.tasks is None or entry.scope != SCRIPT or entry.task in target.tasks


def _is_nothing(commit: Commit, found: Yield) -> bool:
    """Whether a crash would take away nothing that anybody could miss."""
    is_moved = any(progress.fence.position != intake.fence.position for intake, progress in found.inputs.items())
    is_more = commit.entries or commit.rejects or commit.answers or commit.replayed or found.outputs or found.rejects
    return not (is_moved or is_more or commit.is_anew or commit.fence.is_finished)
