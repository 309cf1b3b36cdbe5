"""What is told of a script to whoever verifies it, on the command line or over HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from engine.script.description import Note, OnError, Script, StateName


@dataclass(frozen=True, slots=True)
class SlotSummary:
    """One slot of a script."""

    slot: int
    name: str | None
    schema: str | None
    action: str | None
    arity: int | None
    on_error: OnError | None
    key: str | None = None
    key_ttl_s: float | None = None


@dataclass(frozen=True, slots=True)
class ScriptSummary:
    """What is known of a script; `state` names what the engine takes as its state, `unkept` what it cannot keep."""

    name: str
    digest: str
    sloc: int
    begin: str | None
    end: str | None
    timeout_s: float | None
    slots: list[SlotSummary]
    state: list[StateName]
    is_stateless: bool
    uses_cells: bool
    unkept: list[Note]
    notes: list[Note]


def summarize(script: Script) -> ScriptSummary:
    """Return what there is to tell of a script."""
    return ScriptSummary(
        name=script.name,
        digest=script.digest,
        sloc=script.sloc,
        begin=script.begin,
        end=script.end,
        timeout_s=script.timeout_s,
        slots=[
            SlotSummary(
                number,
                slot.name,
                slot.schema,
                slot.action,
                slot.arity,
                script.on_error.get(number),
                script.keys.get(number),
                script.key_ttl_s.get(number),
            )
            for number, slot in sorted(script.slots.items())
        ],
        state=list(script.state_names),
        is_stateless=script.is_stateless,
        uses_cells=script.uses_cells,
        unkept=list(script.unkept),
        notes=list(script.notes),
    )
