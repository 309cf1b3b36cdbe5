"""Puts an engine together again as its store says that it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.errors import BrokerUnreachable
from engine.kafka.brokers import TIMEOUT_S
from engine.log import get_logger
from engine.registry import Library, Model
from engine.runtime.berths import Berths
from engine.runtime.info import Resumed
from engine.runtime.job import Job
from engine.runtime.link import Link
from engine.runtime.remembering import JobRecord
from engine.streams import Stream

if TYPE_CHECKING:
    from engine.runtime.engine import Engine

log = get_logger(__name__)


FIRST_S = 2.0
"""How long brokers may take for their first answer, before it is said that they are waited for; then twice as long."""

PAUSE_S = 0.5
"""How long is waited before brokers are asked again that did not answer."""


async def resume(
    engine: Engine,
    record: JobRecord,
    berths: Berths,
    link: Link,
    library: Library | None,
    on_wait: Callable[[BrokerUnreachable], None] | None = None,
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
        await _open(link, streams, job.model, job.id, on_wait)
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
    offsets = await link.offsets()
    positions = {
        one.slot: one.seq_no for one in (fence.inputs.values() if fence is not None else ()) if one.slot not in offsets
    }
    name = job.model.script.name if job.model is not None else None
    log.info("engine.resumed", model=name, commits=fence.number if fence is not None else 0)
    return Resumed(name, fence.number if fence is not None else 0, positions, engine.state.value, offsets)


async def _open(
    link: Link,
    streams: dict[int, Stream],
    model: Model,
    job_id: str,
    on_wait: Callable[[BrokerUnreachable], None] | None,
) -> None:
    """Open what a job needs of Kafka, and wait for brokers that do not answer if somebody is told that it does."""
    timeout_s, is_told = FIRST_S, False
    while True:
        try:
            await link.open(streams, model, job_id, None if on_wait is None else timeout_s)
        except BrokerUnreachable as exc:
            if on_wait is None:
                raise
            if not is_told:
                is_told = True
                log.warning("kafka.waits", servers=exc.servers, reason=exc.reason)
                on_wait(exc)
        except asyncio.CancelledError:
            link.give_up()
            raise
        else:
            return
        await asyncio.sleep(PAUSE_S)
        timeout_s = min(2 * timeout_s, TIMEOUT_S)
