import pytest

from engine.envelopes import DelimitedEnvelope
from engine.record import MAX_RECORD_BYTES, Oversized


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"", []),
        (b"1", [b"1"]),
        (b"1\n", [b"1"]),
        (b"1\n2", [b"1", b"2"]),
        (b"1\n\n2\n", [b"1", b"", b"2"]),
        (b"\n", [b""]),
        (b"1\n\n", [b"1", b""]),
        (b"1\r\n2\r\n", [b"1\r", b"2\r"]),
    ],
)
def test_the_empty_rest_behind_the_last_separator_is_no_record(data, records):
    envelope = DelimitedEnvelope()
    assert envelope.feed(data) + envelope.finish() == records


def test_a_long_record_is_let_go_as_it_comes_and_the_next_one_is_whole():
    envelope = DelimitedEnvelope()
    piece = b"x" * (1 << 20)
    most_kept = 0
    for _ in range(20):
        assert envelope.feed(piece) == []
        most_kept = max(most_kept, len(envelope._pending))
    assert envelope.pending_bytes == 20 << 20
    long, next_one = envelope.feed(b"yz\n7\n")
    assert isinstance(long, Oversized)
    assert long.size_bytes == (20 << 20) + 2
    assert long == b"x" * 1024
    assert next_one == b"7"
    assert most_kept <= MAX_RECORD_BYTES


def test_a_long_record_at_the_end_needs_no_separator():
    envelope = DelimitedEnvelope(max_record_bytes=3)
    envelope.feed(b"1234")
    [record] = envelope.finish()
    assert (type(record), record.size_bytes) == (Oversized, 4)


def test_a_record_of_just_the_limit_is_kept():
    envelope = DelimitedEnvelope(b"\r\n", max_record_bytes=3)
    assert envelope.feed(b"123\r") == []
    assert [type(value) for value in envelope.feed(b"\n")] == [bytes]
