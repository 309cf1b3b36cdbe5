"""How a model begins: anew, in the place of another one, or with the state that was committed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import chain

from engine.kafka.log import KafkaLog
from engine.registry import Model
from engine.runtime.berths import Berths
from engine.runtime.crew import Crew
from engine.runtime.dock import streams_of
from engine.runtime.job import check_state
from engine.runtime.link import Link
from engine.runtime.manifold import Manifold
from engine.runtime.remembering import JobRecord
from engine.state.commits import SCRIPT, CommitLog, Entry


async def check_saved(manifold: Manifold, model: Model) -> None:
    """Refuse a model that cannot go on with the state of the one of the same name; tasks are looked at one by one."""
    fence = manifold.store.fence
    if fence is not None and fence.model == model.script.name and not manifold.is_tasked:
        check_state(fence, model, next(iter(await _entries(manifold.store, SCRIPT)), None))


async def saved_for(manifold: Manifold, model: Model) -> Iterable[Entry] | None:
    """Return the committed state that a model goes on with; of another model, it is forgotten."""
    fence = manifold.store.fence
    if fence is None:
        return None
    if fence.model != model.script.name:
        manifold.ledger.committer.is_anew = True
        return None
    return () if manifold.is_tasked else await _entries(manifold.store, SCRIPT)


async def _entries(store: CommitLog, *scopes: str) -> Iterable[Entry]:
    entries = chain.from_iterable(map(store.entries, scopes))
    if isinstance(store, KafkaLog):  # it reads a topic, which nobody on the loop may wait for
        return await asyncio.to_thread(list, entries)
    return entries


async def take_over(manifold: Manifold, record: JobRecord, crew: Crew) -> None:
    """Put a crew in the place of the one before, with the state if it is the same model's."""
    given = dict(manifold.tasks.marks)
    await crew.make_ready(crew.jets, await saved_for(manifold, crew.model))
    manifold.crew = crew
    await manifold.share(given)  # tasks that came meanwhile are with the jets of before
    await record.remember()  # first: after a kill in between, the fence says whose state it is
    if manifold.ledger.committer.is_anew:
        manifold.cells.clear()
    await manifold.pin(has_begun=False)


async def begin(manifold: Manifold, berths: Berths, record: JobRecord, link: Link, crew: Crew) -> None:
    """Begin with a model whose slots all have their stream; raises `EngineError`."""
    await link.open(streams_of(manifold), crew.model, berths.job_id)
    for intake in manifold.intakes.values():
        if intake.source is None and intake.stream.kafka is None:
            await berths.open(intake, crew.model)
    frames = await crew.begin(crew.jets)
    fence = manifold.store.fence
    if fence is not None and fence.model == crew.model.script.name:
        manifold.cells.load(await _entries(manifold.store, *(one for one in manifold.store.scopes() if one != SCRIPT)))
    else:
        fence = None
    if manifold.is_tasked:
        # The state comes with the tasks that the group gives; whoever gets the first one writes what begin() gave.
        await crew.make_ready(crew.jets, None)
        await record.remember()
        link.join(frames)
    elif fence is None or not fence.has_begun:
        await take_over(manifold, record, crew)
        manifold.put_hook_outputs(frames)
    else:
        await crew.make_ready(crew.jets, await saved_for(manifold, crew.model))
