import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import errors
from engine.channel import BatchFrame, Failure, FrameReader, Kind, OutputFrame, dump_error, load_error

values = st.lists(st.binary(max_size=40), max_size=30)


def body_of(frame: bytes, kind: Kind) -> memoryview:
    [(got, body)] = FrameReader().feed(frame)
    assert got is kind
    return body


@given(values, st.integers(0, 2**63), st.integers(0, 65535), st.booleans())
def test_a_batch_comes_back_as_it_was(records, first_seq, slot, is_synchronous):
    sent = BatchFrame(7, slot, first_seq, records, is_synchronous)
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
