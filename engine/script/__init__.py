"""Model scripts, read and not run: their annotations, hooks, slots and state."""

from engine.script.arity import callable_arity
from engine.script.description import Note, OnError, Script, Slot, StateName
from engine.script.inspection import inspect_script
from engine.script.keys import MESSAGE_KEY, check_keys
from engine.script.summary import ScriptSummary, SlotSummary, summarize

__all__ = [
    "MESSAGE_KEY",
    "Note",
    "OnError",
    "Script",
    "ScriptSummary",
    "Slot",
    "SlotSummary",
    "StateName",
    "callable_arity",
    "check_keys",
    "inspect_script",
    "summarize",
]
