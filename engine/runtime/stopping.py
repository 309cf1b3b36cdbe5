"""How an engine comes to rest: what was accepted is scored and committed, and everything is let go of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from engine.errors import EngineError
from engine.log import get_logger
from engine.runtime.crew import Crew
from engine.runtime.intake import Intake
from engine.runtime.link import Link
from engine.runtime.manifold import Manifold
from engine.runtime.outlet import Outlet

log = get_logger(__name__)


async def drain(manifold: Manifold, link: Link, limit_s: float, *, is_scoring: bool) -> None:
    """Take no more, score and commit what was taken, run ``end()`` and discard what it gives.

    Parameters
    ----------
    manifold : Manifold
        What is drained; without a jet there is nothing that could be done.
    link : Link
        What of the job is Kafka: no more is read, what waits is left to the group, which is then left.
    limit_s : float
        How long it may take.
    is_scoring : bool
        What waits is scored; otherwise only what was scored is committed.
    """
    crew = manifold.crew
    if crew is None or not crew.jets:
        return
    for intake in manifold.intakes.values():
        if intake.inbox is None:
            await intake.stop()
        else:
            intake.inbox.seal()  # a batch that waits for more is read as it is
    try:
        async with asyncio.timeout(limit_s):  # wait_for of Python 3.11 may swallow a cancellation
            await link.release()
            if is_scoring:
                await manifold.drained()
            await manifold.committed()
    except (TimeoutError, EngineError) as exc:
        log.error("drain.incomplete", reason=str(exc) or f"it took longer than {limit_s:g} s")
    else:
        await link.leave()
        await crew.retire(crew.jets)


async def shut(manifold: Manifold, link: Link, crews: Iterable[Crew], error: EngineError) -> None:
    """Let go of streams and jets at once; whoever waits for something gets the error."""
    manifold.abandon(error)
    await link.leave()
    await manifold.ledger.close()
    await asyncio.gather(
        *(_stop_intake(intake) for intake in manifold.sources),
        *(crew.abandon() for crew in crews),
        link.close(),  # before the outlets: what one does in a transaction ends with it, and else waits for a broker
    )
    await asyncio.gather(*(close_outlet(outlet) for outlet in manifold.all_outlets))


async def _stop_intake(intake: Intake) -> None:
    n_left = intake.inbox.n_accepted - intake.position if intake.inbox is not None else 0
    if n_left and intake.stream.descriptor.durable is False:
        log.error("input.lost", slot=intake.slot, n_records=n_left)
    elif n_left:
        log.info("input.left", slot=intake.slot, n_records=n_left)
    await intake.stop()


async def close_outlet(outlet: Outlet) -> None:
    """Close an output; what it could not deliver is said in the log."""
    try:
        await outlet.close()
    except EngineError as exc:
        log.error("output.lost", slot=outlet.slot, reason=str(exc))
