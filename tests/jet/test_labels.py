"""What stands beside the values of records: keys and times that a script reads, and those that it gives outputs."""

import pytest

from engine.channel import Kind, pack_message
from engine.errors import KeyMissing
from engine.jet.answer import FLUSH_BYTES
from engine.state import unpack
from tests.jet.test_memory import Keeper
from tests.jet.test_worker import Conversation

BY_KEY = "# engine.key: $key\nn = 0\ndef action(x):\n    global n\n    n += x\n    return n\n"


def scores(got):
    return [value for _, value in got]


def keys_of(changed):
    return [unpack(key) for key, _ in changed]


def test_state_is_kept_by_the_key_of_the_message(tmp_path):
    talk = Keeper(tmp_path, BY_KEY)
    assert scores(talk.score(1, 2, 3, 4, keys=[b"A", b"B", b"A", b""])) == [1, 2, 4, 4]
    assert keys_of(talk.commit()) == ["A", "B", ""]


def test_a_key_is_text_where_it_can_be_and_else_bytes(tmp_path):
    talk = Keeper(tmp_path, BY_KEY)
    talk.score(1, 1, keys=["naïve".encode(), b"\xff\x00"])
    assert keys_of(talk.commit()) == ["naïve", b"\xff\x00"]


@pytest.mark.parametrize("keys", [[b"A", None, b"A"], None])
def test_a_record_without_a_key_is_rejected_and_says_so(tmp_path, keys):
    talk = Keeper(tmp_path, BY_KEY)
    assert scores(talk.score(1, 1, 1, keys=keys)) == ([1, 2] if keys else [])
    assert {(failure.stage, type(failure.error)) for failure in talk.failures} == {("input", KeyMissing)}
    assert str(talk.failures[0].error) == (
        "The record has no message key, and the script keeps its state by it (engine.key: $key)."
    )


def test_a_record_that_cannot_be_decoded_is_rejected_for_that(tmp_path):
    talk = Keeper(tmp_path, BY_KEY)
    talk.score(b"{", keys=[None])
    assert "Not a valid json record" in str(talk.failures[0].error)


def test_one_slot_may_go_by_the_message_and_another_by_a_field(tmp_path):
    source = BY_KEY.replace("key: $key", "key.0: $key\n# engine.key.2: k\n# engine.action.2: other")
    source += "def other(r):\n    return n\n"
    talk = Keeper(tmp_path, source, slots=(0, 1, 2))
    talk.score(5, keys=[b"A"])
    assert talk.score({"k": "A"}, {"k": "B"}, slot=2) == [(1, 5), (1, 0)]


CLOCK = (
    "import engine\ndef begin():\n    return engine.now()\ndef action(x):\n    return [engine.now(), engine.now()]\n"
)
CLOCK += "def end():\n    return engine.now()\n"


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        self.now_s += 1
        return self.now_s


def test_now_is_the_time_of_the_record_in_seconds(tmp_path):
    talk = Conversation(tmp_path, CLOCK)
    assert talk.score(0, 0, timestamps_ms=[1_700_000_000_123, 0]) == [(1, [1_700_000_000.123] * 2), (1, [0.0, 0.0])]


def test_of_a_record_without_a_time_now_is_that_of_its_turn_and_stays_until_the_next(tmp_path):
    talk = Conversation(tmp_path, CLOCK, clock=Clock())
    assert talk.score(0, 0, 0, timestamps_ms=[None, 5000, None]) == [(1, [101.0] * 2), (1, [5.0] * 2), (1, [102.0] * 2)]
    assert talk.score(0) == [(1, [103.0] * 2)]


def test_in_begin_and_end_now_is_the_time_of_the_computer(tmp_path):
    talk = Conversation(tmp_path, CLOCK, clock=Clock())
    assert talk.outputs(pack_message(Kind.BEGIN, 1)) == [(1, 101.0)]
    talk.score(0, timestamps_ms=[1])
    assert talk.outputs(pack_message(Kind.END, 2)) == [(1, 102.0)]


def test_a_worker_that_is_closed_leaves_the_clock_as_it_was(tmp_path):
    talk = Conversation(tmp_path, CLOCK, clock=Clock())
    now = talk.worker._module.engine.now
    assert now() == 101.0
    talk.worker.close()
    assert now() > 1000


MESSAGES = "from engine import Message\n# engine.slot.3: in-use\n"


def labels_of(talk):
    return [answer.labels for answer in talk.answers]


@pytest.mark.parametrize(
    ("body", "outputs", "labels"),
    [
        ("return Message(x)", [(1, 2)], {}),
        ("return Message(x, key='A')", [(1, 2)], {0: {"key": b"A"}}),
        ("return 3, Message(x, key=None)", [(3, 2)], {0: {"key": None}}),
        ("yield x; yield Message(x, timestamp_ms=7); yield x", [(1, 2)] * 3, {1: {"timestamp_ms": 7}}),
        ("return Message([1, 2], headers={'a': 'b'})", [(1, [1, 2])], {0: {"headers": (("a", b"b"),)}}),
        ("return Message(None, key='A')", [(1, None)], {0: {"key": b"A"}}),
    ],
)
def test_what_a_message_says_goes_with_its_output(tmp_path, body, outputs, labels):
    talk = Conversation(tmp_path, f"{MESSAGES}def action(x):\n    {body}\n", slots=(0, 1, 3))
    assert talk.score(2) == outputs
    assert (talk.failures, labels_of(talk)) == ([], [labels])


def test_begin_may_give_messages(tmp_path):
    talk = Conversation(tmp_path, f"{MESSAGES}def begin():\n    yield Message(1, key='A')\ndef action(x): ...\n")
    assert talk.outputs(pack_message(Kind.BEGIN, 1)) == [(1, 1)]
    assert labels_of(talk) == [{0: {"key": b"A"}}]


def test_a_record_that_fails_leaves_no_label_behind(tmp_path):
    source = f"{MESSAGES}def action(x):\n    yield Message(x, key=str(x)) if x < 2 else x\n    yield 1 / x\n"
    talk = Conversation(tmp_path, source)
    assert scores(talk.score(1, 0, 2)) == [1, 1.0, 2, 0.5]
    assert labels_of(talk) == [{0: {"key": b"1"}}]


def test_a_message_whose_value_cannot_be_written_is_rejected_and_the_next_keeps_its_own_label(tmp_path):
    source = f"{MESSAGES}def action(x):\n    return Message(x if x else set(), key=str(x))\n"
    talk = Conversation(tmp_path, source)
    assert scores(talk.score(1, 0, 2)) == [1, 2]
    assert [failure.stage for failure in talk.failures] == ["output"]
    assert labels_of(talk) == [{0: {"key": b"1"}, 1: {"key": b"2"}}]


def test_a_message_without_an_output_slot_fails_as_its_value_would(tmp_path):
    talk = Conversation(
        tmp_path, f"{MESSAGES}# engine.slot.1: unused\ndef action(x):\n    return Message(x)\n", slots=(0, 3)
    )
    assert talk.score(1) == []
    assert "the model has no output slot 1" in str(talk.failures[0].error)


def test_labels_are_counted_where_outputs_leave_in_several_frames(tmp_path):
    source = f"{MESSAGES}def action(x):\n    return Message(x, headers={{'h': 'x' * {FLUSH_BYTES}}})\n"
    talk = Conversation(tmp_path, source)
    assert scores(talk.score(1, 2, 3)) == [1, 2, 3]
    assert [len(answer.labels) for answer in talk.answers] == [1, 1, 1]
    assert [list(answer.labels) for answer in talk.answers] == [[0], [0], [0]]


def test_what_was_wrong_with_a_message_is_the_scripts_error(tmp_path):
    talk = Conversation(tmp_path, f"{MESSAGES}def action(x):\n    return Message(x, key=x)\n")
    assert talk.score(7) == []
    assert "TypeError: the key of a Message is text, bytes or None, not 7 (int)" in str(talk.failures[0].error)
