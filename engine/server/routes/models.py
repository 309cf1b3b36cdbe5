"""``/models``: scripts, and what is known of them without running them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.registry import Collection, assemble
from engine.script import Note, Script, StateName
from engine.server.documented import problems
from engine.server.routes.assets import asset_router
from engine.server.service import ServiceOf

_SCRIPT = """# engine.schema.0: double
# engine.schema.1: double

def action(price):
    return price * 2
"""


@dataclass(frozen=True, slots=True)
class SlotReply:
    """One slot of a script."""

    slot: int
    name: str | None
    schema: str | None
    action: str | None
    arity: int | None
    on_error: str | None


@dataclass(frozen=True, slots=True)
class ScriptReply:
    """What is known of a script; `state` names what the engine takes as its state, `unkept` what it cannot keep."""

    name: str
    digest: str
    sloc: int
    begin: str | None
    end: str | None
    timeout_s: float | None
    slots: list[SlotReply]
    state: list[StateName]
    is_stateless: bool
    unkept: list[Note]
    notes: list[Note]

    @classmethod
    def of(cls, script: Script) -> ScriptReply:
        """Return the reply for a script."""
        slots = [
            SlotReply(slot.number, slot.name, slot.schema, slot.action, slot.arity, script.on_error.get(slot.number))
            for slot in sorted(script.slots.values(), key=lambda slot: slot.number)
        ]
        return cls(
            name=script.name,
            digest=script.digest,
            sloc=script.sloc,
            begin=script.begin,
            end=script.end,
            timeout_s=script.timeout_s,
            slots=slots,
            state=list(script.state_names),
            is_stateless=script.is_stateless,
            unkept=list(script.unkept),
            notes=list(script.notes),
        )


def _models(service: ServiceOf) -> Collection:
    return service.library.models


router = asset_router("/models", "models", _models, "text/x-python", _SCRIPT)


@router.post("/{name}/verify", summary="Check a model without running it", responses=problems(400, 404, 501))
def verify(service: ServiceOf, name: str) -> ScriptReply:
    """Read the script's annotations and hooks, and look up the schemas that it names."""
    return ScriptReply.of(assemble(service.library, name).script)
