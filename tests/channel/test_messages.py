import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import errors
from engine.channel import BatchFrame, Failure, FrameReader, Kind, OutputFrame, dump_error, load_error
from engine.record import Label

values = st.lists(st.binary(max_size=40), max_size=30)


def body_of(frame: bytes, kind: Kind) -> memoryview:
    [(got, body)] = FrameReader().feed(frame)
    assert got is kind
    return body


def column_of(cells):
    """Return a column that may be there: one cell for each record, or None."""
    return st.lists(st.none() | cells, min_size=30, max_size=30) | st.none()


@given(
    values,
    st.integers(0, 2**63),
    st.integers(0, 65535),
    st.booleans(),
    st.integers(0, 2**31),
    column_of(st.binary(max_size=9)),
    column_of(st.integers(-1, 2**62)),
)
def test_a_batch_comes_back_as_it_was(records, first_seq, slot, is_synchronous, task, keys, times):
    keys, times = (None if column is None else column[: len(records)] for column in (keys, times))
    sent = BatchFrame(7, slot, first_seq, records, is_synchronous, task, keys, times)
    assert BatchFrame.unpack(body_of(sent.pack(), Kind.BATCH)) == sent


@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 9), st.sampled_from([1, 3])), max_size=20))
def test_outputs_keep_their_record_and_slot(outputs):
    outputs.sort(key=lambda output: output[1])
    got = OutputFrame.unpack(
        body_of(
            OutputFrame(3, 10, [o[0] for o in outputs], [o[1] for o in outputs], [o[2] for o in outputs]).pack(),
            Kind.OUTPUT,
        )
    )
    assert list(zip(got.values, got.sources, got.slots, strict=True)) == outputs


def test_one_output_a_record_on_slot_1_costs_four_bytes_and_the_value():
    frame = OutputFrame(1, 100, [b"12345678"] * 100, list(range(100)), [1] * 100)
    assert len(frame.pack()) <= 100 * 12 + 50


def test_a_batch_without_keys_and_timestamps_costs_nothing_for_them():
    assert len(BatchFrame(1, 0, 1, [b"12345678"] * 100).pack()) <= 100 * 12 + 50


labels = st.fixed_dictionaries(
    {},
    optional={
        "key": st.none() | st.binary(max_size=9),
        "timestamp_ms": st.none() | st.integers(0, 2**62),
        "headers": st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3).map(tuple),
    },
)


@given(st.lists(st.none() | labels, max_size=9))
def test_what_a_script_says_of_an_output_travels_with_it_and_the_rest_is_the_inputs(parts):
    n, set_labels = len(parts), {index: part for index, part in enumerate(parts) if part is not None}
    failures = [Failure(n, "input", errors.DecodeError("json", "unexpected end"))]
    frame = OutputFrame(1, n + 1, [b"v"] * n, list(range(n)), [1] * n, failures, labels=set_labels)
    got = OutputFrame.unpack(body_of(frame.pack(), Kind.OUTPUT))
    assert (got.labels, got.values, len(got.failures)) == (set_labels, [b"v"] * n, 1)
    of_input = Label(b"k", 7, (("a", b"b"),))
    for part in got.labels.values():
        assert of_input._replace(**part) == Label(
            part.get("key", b"k"), part.get("timestamp_ms", 7), part.get("headers", (("a", b"b"),))
        )


def test_failures_travel_with_their_records():
    failures = [Failure(2, "input", errors.SchemaMismatch("legs[2].symbol", "string", "3 (int)"))]
    got = OutputFrame.unpack(body_of(OutputFrame(1, 3, failures=failures, is_halted=True).pack(), Kind.OUTPUT))
    assert (got.failures[0].index, got.failures[0].stage, str(got.failures[0].error)) == (
        2,
        "input",
        "Field 'legs[2].symbol': string expected, got 3 (int).",
    )
    assert got.is_halted


@pytest.mark.parametrize(
    "error",
    [
        errors.ActionFailed("action", "ValueError: no", 0, 3, "line 1\nline 2"),
        errors.DecodeError("json", "unexpected end"),
        errors.EncodeError("json", "NaN"),
        errors.ScriptInvalid("m", "invalid syntax", 3),
        errors.HookMissing("m", "action", "acton"),
        errors.AnnotationError(3, "unknown tag", "schema"),
        errors.NotBuilt("record sets", "line 3"),
    ],
)
def test_an_error_is_the_same_on_the_other_side(error):
    again = load_error(dump_error(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
