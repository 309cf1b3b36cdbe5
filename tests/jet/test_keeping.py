"""What a jet says of the state of its script: sizes, and what cannot be kept."""

import pytest

from engine.channel import Kind, OutputFrame, pack_message, unpack_message
from tests.jet.test_worker import Conversation

LOCKED = "import threading\nseen = []\ndef begin():\n    global lock\n    lock = {'a': [threading.Lock()]}\n"
LOCKED += "def action(x):\n    seen.append(x)\n    lock.update(b=x)\n"
REFUSAL = "lock['a'][0]: _thread.lock cannot be kept."


def begun(talk):
    """Return what is said of the state in answer to BEGIN, and the failures."""
    (kind, body), (_, output) = talk.ask(pack_message(Kind.BEGIN, 1))
    assert kind is Kind.STATE
    return unpack_message(body), [failure.error for failure in OutputFrame.unpack(output).failures]


def test_what_is_bound_at_import_is_tried_when_the_script_is_loaded(tmp_path):
    _, loaded = Conversation(tmp_path, LOCKED).loaded
    assert loaded["state"] == [["seen", 3, None]]


def test_what_begin_bound_is_tried_when_it_has_run(tmp_path):
    state, failures = begun(Conversation(tmp_path, LOCKED))
    assert state == [["seen", 3, None], ["lock", None, REFUSAL]]
    assert failures == []


def test_a_script_without_begin_is_tried_too(tmp_path):
    source = "from engine import window\nprices = window(30)\ndef action(x):\n    prices.append(x)\n"
    assert begun(Conversation(tmp_path, source)) == ([["prices", 9, None]], [])


def test_a_declared_name_that_cannot_be_kept_fails_begin(tmp_path):
    state, [failure] = begun(Conversation(tmp_path, f"# engine.state: lock\n{LOCKED}"))
    assert state == [["lock", None, REFUSAL]]
    assert str(failure) == f"begin() failed: {REFUSAL}"


def test_a_declared_name_that_is_too_large_fails_begin(tmp_path):
    source = "# engine.state: table\nimport numpy\ntable = numpy.zeros(3_000_000)\ndef action(x): ...\n"
    _, [failure] = begun(Conversation(tmp_path, source))
    assert str(failure) == (
        "begin() failed: table: it takes at least 22.9 MiB, and a value of the state may take 16 MiB."
        " Keep less, or keep it in several variables."
    )


@pytest.mark.parametrize("annotation", ["state: none", "shared: lock"])
def test_what_a_script_says_is_no_state_is_not_tried(tmp_path, annotation):
    state, failures = begun(Conversation(tmp_path, f"# engine.{annotation}\n{LOCKED}"))
    assert "lock" not in [name for name, *_ in state]
    assert failures == []


def test_a_class_of_the_script_is_kept_by_its_own_account(tmp_path):
    source = (
        "class Mean:\n    def state(self):\n        return 1.5\n    def restore(self, state): ...\n"
        "mean = Mean()\ndef action(x):\n    mean.value = x\n"
    )
    [[name, size_bytes, refusal]], _ = begun(Conversation(tmp_path, source, name="averages"))
    assert (name, refusal) == ("mean", None)
    assert size_bytes > len(b"averagesMean")


def test_a_script_that_leaves_in_state_does_not_take_the_jet_along(tmp_path):
    source = (
        "import sys\nclass Mean:\n    def state(self):\n        sys.exit(3)\n    def restore(self, state): ...\n"
        "mean = Mean()\ndef action(x):\n    mean.value = x\n"
    )
    [[_, _, refusal]], _ = begun(Conversation(tmp_path, source, name="leaver"))
    assert refusal == "mean: leaver.Mean.state() raised SystemExit: 3."
