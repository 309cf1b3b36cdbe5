"""Puts an engine together again as its store says that it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.log import get_logger
from engine.registry import Library
from engine.runtime.berths import Berths
from engine.runtime.info import Resumed
from engine.runtime.job import Job
from engine.runtime.link import Link
from engine.runtime.remembering import JobRecord

if TYPE_CHECKING:
    from engine.runtime.engine import Engine

log = get_logger(__name__)


async def resume(
    engine: Engine, record: JobRecord, berths: Berths, link: Link, library: Library | None
) -> Resumed | None:
    """Load and attach again what the store's job had; see `Engine.resume`."""
    store = engine.store
    if store.job is None:
        return None
    job, fence = Job.load(store.job, library), store.fence
    if job.model is None and not job.attached:
        return None
    record.n_jets, record.starts_paused = job.n_jets, job.is_paused
    berths.recall(store.job)
    if job.model is not None:
        # First: where the streams go on is what was committed there.
        streams = {one.slot: one.stream for one in job.attached if not one.is_fading}
        await link.open(streams, job.model, job.id)
        fence = engine.store.fence
    for one in sorted(job.attached, key=lambda one: one.slot % 2 == 0):
        if not one.is_fading:
            await engine.attach(one.slot, one.stream)
        elif engine.store.inputs(one.number).values:
            intake = await berths.fading(one, job.model)
            if intake.inbox is not None:
                intake.inbox.seal()
            engine.manifold.add_fading(intake)
    if job.model is not None:
        await engine.load(job.model)
    positions = {one.slot: one.seq_no for one in (fence.inputs.values() if fence is not None else ())}
    name = job.model.script.name if job.model is not None else None
    log.info("engine.resumed", model=name, commits=fence.number if fence is not None else 0)
    return Resumed(name, fence.number if fence is not None else 0, positions, engine.state.value)
