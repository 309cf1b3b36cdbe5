"""The jets that run one model."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, TypeVar

from engine import metrics
from engine.channel import OutputFrame
from engine.errors import EngineError
from engine.log import get_logger
from engine.registry import Model
from engine.runtime.cores import available_cores
from engine.runtime.gathering import gather
from engine.runtime.info import Scaled
from engine.runtime.jet_events import JetOwner
from engine.runtime.jets import Jet
from engine.runtime.launcher import Launcher
from engine.runtime.threads import ThreadPlan, is_gpu, plan_threads
from engine.settings import Settings
from engine.state.commits import SCRIPT, Entry

log = get_logger(__name__)

T = TypeVar("T")


class Crew:
    """Some copies of a model, loaded, begun and ended together.

    Parameters
    ----------
    model : Model
        What they run.
    owner : JetOwner
        Who is told what comes of their work.
    settings : Settings
        Limits and folders.
    is_inline : bool
        Run the script in this process.
    """

    def __init__(self, model: Model, owner: JetOwner, settings: Settings, *, is_inline: bool = False) -> None:
        self.model, self.jets = model, list[Jet]()
        self._started: list[Jet] = []
        """All that are not ended, those that only start, or retire, too."""
        self._owner, self._settings = owner, settings
        self._cores = available_cores()
        self._launcher = Launcher(model, settings, self.plan, is_inline=is_inline)
        self.times_before = metrics.times()
        """What had been measured before it."""
        self.devices: set[str] = set()
        """Where predictors really run, once jets have told."""
        self._last_number = 0
        self._has_begun = False
        self._n_last = 0

    @property
    def is_over(self) -> bool:
        """None of its jets is left."""
        return not self._started

    def working(self, task: int) -> list[Jet]:
        """Return the jets that get records of a task: all of them when no record depends on another, else one."""
        if self.model.script.is_stateless or not self.jets:
            return self.jets
        return [self.jets[task % len(self.jets)]] if self._owner.is_tasked else self.jets[:1]

    def keeper_of(self, task: int) -> Jet | None:
        """Return the jet that holds the state of a task; None where there is none to hold."""
        return None if self.model.script.is_stateless else next(iter(self.working(task)), None)

    @property
    def keeper(self) -> Jet | None:
        """The jet that holds the state, or the first that holds some; None where there is none to hold."""
        return None if self.model.script.is_stateless or not self.jets else self.jets[0]

    @property
    def keepers(self) -> list[Jet]:
        """The jets that hold state: of tasks that have their own each holds some, and else one holds all."""
        if self.model.script.is_stateless:
            return []
        return list(self.jets) if self._owner.is_tasked else self.jets[:1]

    @property
    def is_bare(self) -> bool:
        """What one record gives depends on no other: there is neither state nor a cell."""
        return self.model.script.is_stateless and not self.model.script.uses_cells

    @property
    def unkept(self) -> list[str]:
        """A sentence for each part of the state that cannot be kept."""
        kept = self.keeper.kept.values() if self.keeper is not None else ()
        notes = [f"{note.message}." for note in self.model.script.unkept]
        return [*notes, *(refusal for _, refusal in kept if refusal is not None)]

    def plan(self) -> ThreadPlan:
        """Return how the cores are shared between the jets that are there now, or were last: those that start too."""
        n_jets = len(self._started) or self._n_last
        has_one_task = not self.model.script.is_stateless and not self._owner.is_tasked
        return plan_threads(self._settings, min(1, n_jets) if has_one_task else n_jets, self._cores)

    def plan_of(self, jet: Jet) -> ThreadPlan | None:
        """Return what a jet was started with; None of one that has no process."""
        return self._launcher.plans.get(jet.number)

    def policy(self, slot: int) -> str:
        """Return what becomes of a record of the slot on which the script raises: stop, reject or skip."""
        return self._launcher.policy(slot)

    def scaled(self, n_jets: int) -> Scaled:
        """Say what so many jets are good for."""
        note = ""
        if self.model.script.is_stateless:
            n_working = n_jets
        elif self._owner.is_tasked:
            tasks = self._owner.owned
            n_working = len({task % n_jets for task in tasks}) if n_jets else 0
            if n_working < n_jets:
                note = (
                    f"The state is kept by partition, and this engine has {len(tasks)} of them, so"
                    f" {n_jets - n_working} of {n_jets} jets idle."
                )
        else:
            n_working = min(1, n_jets)
            if n_working < n_jets:
                names = ", ".join(self.model.script.state) or "what the engine cannot keep"
                note = (
                    f"The model has state ({names}), so its records are one task, and {n_jets - n_working} of {n_jets}"
                    " jets idle. If no record depends on another, say so in the script: # engine.state: none"
                )
        return Scaled(n_jets, n_working, " ".join(filter(None, [*self._sharing(n_jets), note])))

    def _sharing(self, n_jets: int) -> Iterator[str]:
        """Say what so many jets share badly."""
        gpus = [device for device in sorted(self.devices or {self._settings.device}) if is_gpu(device)]
        if n_jets > 1 and gpus:
            yield (
                f"Each of {n_jets} jets has a copy of the weights of its own on {' and '.join(gpus)}. One jet fills"
                " a GPU best, since it predicts what is queued as one batch; more help where the script's own Python"
                " is what takes the time (engine model profile)."
            )
        n_threads = self.plan().n_threads
        others = {plan.n_threads for jet in self.jets if (plan := self.plan_of(jet)) and plan.n_threads != n_threads}
        if others and self.devices:
            yield (
                f"Threads of a predictor: {n_threads} in a jet that is started now. Jets that run keep the"
                f" {' or '.join(map(str, sorted(others)))} that they have until they are started again."
            )

    async def grow(self, n_jets: int) -> list[Jet]:
        """Start so many more jets and have them import the script.

        Raises
        ------
        AssetError, ModelError
            One of them cannot be set up; all of them are ended.
        """
        first = self._last_number + 1
        self._last_number += n_jets
        jets = [Jet(number, self._launcher, self._owner, self._settings) for number in range(first, first + n_jets)]
        self._started += jets
        self._n_last = len(self._started)
        if jets:
            log.info("threads.planned", plan=str(self.plan()))
        await self._together(jets, (jet.load() for jet in jets))
        return jets

    async def begin(self, jets: list[Jet]) -> list[OutputFrame]:
        """Call ``begin()`` in jets and return what it gave; raises as `grow`.

        Where jets have the state of tasks it is one job's, however many of them there are: the first one's counts.
        """
        # Those of which it was not known yet, when they were set up, whether tasks have a state of their own.
        stale = [jet for jet in jets if jet.is_tasked is not self._owner.is_tasked]
        await self._together(jets, (jet.reload() for jet in stale))
        frames = await self._together(jets, (jet.begin() for jet in jets))
        n_counting = int(not self._has_begun) if self._owner.is_tasked else len(jets)
        self._has_begun |= bool(jets)
        return [frame for given in frames[:n_counting] for frame in given]

    async def make_ready(self, jets: list[Jet], entries: Iterable[Entry] | None) -> None:
        """Have jets take work, the keeper of the state with what was committed; on an error all of them are ended.

        Raises
        ------
        StateError
            The state does not fit the script, or is damaged.
        ModelError
            The keeper's process ended.
        """
        if jets and not self.model.script.is_stateless:
            if self._owner.is_tasked:
                await self._together(jets, [self._restore_tasks(jets)])
            elif entries is not None:
                await self._together(jets, [jets[0].restore(entries)])
        for jet in jets:
            jet.make_ready()

    async def _restore_tasks(self, jets: list[Jet]) -> None:
        """Give jets that are the whole crew the tasks that it has now; those that come to others get theirs later."""
        for task in sorted(self._owner.owned) if not self.jets or jets == self.jets else ():
            await jets[task % len(jets)].restore(self._owner.store.entries(SCRIPT, task), task)

    async def ask_predictors(self) -> None:
        """Have jets tell what their predictors did."""
        await asyncio.gather(*(jet.ask_predictors() for jet in self.jets))

    async def end(self) -> list[OutputFrame]:
        """Call ``end()`` in every jet and return what it gave.

        Raises
        ------
        ModelError
            It raised, or its process ended.
        """
        return [frame for given in await gather(jet.end() for jet in self.jets) for frame in given]

    async def _together(self, jets: list[Jet], work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        try:
            return await gather(work)
        except BaseException:
            await self.stop(jets, is_kill=True)
            raise

    async def retire(self, jets: list[Jet]) -> None:
        """End jets whose streams go on: ``end()`` runs, for a while, and what it gives is discarded."""
        try:
            async with asyncio.timeout(self._settings.drain_timeout_s):
                await gather(jet.end() for jet in jets)
        except (EngineError, TimeoutError) as exc:
            log.warning("end.incomplete", model=self.model.script.name, reason=str(exc) or "it took too long")
        await self.stop(jets)

    async def stop(self, jets: list[Jet], *, is_kill: bool = False) -> None:
        """End jets: when they are through with what they have, or at once."""
        await asyncio.gather(*(jet.stop(is_kill=is_kill) for jet in jets))
        self._started = [jet for jet in self._started if jet not in jets]

    async def abandon(self) -> None:
        """End all of it at once, jets that only start and an environment that is being built included."""
        self._launcher.cancel()
        await self.stop(self._started, is_kill=True)
