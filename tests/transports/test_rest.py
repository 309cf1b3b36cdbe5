import threading

import pytest

from engine.envelopes import DelimitedEnvelope
from engine.errors import DeliveryFailed, EndOfStream, RetryAfter, StreamError
from engine.record import Oversized
from engine.transports import RestInbox, RestOutbox

ROOM = 1 << 20
JOIN_S = 10  # a thread that does not end by then never will


def read_now(inbox):
    return inbox.read(1000, 0.0).values


def test_a_body_is_a_record_whatever_is_in_it():
    inbox = RestInbox(ROOM)
    assert inbox.put(b"1\n2\n") == 1
    assert inbox.put(b"") == 1
    assert read_now(inbox) == [b"1\n2\n", b""]


def test_a_chunked_record_goes_on_in_the_next_body():
    inbox = RestInbox(ROOM, DelimitedEnvelope(), is_chunked=True)
    assert [inbox.put(b"1\n2"), inbox.put(b"0"), inbox.put(b"0\n")] == [1, 0, 1]
    assert read_now(inbox) == [b"1", b"200"]


def test_an_envelope_in_simple_mode_ends_its_records_with_the_body():
    inbox = RestInbox(ROOM, DelimitedEnvelope())
    assert [inbox.put(b"1\n2"), inbox.put(b"3\n")] == [2, 1]
    assert read_now(inbox) == [b"1", b"2", b"3"]


def test_positions_count_records_over_all_reads():
    inbox = RestInbox(ROOM)
    inbox.put(b"a", b"b", b"c")
    assert list(inbox.read(2, 0.0).positions) == [1, 2]
    assert list(inbox.read(2, 0.0).positions) == [3]


def test_a_full_inbox_takes_all_of_a_request_or_nothing():
    inbox = RestInbox(max_bytes=500)
    assert inbox.put(b"x" * 100, b"y" * 100) == 2
    with pytest.raises(RetryAfter):
        inbox.put(b"z", b"z" * 100)
    assert inbox.put(b"z") == 1
    assert len(inbox.read(2, 0.0)) == 2
    assert inbox.put(b"z", b"z" * 100) == 2


def test_many_empty_records_fill_an_inbox_too():
    inbox = RestInbox(max_bytes=1000)
    inbox.put(*[b""] * 20)
    with pytest.raises(RetryAfter):
        inbox.put(b"")


def test_a_record_over_the_bound_finds_room_in_an_empty_inbox():
    assert RestInbox(max_bytes=10).put(b"x" * 1000) == 1


def test_a_body_over_the_limit_of_a_record_is_kept_as_its_head():
    inbox = RestInbox(ROOM, max_record_bytes=2000)
    inbox.put(b"x" * 2001, b"y" * 2000)
    long, kept = read_now(inbox)
    assert (type(long), long.size_bytes, len(long)) == (Oversized, 2001, 1024)
    assert (type(kept), len(kept)) == (bytes, 2000)


def test_a_read_stops_at_a_mebibyte():
    inbox = RestInbox(10 * ROOM)
    inbox.put(*[bytes(ROOM // 2)] * 5)
    assert [len(inbox.read(1000, 0.0)) for _ in range(3)] == [2, 2, 1]


def test_a_closed_inbox_takes_nothing():
    inbox = RestInbox(ROOM)
    inbox.close()
    with pytest.raises(StreamError, match="detached"):
        inbox.put(b"1")


def test_a_waiting_read_gets_the_record_that_comes():
    inbox = RestInbox(ROOM)
    values = []
    thread = threading.Thread(target=lambda: values.extend(inbox.read(10, 1000.0).values), daemon=True)
    thread.start()
    inbox.put(b"1")
    thread.join(JOIN_S)
    assert values == [b"1"]


def test_outputs_are_numbered_from_one_and_kept_until_acknowledged():
    outbox = RestOutbox(ROOM)
    outbox.write([b"a", b"b", b"c"])
    assert outbox.peek(0) == outbox.peek(0) == [(1, b"a"), (2, b"b"), (3, b"c")]
    assert outbox.peek(after=1, limit=1) == [(2, b"b")]
    outbox.acknowledge(2)
    assert outbox.peek(0) == [(3, b"c")]
    assert outbox.peek(3) == []
    outbox.acknowledge(99)
    outbox.write([b"d"])
    assert outbox.peek(0) == [(4, b"d")]
    assert outbox.last_seq == outbox.flush() == 4


def test_outputs_stay_when_the_outbox_is_closed():
    outbox = RestOutbox(ROOM)
    outbox.write([b"a"])
    outbox.close()
    assert outbox.peek(0) == [(1, b"a")]


def test_a_full_outbox_shows_what_fits_and_takes_the_rest_once_that_is_acknowledged():
    outbox = RestOutbox(max_bytes=200)
    thread = threading.Thread(target=outbox.write, args=([b"a", b"b", b"c", b"d", b"e"],), daemon=True)
    thread.start()
    received = []
    while len(received) < 5:
        fresh = outbox.peek()
        assert sum(len(value) for _, value in fresh) <= 200
        received += [value for _, value in fresh]
        outbox.acknowledge(fresh[-1][0] if fresh else 0)
    thread.join(JOIN_S)
    assert received == [b"a", b"b", b"c", b"d", b"e"]
    assert not outbox.is_full


def test_a_sealed_inbox_takes_no_more_and_gives_what_it_has():
    inbox = RestInbox(ROOM)
    inbox.put(b"a", b"b")
    inbox.seal()
    with pytest.raises(StreamError, match="detached"):
        inbox.put(b"c")
    assert inbox.read(10, 0.0).values == [b"a", b"b"]
    with pytest.raises(EndOfStream):
        inbox.read(10, 0.0)


def test_a_write_that_is_cut_short_says_so():
    outbox = RestOutbox(ROOM)
    outbox.close()
    with pytest.raises(DeliveryFailed, match="detached"):
        outbox.write([b"a"])
