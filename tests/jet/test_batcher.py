"""Records whose predictions are made together give what they give one by one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.channel import BatchFrame, Cell, FrameReader, Kind, OutputFrame, Phase, pack_message, unpack_message
from engine.errors import ActionFailed, BatchMismatch, SchemaMismatch
from tests.jet.test_worker import Conversation

PREDICT = """
import numpy as np

from engine import batched

calls = []

@batched(max_size=4)
def predict(rows):
    calls.append(len(rows))
    if np.isnan(rows).any():
        raise ValueError("not a number")
    return rows * 2

"""
STOPPING = {"encoding": "json", "schema": None, "tagged_unions": False, "on_error": "stop"}
ROLLING = (
    PREDICT
    + """
past = []

def action(x):
    past.append(x)
    del past[:-3]
    yield [float(predict(np.sum(past))), x]
"""
)


def talk(folder: Path, source: str, **options: Any) -> Conversation:
    conversation = Conversation(folder, source.replace("calls = []", "calls = []\n# engine.shared: calls"), **options)
    conversation.outputs(pack_message(Kind.BEGIN, 1))
    return conversation


def bodies_of(*frames: bytes) -> list[memoryview]:
    return [body for frame in frames for _, body in FrameReader().feed(frame)]


def calls_of(conversation: Conversation) -> list[int]:
    calls: list[int] = conversation.worker._module.calls
    return calls


def serially(folder: Path, source: str, values: list[Any], **options: Any) -> tuple[list[Any], list[str]]:
    """Return what the records give one by one, each in a batch of its own."""
    conversation = talk(folder, source, **options)
    outputs, failures = [], []
    for seq, value in enumerate(values, 1):
        outputs += conversation.score(value, first_seq=seq)
        failures += [str(failure.error) for failure in conversation.failures]
    return outputs, failures


def test_a_batch_is_predicted_in_batches_of_the_largest_size(tmp_path: Path) -> None:
    conversation = talk(tmp_path, ROLLING)
    outputs = conversation.score(*range(10))
    assert outputs == [(1, [2.0 * sum(range(max(0, n - 2), n + 1)), n]) for n in range(10)]
    assert calls_of(conversation) == [4, 4, 2]


def test_batches_that_wait_in_the_pipe_are_predicted_together(tmp_path: Path) -> None:
    frames = [BatchFrame(n, 0, n, [str(n).encode()], is_synchronous=True).pack() for n in range(2, 6)]
    arrived = [bodies_of(*frames)]
    conversation = talk(tmp_path, ROLLING, more=lambda _wait_s: arrived.pop() if arrived else [])
    answers = conversation.ask(BatchFrame(1, 0, 1, [b"1"], is_synchronous=True).pack())
    frames_out = [OutputFrame.unpack(body) for kind, body in answers if kind is Kind.OUTPUT]
    assert [(frame.batch, frame.values, frame.is_last) for frame in frames_out] == [
        (1, [b"[2.0,1]"], True),
        (2, [b"[6.0,2]"], True),
        (3, [b"[12.0,3]"], True),
        (4, [b"[18.0,4]"], True),
        (5, [b"[24.0,5]"], True),
    ]
    assert calls_of(conversation) == [4, 1]


def test_a_bad_row_fails_its_record_alone_wherever_it_is(tmp_path: Path) -> None:
    source = PREDICT + "def action(x):\n    return float(predict(float(x)))\n"
    for bad in range(8):
        conversation = talk(tmp_path, source, name=f"bad_{bad}")
        outputs = conversation.score(*("nan" if n == bad else n for n in range(8)))
        assert outputs == [(1, 2.0 * n) for n in range(8) if n != bad]
        [failure] = conversation.failures
        assert (failure.index, failure.stage) == (bad, "action")
        assert "ValueError: not a number" in str(failure.error)
        assert "float(x)" in str(failure.error)  # the traceback leads through the script


def test_a_script_may_catch_what_its_prediction_raised(tmp_path: Path) -> None:
    source = (
        PREDICT
        + """
def action(x):
    try:
        yield float(predict(float(x)))
    except ValueError as error:
        yield str(error)
"""
    )
    outputs = talk(tmp_path, source).score(1, "nan", 3)
    assert outputs == [(1, 2.0), (1, "not a number"), (1, 6.0)]


def test_a_script_that_feeds_a_prediction_back_is_scored_one_by_one_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = (
        PREDICT
        + """
last = 0.0

def action(x):
    global last
    last = float(predict(x + last))
    yield last
"""
    )
    outputs = talk(tmp_path, source).score(*[1] * 6)
    assert [value for _, value in outputs] == [2.0, 6.0, 14.0, 30.0, 62.0, 126.0]
    assert "Records are not batched from here on: record 1 of slot 0 has changed variables" in capsys.readouterr().err


def test_what_is_read_after_a_prediction_is_what_the_record_has_left(tmp_path: Path) -> None:
    source = PREDICT + "seen = []\ndef action(x):\n    seen.append(x)\n    predict(1.0)\n    yield [x, len(seen)]\n"
    conversation = talk(tmp_path, source)
    assert conversation.score(*range(9)) == [(1, [n, n + 1]) for n in range(9)]
    assert calls_of(conversation) == [4, 4, 1]
    assert conversation.score(9) == [(1, [9, 10])]


def test_variables_that_are_one_value_stay_one_value(tmp_path: Path) -> None:
    source = (
        PREDICT
        + """
def begin():
    global one, other
    one = other = []

def action(x):
    one.append(x)
    predict(1.0)
    yield len(other)
"""
    )
    assert talk(tmp_path, source).score(*range(5)) == [(1, n) for n in range(1, 6)]


def test_keys_are_predicted_together_where_one_key_cannot_be(tmp_path: Path) -> None:
    source = (
        "# engine.key.0: k\n"
        + PREDICT
        + """
last = 0.0

def action(x):
    global last
    last = float(predict(x["v"] + last))
    yield [x["k"], last]
"""
    )
    records = [{"k": key, "v": 1.0} for _ in range(5) for key in "abcd"]
    conversation = talk(tmp_path, source)
    outputs = [value for _, value in conversation.score(*records)]
    assert outputs == [[key, 2.0 ** (n + 1) - 2] for n in range(1, 6) for key in "abcd"]
    assert max(calls_of(conversation)[2:]) == 4


def test_several_predictions_of_an_action_and_rows_of_several_shapes(tmp_path: Path) -> None:
    source = (
        PREDICT
        + """
def action(x):
    first = predict(np.ones(x))
    second = predict(first)
    yield [int(first.shape[0]), float(second.sum())]
"""
    )
    sizes = [1, 2, 1, 2, 2, 1, 3, 1, 2]
    conversation = talk(tmp_path, source)
    assert conversation.score(*sizes) == [(1, [size, 4.0 * size]) for size in sizes]
    assert sorted(calls_of(conversation)) == sorted([4, 4, 1, 4, 4, 1][:6])


def test_methods_dicts_and_named_arguments_are_batched_too(tmp_path: Path) -> None:
    source = """
import numpy as np
from engine import batched

class Model:
    def __init__(self, factor):
        self.factor = factor

    @batched
    def predict(self, rows, offset):
        return {"y": rows * self.factor + offset, "n": np.full(len(rows), len(rows))}

def begin():
    global double, triple
    double, triple = Model(2), Model(3)

def action(x):
    one = double.predict(x, offset=1)
    yield [int(one["y"]), int(one["n"]), int(triple.predict(x, offset=0)["y"])]
"""
    outputs = talk(tmp_path, "# engine.shared: double, triple\n" + source).score(*range(5))
    assert outputs == [(1, [2 * n + 1, 5, 3 * n]) for n in range(5)]


def test_a_function_that_gives_no_row_for_each_of_its_rows_is_named(tmp_path: Path) -> None:
    source = "from engine import batched\n@batched\ndef mean(rows): return rows.mean()\ndef action(x): return mean(x)\n"
    conversation = talk(tmp_path, source)
    assert conversation.score(1.0, 2.0) == []
    assert [type(failure.error) for failure in conversation.failures] == [ActionFailed, ActionFailed]
    assert str(BatchMismatch("mean", 1, None)) in str(conversation.failures[0].error)


def test_a_record_that_cannot_be_read_or_written_fails_among_the_others(tmp_path: Path) -> None:
    schemas = {0: "double", 1: "double"}
    source = PREDICT + "def action(x):\n    yield float(predict(x)) if x != 2 else 'two'\n    yield x\n"
    conversation = talk(tmp_path, source, schemas=schemas)
    assert conversation.score(1.0, b'"x"', 2.0, 3.0) == [(1, 2.0), (1, 1.0), (1, 2.0), (1, 6.0), (1, 3.0)]
    assert [(failure.index, failure.stage, type(failure.error)) for failure in conversation.failures] == [
        (1, "input", SchemaMismatch),
        (2, "output", SchemaMismatch),
    ]


def committed(conversation: Conversation) -> dict[tuple[bytes, str], bytes]:
    entries = [
        entry
        for kind, body in conversation.ask(pack_message(Kind.COMMIT, 1))
        if kind is Kind.CHANGED
        for entry in unpack_message(body)["entries"]
    ]
    return {(key, name): value for _, key, name, value in entries}


@pytest.mark.parametrize("key", ["", "# engine.key.0: k\n"])
def test_behind_a_record_that_stops_the_jet_nothing_has_happened(tmp_path: Path, key: str) -> None:
    source = (
        key
        + PREDICT
        + """
n = 0

def action(x):
    global n
    n += 1
    if x["v"] == 5:
        raise RuntimeError("stop")
    yield [x["k"], n, float(predict(float(x["v"])))]
"""
    )
    records = [{"k": "ab"[n % 2], "v": n} for n in range(9)]
    results = []
    for way, name in ((records, "together"), ([[one] for one in records], "alone")):
        conversation = talk(tmp_path, source, coding=STOPPING, name=name)
        if name == "together":
            outputs = conversation.score(*way)
            [answer] = conversation.answers
            assert (answer.is_halted, answer.n_done) == (True, 5)
        else:
            outputs = []
            for seq, (record,) in enumerate(way, 1):
                outputs += conversation.score(record, first_seq=seq)
        assert conversation.score({"k": "a", "v": 1}) == []  # it has stopped
        results.append((outputs, committed(conversation)))
    assert results[0] == results[1]
    assert len(results[0][0]) == 5


def test_somebody_who_waits_is_answered_although_the_jet_has_stopped(tmp_path: Path) -> None:
    source = PREDICT + "n = 0\ndef action(x):\n    global n\n    n += 1\n    yield [n, float(predict(1 / x))]\n"
    frame = BatchFrame(3, 0, 7, [b"1", b"2"], is_synchronous=True).pack()
    arrived = [bodies_of(frame)]
    conversation = talk(tmp_path, source, coding=STOPPING, more=lambda _wait_s: arrived.pop() if arrived else [])
    outputs = conversation.score(1, 0, 4)
    assert outputs == [(1, [1, 2.0]), (1, [3, 2.0]), (1, [4, 1.0])]
    assert [(answer.batch, answer.is_halted) for answer in conversation.answers] == [(1, True), (3, False)]


def test_the_cell_tells_a_batched_prediction_and_each_record_in_work(tmp_path: Path) -> None:
    source = (
        "# engine.shared: look, seen\n"
        + PREDICT.replace("calls.append(len(rows))", "calls.append(len(rows)); look('batch')")
        + """
seen = []

def look(where):
    pass

def action(x):
    look("before")
    predict(float(x))
    look("after")
"""
    )
    conversation = talk(tmp_path, source)
    seen = []
    cell = conversation.cell
    conversation.worker._module.look = lambda where: seen.append((where, cell.phase, cell.record))
    conversation.score(*range(3), first_seq=10)
    assert seen == [
        *[("before", Phase.ACTION, (0, 10 + n)) for n in range(3)],
        ("batch", Phase.BATCHED, None),
        *[("after", Phase.ACTION, (0, 10 + n)) for n in range(3)],
    ]
    assert cell.words[Cell.CALLS] == 1


def test_batches_that_were_in_work_when_a_jet_ended_are_scored_one_by_one(tmp_path: Path) -> None:
    arrived = [bodies_of(BatchFrame(n, 0, 10 + n, [b"1", b"2"], is_careful=n < 4).pack()) for n in (4, 3, 2)]
    conversation = talk(tmp_path, ROLLING, more=lambda _wait_s: arrived.pop() if arrived else [])
    assert len(conversation.score(*range(6), is_careful=True)) == 6
    assert calls_of(conversation) == [1] * 6
    assert len(conversation.score(1, 2, 3)) == 5  # with the batch behind it, which is scored with care
    assert calls_of(conversation)[6:] == [3, 1, 1]
    assert len(conversation.score(1, is_synchronous=True)) == 3
    assert calls_of(conversation)[9:] == [1, 1, 1]


def test_batches_behind_a_record_that_stops_the_jet_are_not_scored(tmp_path: Path) -> None:
    source = PREDICT + "def action(x):\n    return float(predict(1 / x))\n"
    later = [bodies_of(BatchFrame(2, 0, 9, [b"1"]).pack()), bodies_of(BatchFrame(3, 0, 10, [b"2"]).pack())]
    conversation = talk(tmp_path, source, coding=STOPPING, more=lambda _wait_s: later.pop(0) if later else [])
    assert conversation.score(1, 0, 2) == [(1, 2.0)]
    assert [answer.batch for answer in conversation.answers] == [1]


def test_a_predictor_that_takes_any_number_of_rows_is_batched_by_itself(tmp_path: Path) -> None:
    source = """
import numpy as np
from engine.inference import Predictor, Tensor

rows = []
# engine.shared: rows

def run(arrays):
    rows.append(len(arrays[0]))
    return [arrays[0] * 2, arrays[0] + 1]

TENSOR = Tensor("x", np.dtype(np.float32), (None, 2))

def begin():
    global model
    model = Predictor(run, [TENSOR], [TENSOR, Tensor("y", np.dtype(np.float32), (None, 2))], "cpu")

def action(x):
    result = model(np.full((x, 2), x, np.float32))
    assert len(result["x"]) == x
    yield [float(result["x"].sum()), float(result["y"].sum())]
"""
    sizes = [1, 2, 3, 1, 30, 40, 1, 100, 2]
    conversation = talk(tmp_path, source)
    assert conversation.score(*sizes) == [(1, [4.0 * n * n, 2.0 * n * (n + 1)]) for n in sizes]
    assert conversation.worker._module.rows == [37, 41, 100, 2]
    [(kind, body)] = conversation.ask(pack_message(Kind.PREDICTORS, None))
    assert (kind, unpack_message(body)[0]["n_rows"]) == (Kind.PREDICTORS, sum(sizes))


SCRIPT = (
    "# engine.key.0: k\n"
    + PREDICT
    + """
past, n = [], 0

def action(x):
    global n
    n += 1
    past.append(x["v"])
    del past[:-3]
    if x["how"] == "skip":
        return
    value = predict(float(sum(past)))
    if x["how"] == "keep":
        past[-1] = float(value)
    if x["how"] == "twice":
        value = predict(value + n)
    if x["how"] == "raise":
        raise RuntimeError(str(value))
    yield [x["k"], n, float(value), list(past)]
"""
)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "k": st.sampled_from(["a", "b", True, 1]),
            "v": st.integers(0, 9),
            "how": st.sampled_from(["plain"] * 4 + ["skip", "twice", "raise", "keep"]),
        }
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.lists(st.integers(1, 17), min_size=1, max_size=5))
def test_any_records_cut_in_any_way_give_what_they_give_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, records: list[Any], sizes: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("batcher")
    expected = serially(folder, SCRIPT, records, name="alone")
    together = talk(folder, SCRIPT, name="together")
    outputs, failures, start = [], [], 0
    while start < len(records):
        size = sizes[start % len(sizes)]
        outputs += together.score(*records[start : start + size], first_seq=start + 1)
        failures += [str(failure.error).replace("together", "alone") for failure in together.failures]
        start += size
    assert (outputs, failures) == expected


KEYED = "# engine.key.0: k\n"
ALIKE = {
    "a batched function that reads state": (
        "scale = 1\ndef action(x):\n    global scale\n    scale = x\n    yield float(f(1.0))"
    ),
    "a batched function that changes state": "def action(x):\n    yield float(f(float(x)))\ntotal = 0.0",
    "rows that are none": "def action(x):\n    yield float(none(float(x)))",
    "rows that are too few": "def action(x):\n    yield float(positive(float(x) - 2))",
    "an exit": "def action(x):\n    yield float(leave(float(x)))",
    "state that cannot be kept after a prediction": (
        "seen = []\ndef action(x):\n    yield [float(double(x)), len(seen)]\n"
        "    seen.append(object.__new__(type('T', (), {})))"
    ),
    "state in a circle": (
        "ring = []\nring.append(ring)\ndef action(x):\n    ring.append(x)\n    yield [float(double(x)), len(ring)]"
    ),
    "deep state": "node = None\ndef action(x):\n    global node\n    node = [x, node]\n    yield float(double(x))",
    "an input that is changed, and fed back": (
        "last = 0\ndef action(x):\n    global last\n    last = float(double(x.pop() + last)) if x else -1.0\n"
        "    yield last"
    ),
    "a view of another state": (
        "buf = np.zeros(2)\nhead = buf[:1]\ndef action(x):\n    buf[0] += 1\n    head[0] += 0\n"
        "    yield float(double(head[0]))"
    ),
    "a structured scalar": (
        "cell = np.zeros(1, 'i4,f8')[0]\ndef action(x):\n    cell['f0'] += 1\n    double(x)\n    yield int(cell['f0'])"
    ),
    "texts of two kinds": "def action(x):\n    yield str(same(b'b' if x % 2 else 'c'))",
    "a precision that is held over a prediction": (
        "import decimal\ndef action(x):\n    if x:\n        yield str(decimal.Decimal(1) / 3)\n        return\n"
        "    with decimal.localcontext() as context:\n        context.prec = 4\n        double(x)\n"
        "        yield str(decimal.Decimal(1) / 3)"
    ),
    "a name that is bound late": "def action(x):\n    global late\n    late = x\n    yield [float(double(x)), late]",
    "a sentinel": (
        "mark = object()\nheld = [mark]\ndef action(x):\n    held.append(x)\n"
        "    yield [float(double(x)), held[0] is mark]"
    ),
    "an array that is used again": (
        "row = np.zeros(3)\ndef action(x):\n    row[:] = x\n    got = same(row)\n    row[:] = 0\n    yield got.tolist()"
    ),
}
FUNCTIONS = """
import numpy as np

from engine import batched

def scaled(rows):
    return rows * scale

@batched
def f(rows):
    global total
    if "scale" in globals():
        return scaled(rows)
    total += float(rows.sum())
    return rows

@batched
def none(rows):
    return {} if (rows == 2).any() else rows

@batched
def positive(rows):
    return rows[rows > 0]

@batched
def leave(rows):
    if (rows == 2).any():
        raise SystemExit(3)
    return rows

@batched(max_size=3)
def double(rows):
    return rows * 2

@batched
def same(rows):
    return rows

"""


@pytest.mark.parametrize("what", ALIKE)
def test_whatever_a_script_does_with_its_variables_comes_out_as_one_by_one(tmp_path: Path, what: str) -> None:
    results = []
    for name, sizes in (("alone", [1] * 7), ("together", [7]), ("halves", [3, 4])):
        conversation = talk(tmp_path, FUNCTIONS + ALIKE[what] + "\n", name=name)
        outputs, failures, start = [], [], 0
        for size in sizes:
            records = [[n] if "x.pop()" in ALIKE[what] else n for n in range(start, start + size)]
            outputs += conversation.score(*records, first_seq=start + 1)
            failures += [str(failure.error).partition("\n")[0] for failure in conversation.failures]
            start += size
        results.append((outputs, failures, committed(conversation)))
    assert results[1] == results[0]
    assert results[2] == results[0]


def test_records_of_slots_that_do_not_stop_the_jet_are_undone_too(tmp_path: Path) -> None:
    source = (
        KEYED
        + "# engine.key.2: k\n# engine.slot.2: in-use\n# engine.action.2: other\n"
        + FUNCTIONS
        + """
n = 0

def action(x):
    global n
    n += 1
    yield [x["k"], n, float(double(1.0))]
    if x["v"]:
        raise RuntimeError("stop")

def other(x):
    global n
    n += 1
    yield [x["k"], n, float(double(1.0))]
"""
    )
    results = []
    for is_together in (False, True):
        name = "together" if is_together else "alone"
        conversation = Conversation(tmp_path, source, slots=(0, 1), coding=STOPPING, name=name)
        message = STOPPING | {"slot": 2, "model_schema": None, "on_error": "skip"}
        assert conversation.ask(pack_message(Kind.SLOT, message)) == []
        conversation.outputs(pack_message(Kind.BEGIN, 1))
        frames = [
            BatchFrame(1, 2, 1, [b'{"k": "b"}']),
            BatchFrame(2, 0, 1, [b'{"k": "a", "v": 0}', b'{"k": "a", "v": 1}']),
            BatchFrame(3, 2, 2, [b'{"k": "b"}', b'{"k": "c"}']),
        ]
        if is_together:
            arrived = [bodies_of(*(frame.pack() for frame in frames[1:]))]
            conversation.worker._more = lambda _wait_s, arrived=arrived: arrived.pop() if arrived else []
            outputs = conversation.outputs(BatchFrame(1, 2, 1, [b'{"k": "b"}'], is_synchronous=True).pack())
        else:
            outputs = [output for frame in frames for output in conversation.outputs(frame.pack())]
        results.append((outputs, committed(conversation)))
    assert results[0] == results[1]
    assert len(results[0][1]) == 2  # n of a and b, and nothing of c


ELSEWHERE = """
import threading
import time

import numpy as np

from engine.inference import Predictor, Tensor

threads = set()
# engine.shared: threads
TENSOR = Tensor("x", np.dtype(np.float64), (None,))
past = []

def run(arrays):
    time.sleep(0.005 if (arrays[0] % 128 < 64).any() else 0.001)  # the second of two is done before the first
    threads.add((threading.current_thread().name, len(arrays[0])))
    if (arrays[0] == 130).any():
        raise ValueError("130")
    return [arrays[0] * 2]

def begin():
    global model
    model = Predictor(run, [TENSOR], [TENSOR], "cpu", n_lanes=LANES)

def action(x):
    past.append(x)
    del past[:-5]
    value = float(model(np.array([float(x)]))[0])
    yield [value, sum(past)]
"""


@pytest.mark.parametrize("n_lanes", [1, 2, 3])
def test_predictions_that_compute_elsewhere_go_on_beside_records_and_give_the_same(
    tmp_path: Path, n_lanes: int
) -> None:
    conversation = talk(tmp_path, ELSEWHERE.replace("LANES", str(n_lanes)))
    outputs = conversation.score(*range(1000))
    assert outputs == [(1, [2.0 * n, sum(range(max(0, n - 4), n + 1))]) for n in range(1000) if n != 130]
    [failure] = conversation.failures
    assert (failure.index, failure.stage) == (130, "action")
    threads = conversation.worker._module.threads
    assert ("engine-predictions", 64) in threads
    assert ("engine-predictions", 32) in threads  # while nothing else is computed, more are not waited for
    assert {name for name, _ in threads} <= {"engine-predictions", "MainThread"}
    assert conversation.worker._batcher._apart._n_threads == n_lanes
    assert conversation.cell.words[Cell.OPEN] == 0


@pytest.mark.parametrize(("source", "n_records"), [(ELSEWHERE.replace("LANES", "2"), 40), (ROLLING, 4)])
def test_of_batches_that_are_under_way_together_each_moment_counts_for_one(
    tmp_path: Path, source: str, n_records: int
) -> None:
    """From what they took the engine concludes how many records it sends at once."""
    first, *others = (BatchFrame(n, 0, n_records * n, [b"1"] * n_records).pack() for n in range(1, 10))
    arrived = [bodies_of(*others)]
    conversation = talk(tmp_path, source, more=lambda _wait_s: arrived.pop() if arrived else [])
    started_ns = time.perf_counter_ns()
    answers = conversation.ask(first)
    passed_ns = time.perf_counter_ns() - started_ns
    took_ns = [OutputFrame.unpack(body).action_ns for kind, body in answers if kind is Kind.OUTPUT]
    assert len(took_ns) == 9
    assert sum(took_ns) <= passed_ns


def test_what_a_discarded_record_does_on_its_way_out_is_not_done(tmp_path: Path) -> None:
    asked: list[Any] = []
    source = (
        FUNCTIONS
        + """
from engine import cells

note = cells("note")
last = 0.0

def action(x):
    global last
    try:
        last = float(double(x + last))
    finally:
        note.set(last)
    yield last
"""
    )

    def ask(message: list[Any]) -> None:
        asked.append(message)

    conversation = talk(tmp_path, source, ask=ask)
    outputs = conversation.score(1, 1, 1)
    assert (outputs, conversation.failures) == ([(1, 2.0), (1, 6.0), (1, 14.0)], [])
    assert len([message for message in asked if message[0] == "set"]) == 3


def test_a_function_that_waits_does_not_keep_others_waiting(tmp_path: Path) -> None:
    source = (
        FUNCTIONS
        + """
@batched(max_wait_ms=60_000)
def patient(rows):
    return rows

def action(x):
    yield float(patient(x) if x % 2 else double(x))
"""
    )
    waits: list[float] = []

    def more(wait_s: float) -> list[memoryview]:
        waits.append(wait_s)
        return bodies_of(BatchFrame(2, 0, 9, [b"0"] * 99).pack()) if wait_s > 1 and len(waits) < 99 else []

    conversation = talk(tmp_path, source.replace("60_000", "50"), more=more)
    assert [value for _, value in conversation.score(*range(6))] == [0, 1, 4, 3, 8, 5]
    assert max(waits) <= 0.05
