"""What `Engine.inspect` returns, gathered."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from engine import metrics
from engine.registry import Model
from engine.runtime.crew import Crew
from engine.runtime.fitting import missing_slots
from engine.runtime.info import (
    EngineInfo,
    FenceInfo,
    GroupInfo,
    JetInfo,
    ModelInfo,
    PlanInfo,
    ProfileInfo,
    SlotInfo,
    StateInfo,
    TimeInfo,
)
from engine.runtime.intake import Intake
from engine.runtime.jets import Jet
from engine.runtime.threads import ThreadPlan
from engine.script import StateName

if TYPE_CHECKING:
    from engine.runtime.engine import Engine
    from engine.runtime.group import Group
    from engine.runtime.link import Link
    from engine.runtime.outlet import Outlet

_PAGE_BYTES = os.sysconf("SC_PAGESIZE")


def inspect_engine(engine: Engine) -> EngineInfo:
    """Return what there is to say about an engine now."""
    crew, manifold = engine.manifold.crew, engine.manifold
    model = crew.model if crew is not None else None
    ends: dict[int, Intake | Outlet] = {**manifold.intakes, **manifold.outlets}
    used = set(model.script.slots) if model is not None else set()
    return EngineInfo(
        state=engine.state.value,
        error=str(engine.error) if engine.error is not None else None,
        waits_for=_waits_for(engine, model),
        model=_model_info(crew, engine.n_jets) if crew is not None else None,
        slots=[_slot_info(slot, model, ends.get(slot), engine.link.group) for slot in sorted(used | set(ends))],
        jets=[_jet_info(crew, jet, engine.silence_s(jet)) for jet in crew.jets] if crew is not None else [],
        rejects=list(engine.rejects.latest),
        promise=engine.promise(),
        fence=_fence_info(engine),
        n_keys=manifold.ledger.figures.n_keys if model is not None and model.script.keys else None,
        state_bytes=manifold.ledger.figures.size_bytes,
        group=_group_info(engine.link),
        plan=_plan_info(crew.plan()) if crew is not None else None,
        predictors=manifold.predictions.infos(model) if model is not None else [],
    )


def profile_engine(engine: Engine) -> ProfileInfo | None:
    """Return where the time of the loaded model went; None without one."""
    crew, line = engine.manifold.crew, engine.manifold.line
    if crew is None:
        return None
    times = {name: now - crew.times_before[name] for name, now in metrics.times().items()}
    sums = {name: TimeInfo(found.count, found.total_s) for name, found in times.items()}
    return ProfileInfo(
        crew.model.script.name,
        _plan_info(crew.plan()),
        engine.manifold.predictions.infos(crew.model),
        sums["queue"],
        sums["action"],
        sums["commit"],
        sums["score"],
        sum(len(work.values) for work in line.waiting),
        sum(len(work.values) for work in line.sent_works),
    )


def _plan_info(plan: ThreadPlan) -> PlanInfo:
    return PlanInfo(plan.n_cores, plan.source, plan.n_jets, plan.n_threads, plan.device, str(plan))


def _group_info(link: Link) -> GroupInfo | None:
    group, topics = link.group, link.topics
    if group is None or topics is None or group.is_over:
        return None
    return GroupInfo(
        topics.group,
        link.instance,
        topics.changelog if topics.has_changelog else None,
        group.partitions(),
        group.restoring(),
        group.fetcher.n_rebalances,
        group.trouble,
        group.notes,
    )


def _fence_info(engine: Engine) -> FenceInfo | None:
    fence, manifold, committer = engine.store.fence, engine.manifold, engine.manifold.ledger.committer
    if fence is None:
        return None
    age_s = None if committer.committed_s is None else time.monotonic() - committer.committed_s
    outlets = (f"Slot {one.slot}: {one.trouble}" for one in manifold.all_outlets if one.trouble)
    troubles = [committer.trouble, *outlets, *manifold.schemas.waits_for]
    return FenceInfo(fence.number, age_s, " ".join(filter(None, troubles)))


def _waits_for(engine: Engine, model: Model | None) -> list[str]:
    if engine.state.value != "INIT":
        return []
    if model is None:
        return ["a model"]
    return [f"a stream on slot {slot}" for slot in missing_slots(model, engine.streams)]


def _model_info(crew: Crew, n_jets: int) -> ModelInfo:
    script = crew.model.script
    scaled = crew.scaled(n_jets)
    kept = crew.jets[0].kept if crew.jets else {}
    state = [_state_info(entry, *kept.get(entry.name, (None, None))) for entry in script.state_names]
    unkept = [entry.refusal for entry in state if entry.refusal is not None]
    notes = [*map(str, script.notes), *map(str, script.unkept), *unkept, *([scaled.note] if scaled.note else [])]
    return ModelInfo(
        script.name, crew.model.digest, script.sloc, script.is_stateless, state, notes, n_jets, scaled.n_working
    )


def _state_info(entry: StateName, size_bytes: int | None, refusal: str | None) -> StateInfo:
    if refusal is not None:
        refusal += f" Make it in begin(), and if action() does not change it, say: # engine.shared: {entry.name}"
    return StateInfo(entry.name, entry.line, entry.reason, size_bytes, refusal)


def _slot_info(number: int, model: Model | None, end: Intake | Outlet | None, group: Group | None) -> SlotInfo:
    slot = model.script.slots.get(number) if model is not None else None
    stream = end.stream if end is not None else None
    intake = end if isinstance(end, Intake) else None
    counts = end.n_records if end is not None else 0, end.n_rejected if end is not None else 0
    if group is not None and stream is not None and stream.kafka is not None and intake is not None:
        counts = group.counts(number)
    return SlotInfo(
        slot=number,
        name=slot.name if slot is not None else None,
        schema=slot.schema if slot is not None else None,
        action=slot.action if slot is not None else None,
        stream=stream.name if stream is not None else None,
        transport=stream.transport if stream is not None else None,
        encoding=stream.encoding if stream is not None else None,
        is_eof=end.is_eof if end is not None else False,
        n_records=counts[0],
        n_rejected=counts[1],
        position=intake.position if intake is not None and intake.stream.kafka is None else None,
    )


def _jet_info(crew: Crew, jet: Jet, silent_s: float) -> JetInfo:
    plan = crew.plan_of(jet)
    return JetInfo(
        jet.number,
        jet.pid,
        jet.status.value,
        jet.n_records,
        jet.n_restarts,
        _rss_bytes(jet.pid),
        plan.n_threads if plan is not None else None,
        silent_s,
    )


def _rss_bytes(pid: int | None) -> int | None:
    """Return a process's resident memory: the second number of `/proc/PID/statm`, in pages (proc(5))."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return None
