"""The engine's state machine, as data: every legal step in one table."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from engine.errors import InvalidTransition


class EngineState(enum.Enum):
    """What an engine is doing."""

    INIT = "INIT"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    FINISHING = "FINISHING"
    FINISHED = "FINISHED"
    ERROR = "ERROR"


class Event(enum.Enum):
    """What may happen to an engine: verbs that somebody asks for, and what it comes to by itself."""

    LOAD = "load a model"
    UNLOAD = "unload the model"
    ATTACH = "attach a stream"
    DETACH = "detach a stream"
    SCALE = "scale"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    SCORE = "score"
    INPUT = "take input"
    RESET = "reset"
    START = "start"
    START_PAUSED = "start paused"
    INPUTS_ENDED = "finish"
    DRAINED = "be finished"
    FAIL = "fail"
    FOUND_FINISHED = "be found finished"


_INIT, _RUNNING, _PAUSED = EngineState.INIT, EngineState.RUNNING, EngineState.PAUSED
_FINISHING, _FINISHED, _ERROR = EngineState.FINISHING, EngineState.FINISHED, EngineState.ERROR

TRANSITIONS: Mapping[EngineState, Mapping[Event, EngineState]] = {
    _INIT: {
        Event.LOAD: _INIT,
        Event.UNLOAD: _INIT,
        Event.ATTACH: _INIT,
        Event.DETACH: _INIT,
        Event.SCALE: _INIT,
        Event.PAUSE: _INIT,  # remembered: the start goes to PAUSED
        Event.UNPAUSE: _INIT,
        Event.INPUT: _INIT,  # a stream that is attached takes records at once
        Event.RESET: _INIT,
        Event.START: _RUNNING,
        Event.START_PAUSED: _PAUSED,
        Event.FOUND_FINISHED: _FINISHING,
        Event.FAIL: _ERROR,
    },
    _RUNNING: {
        Event.LOAD: _RUNNING,
        Event.ATTACH: _RUNNING,
        Event.SCALE: _RUNNING,
        Event.PAUSE: _PAUSED,
        Event.UNPAUSE: _RUNNING,
        Event.SCORE: _RUNNING,
        Event.INPUT: _RUNNING,
        Event.RESET: _INIT,
        Event.INPUTS_ENDED: _FINISHING,
        Event.FAIL: _ERROR,
    },
    _PAUSED: {
        Event.LOAD: _PAUSED,
        Event.ATTACH: _PAUSED,
        Event.SCALE: _PAUSED,
        Event.PAUSE: _PAUSED,
        Event.UNPAUSE: _RUNNING,
        Event.INPUT: _PAUSED,
        Event.RESET: _INIT,
        Event.FAIL: _ERROR,
    },
    _FINISHING: {Event.RESET: _INIT, Event.DRAINED: _FINISHED, Event.FAIL: _ERROR},
    _FINISHED: {Event.RESET: _INIT},
    _ERROR: {Event.RESET: _INIT},
}
"""For each state, what may happen in it and where that leads."""

_INSTEAD = {
    Event.DETACH: "Attach another stream in its place, or reset the engine.",
    Event.UNLOAD: "Load another model in its place, or reset the engine.",
}


def next_state(state: EngineState, event: Event) -> EngineState:
    """Return the state that an event leads to.

    Raises
    ------
    InvalidTransition
        The state does not allow it; the error names the states that do.
    """
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        allowed = [other.value for other, events in TRANSITIONS.items() if event in events]
        is_over = state in (_FINISHED, _ERROR)
        fix = "Reset the engine first." if is_over else _INSTEAD.get(event, "")
        raise InvalidTransition(state.value, event.value, allowed, fix) from None
