"""What a script may return and yield, and what it may not: the worker alone, without a process."""

import json
import os

import pytest

from engine.channel import (
    PROTOCOL_VERSION,
    BatchFrame,
    Cell,
    FrameReader,
    Kind,
    OutputFrame,
    Phase,
    load_error,
    pack_message,
    unpack_message,
)
from engine.errors import ActionFailed, DataError, ScriptInvalid
from engine.jet import Worker

DOUBLE = {"encoding": "json", "schema": None, "tagged_unions": False, "on_error": "skip"}


class Conversation:
    """Talks to a worker as an engine does."""

    def __init__(
        self,
        folder,
        source,
        *,
        slots=(0, 1),
        name="model",
        coding=DOUBLE,
        schemas=None,
        is_tasked=False,
        is_watched=False,
        **options,
    ):
        self.cell, self.frames = Cell(), []
        self.worker = Worker(self.frames.append, self.cell, **options)
        path = folder / f"{name}.py"
        path.write_text(source)
        message = {"protocol": PROTOCOL_VERSION, "name": name, "source": source, "path": str(path)}
        [(kind, body)] = self.ask(
            pack_message(Kind.SETUP, message | {"is_tasked": is_tasked, "is_watched": is_watched})
        )
        self.loaded = kind, unpack_message(body)
        if kind is Kind.LOADED:
            for slot in slots:
                message = coding | {"slot": slot, "model_schema": (schemas or {}).get(slot)}
                assert self.ask(pack_message(Kind.SLOT, message)) == []

    def ask(self, frame):
        self.frames.clear()
        for kind, body in FrameReader().feed(frame):
            assert self.worker.handle(kind, body)
        return [got for answer in self.frames for got in FrameReader().feed(answer)]

    def outputs(self, frame):
        answers = [OutputFrame.unpack(body) for kind, body in self.ask(frame) if kind is Kind.OUTPUT]
        self.failures = [failure for answer in answers for failure in answer.failures]
        self.answers = answers
        return [
            (slot, json.loads(value))
            for answer in answers
            for slot, value in zip(answer.slots, answer.values, strict=True)
        ]

    def score(self, *values, slot=0, first_seq=1, **options):
        records = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
        return self.outputs(BatchFrame(1, slot, first_seq, records, **options).pack())


@pytest.mark.parametrize(
    ("body", "outputs"),
    [
        ("yield x", [(1, 2)]),
        ("yield x; yield x + 1", [(1, 2), (1, 3)]),
        ("return x", [(1, 2)]),
        ("return None", []),
        ("return", []),
        ("pass", []),
        ("return; yield", []),
        ("yield None", [(1, None)]),
        ("return [1, 2]", [(1, [1, 2])]),
        ("yield [1, 2]", [(1, [1, 2])]),
        ("return 0.0", [(1, 0.0)]),
        ("yield 0.0", [(1, 0.0)]),
        ("return ''", [(1, "")]),
        ("return []", [(1, [])]),
        ("return {}", [(1, {})]),
        ("return False", [(1, False)]),
        ("yield (3, x)", [(3, 2)]),
        ("return (3, x)", [(3, 2)]),
        ("return (1, None)", [(1, None)]),
        ("yield x; yield (3, x); yield x", [(1, 2), (3, 2), (1, 2)]),
    ],
)
def test_what_an_action_gives_becomes_these_outputs(tmp_path, body, outputs):
    talk = Conversation(tmp_path, f"# engine.slot.3: in-use\ndef action(x):\n    {body}\n", slots=(0, 1, 3))
    assert talk.score(2) == outputs
    assert talk.failures == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("return (1, 2, 3)", "a tuple of 3 was given, but an output to a slot is (slot, value); use a list for data"),
        ("return ()", "a tuple of 0 was given"),
        ("yield (x,)", "a tuple of 1 was given"),
        ("yield ('a', x)", "a pair is (slot, value), but 'a' is not a slot number; for an array use a list"),
        ("yield (1.0, x)", "a pair is (slot, value), but 1.0 is not a slot number"),
        ("yield (2, x)", "an output was given to slot 2, which is an input slot"),
        ("yield (0, x)", "an output was given to slot 0, which is an input slot"),
        ("yield (5, x)", "an output was given to slot 5, which is not a slot of the model"),
        ("yield (True, x)", "an output was given to slot True"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("yield x; 1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt2", "NameError"),
        ("return action(x)", "RecursionError"),
    ],
)
def test_an_action_that_goes_wrong_fails_its_record_and_gives_nothing(tmp_path, body, sentence):
    talk = Conversation(tmp_path, f"def action(x):\n    {body}\n")
    assert talk.score(2) == []
    [failure] = talk.failures
    assert failure.stage == "action"
    assert isinstance(failure.error, ActionFailed)
    assert sentence in failure.error.reason
    assert (failure.error.hook, failure.error.slot, failure.error.seq_no) == ("action", 0, 1)


def test_a_traceback_shows_the_script_and_nothing_of_the_engine(tmp_path):
    talk = Conversation(tmp_path, "def helper(x):\n    return 1 / x\n\ndef action(x):\n    yield helper(x)\n")
    talk.score(0)
    traceback = talk.failures[0].error.traceback
    assert "line 2, in helper" in traceback
    assert "return 1 / x" in traceback
    assert "worker.py" not in traceback


@pytest.mark.parametrize(
    ("signature", "given"),
    [
        ("x", [7]),
        ("x, slot", [7, 2]),
        ("x, slot, seq_no", [7, 2, 5]),
        ("x: float = 0", [7]),
        ("x, *, debug=False", [7]),
    ],
)
def test_the_number_of_parameters_decides_what_an_action_is_given(tmp_path, signature, given):
    names = [name.split(":")[0].strip() for name in signature.split("*")[0].split(",") if name.strip()]
    source = f"# engine.slot.2: in-use\ndef action({signature}):\n    return [{', '.join(names)}]\n"
    talk = Conversation(tmp_path, source, slots=(0, 1, 2))
    assert talk.score(7, slot=2, first_seq=5) == [(1, given)]


def test_sequence_numbers_follow_on_within_a_batch(tmp_path):
    talk = Conversation(tmp_path, "def action(x, slot, seq_no):\n    return seq_no\n")
    assert talk.score(0, b"nonsense", 0, first_seq=10) == [(1, 10), (1, 12)]


def test_a_record_that_cannot_be_decoded_never_reaches_the_script(tmp_path):
    talk = Conversation(tmp_path, "n = 0\ndef action(x):\n    global n\n    n += 1\n    return n\n")
    assert talk.score(1, b"{", 1) == [(1, 1), (1, 2)]
    [failure] = talk.failures
    assert (failure.index, failure.stage) == (1, "input")
    assert isinstance(failure.error, DataError)


def test_an_output_that_does_not_fit_is_rejected_and_the_others_stay(tmp_path):
    source = "def action(x):\n    yield x\n    yield 'text'\n    yield float('nan')\n    yield x + 1\n"
    talk = Conversation(tmp_path, source, schemas={1: "double"})
    assert talk.score(1.5) == [(1, 1.5), (1, 2.5)]
    assert [failure.stage for failure in talk.failures] == ["output", "output"]


def test_a_slot_may_have_its_own_function(tmp_path):
    source = "# engine.action.0: a\n# engine.action.2: b\ndef a(x):\n    return x\ndef b(x):\n    return -x\n"
    talk = Conversation(tmp_path, source, slots=(0, 1, 2))
    assert talk.score(1) == [(1, 1)]
    assert talk.score(1, slot=2) == [(1, -1)]


def test_begin_and_end_may_give_outputs(tmp_path):
    source = "def begin():\n    yield 'first'\ndef action(x):\n    pass\ndef end():\n    return 'last'\n"
    talk = Conversation(tmp_path, source)
    assert talk.outputs(pack_message(Kind.BEGIN, 4)) == [(1, "first")]
    assert talk.outputs(pack_message(Kind.END, 5)) == [(1, "last")]
    assert talk.answers[0].batch == 5


@pytest.mark.parametrize("hook", ["begin", "end"])
def test_a_hook_that_raises_says_which_and_where(tmp_path, hook):
    talk = Conversation(tmp_path, f"def action(x):\n    pass\ndef {hook}():\n    raise ValueError('no')\n")
    assert talk.outputs(pack_message(Kind[hook.upper()], 1)) == []
    assert str(talk.failures[0].error).startswith(f"{hook}() failed: ValueError: no.")


def test_under_stop_nothing_behind_the_failed_record_is_touched(tmp_path):
    source = "def action(x):\n    print(x)\n    return 1 / x\n"
    talk = Conversation(tmp_path, source, coding=DOUBLE | {"on_error": "stop"})
    assert talk.score(1, 0, 1) == [(1, 1.0)]
    assert talk.answers[-1].is_halted
    assert talk.answers[-1].n_done == 1
    assert talk.score(1) == []
    assert talk.answers == []


def test_a_caller_who_waits_gets_the_error_and_the_jet_goes_on(tmp_path):
    talk = Conversation(tmp_path, "def action(x):\n    return 1 / x\n", coding=DOUBLE | {"on_error": "stop"})
    talk.score(0, is_synchronous=True)
    assert not talk.answers[-1].is_halted
    assert talk.score(2, is_synchronous=True) == [(1, 0.5)]


def test_much_output_leaves_in_several_frames_that_end_between_records(tmp_path):
    talk = Conversation(tmp_path, "def action(x):\n    yield 'x' * 100_000\n    yield 'y' * 100_000\n")
    assert len(talk.score(*range(6))) == 12
    assert len(talk.answers) > 2
    assert [answer.is_last for answer in talk.answers] == [False] * (len(talk.answers) - 1) + [True]
    for answer in talk.answers[:-1]:
        assert len(answer.values) % 2 == 0
        assert max(answer.sources) == answer.n_done - 1


def test_a_script_that_yields_for_ever_fails_its_record(tmp_path):
    talk = Conversation(tmp_path, "def action(x):\n    while True:\n        yield 'x' * 1_000_000\n")
    assert talk.score(1) == []
    assert "more than 64 MiB of outputs" in talk.failures[0].error.reason


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import no_such_module\ndef action(x): pass\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0\ndef action(x): pass\n", "line 1: ZeroDivisionError"),
        ("def action(x: pass\n", "line 1"),
        ("raise SystemExit(0)\ndef action(x): pass\n", "SystemExit"),
    ],
)
def test_a_script_that_cannot_be_imported_says_why(tmp_path, source, sentence):
    kind, dumped = Conversation(tmp_path, source).loaded
    error = load_error(dumped)
    assert (kind, type(error)) == (Kind.FAILED, ScriptInvalid)
    assert sentence in str(error)


def test_a_model_named_like_a_module_does_not_hide_it(tmp_path):
    talk = Conversation(tmp_path, "import json\ndef action(x):\n    return json.dumps(x)\n", name="json")
    assert talk.score([1]) == [(1, "[1]")]


def test_the_cell_shows_the_record_in_work_and_nothing_in_between(tmp_path):
    talk = Conversation(tmp_path, "seen = None\ndef action(x):\n    return seen()\n")
    talk.worker._module.seen = lambda: [*talk.cell.record, talk.cell.describe()]
    assert talk.score(0, 0, first_seq=8) == [(1, [0, 8, "record 8 of slot 0"]), (1, [0, 9, "record 9 of slot 0"])]
    assert talk.cell.phase is Phase.IDLE
    assert talk.cell.record is None


def test_the_cell_is_readable_through_its_descriptor():
    cell, fd = Cell.create()
    other = Cell.open(fd)
    other.enter(Phase.BEGIN)
    assert cell.describe() == "begin()"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
