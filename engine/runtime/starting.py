"""How a model begins: anew, in the place of another one, or with the state that was committed."""

from __future__ import annotations

from collections.abc import Iterator

from engine.registry import Model
from engine.runtime.berths import Berths
from engine.runtime.crew import Crew
from engine.runtime.job import check_state
from engine.runtime.manifold import Manifold
from engine.runtime.remembering import JobRecord
from engine.state.commits import SCRIPT, CommitLog, Entry


def check_saved(store: CommitLog, model: Model) -> None:
    """Refuse a model that cannot go on with the state of the one of the same name."""
    fence = store.fence
    if fence is not None and fence.model == model.script.name:
        check_state(fence, model, next(store.entries(), None))


def saved_for(manifold: Manifold, model: Model) -> Iterator[Entry] | None:
    """Return the committed state that a model goes on with; of another model, it is forgotten."""
    fence = manifold.store.fence
    if fence is None:
        return None
    if fence.model != model.script.name:
        manifold.ledger.committer.is_anew = True
        return None
    return manifold.store.entries()


async def take_over(manifold: Manifold, record: JobRecord, crew: Crew) -> None:
    """Put a crew in the place of the one before, with the state if it is the same model's."""
    await crew.make_ready(crew.jets, saved_for(manifold, crew.model))
    manifold.crew = crew
    await record.remember()  # first: after a kill in between, the fence says whose state it is
    if manifold.ledger.committer.is_anew:
        manifold.cells.clear()
    await manifold.pin(has_begun=False)


async def begin(manifold: Manifold, berths: Berths, record: JobRecord, crew: Crew) -> None:
    """Begin with a model whose slots all have their stream; raises `EngineError`."""
    for intake in manifold.intakes.values():
        if intake.source is None:
            await berths.open(intake, crew.model)
    frames = await crew.begin(crew.jets)
    fence = manifold.store.fence
    if fence is not None and fence.model == crew.model.script.name:
        scopes = (scope for scope in manifold.store.scopes() if scope != SCRIPT)
        manifold.cells.load(entry for scope in scopes for entry in manifold.store.entries(scope))
    else:
        fence = None
    if fence is None or not fence.has_begun:
        await take_over(manifold, record, crew)
        manifold.put_hook_outputs(frames)
    else:
        await crew.make_ready(crew.jets, saved_for(manifold, crew.model))
