import pytest

from engine.errors import InvalidTransition
from engine.runtime import TRANSITIONS, EngineState, Event
from engine.runtime.states import next_state

INIT, RUNNING, PAUSED, FINISHING, FINISHED, ERROR = EngineState
ALLOWED = {
    INIT: "LOAD UNLOAD ATTACH DETACH SCALE PAUSE UNPAUSE INPUT RESET START START_PAUSED FAIL FOUND_FINISHED",
    RUNNING: "LOAD ATTACH SCALE PAUSE UNPAUSE SCORE INPUT RESET INPUTS_ENDED FAIL",
    PAUSED: "LOAD ATTACH SCALE PAUSE UNPAUSE INPUT RESET FAIL",
    FINISHING: "RESET DRAINED FAIL",
    FINISHED: "RESET",
    ERROR: "RESET",
}
MOVES = {
    (INIT, Event.START): RUNNING,
    (INIT, Event.START_PAUSED): PAUSED,
    (INIT, Event.FOUND_FINISHED): FINISHING,
    (RUNNING, Event.PAUSE): PAUSED,
    (PAUSED, Event.UNPAUSE): RUNNING,
    (RUNNING, Event.INPUTS_ENDED): FINISHING,
    (FINISHING, Event.DRAINED): FINISHED,
    **{(state, Event.FAIL): ERROR for state in (INIT, RUNNING, PAUSED, FINISHING)},
    **{(state, Event.RESET): INIT for state in EngineState},
}


@pytest.mark.parametrize("state", EngineState)
@pytest.mark.parametrize("event", Event)
def test_a_state_allows_just_these_events_and_they_lead_there(state, event):
    if event.name in ALLOWED[state].split():
        assert next_state(state, event) is MOVES.get((state, event), state)
    else:
        with pytest.raises(InvalidTransition):
            next_state(state, event)


def test_every_state_is_in_the_table_and_can_be_reset():
    assert set(TRANSITIONS) == set(EngineState)
    assert all(events[Event.RESET] is INIT for events in TRANSITIONS.values())


def test_a_refused_verb_says_where_it_is_allowed_and_what_to_do():
    with pytest.raises(
        InvalidTransition, match=r"Cannot detach a stream while RUNNING: allowed only in INIT\. Attach another"
    ):
        next_state(RUNNING, Event.DETACH)
    with pytest.raises(InvalidTransition, match="Reset the engine first"):
        next_state(FINISHED, Event.PAUSE)
