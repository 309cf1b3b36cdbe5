import threading

import pytest

from engine.envelopes import DatumEnvelope, DelimitedEnvelope
from engine.errors import EndOfStream, RetryAfter, StreamError
from engine.record import Oversized
from engine.state.commits import Kept
from engine.transports import RestInbox

ROOM = 1 << 20
JOIN_S = 10  # a thread that does not end by then never will


def take(inbox, *bodies):
    return inbox.put(inbox.split(bodies))


def read_now(inbox):
    return inbox.read(1000, 0.0).values


def test_a_body_is_a_record_whatever_is_in_it():
    inbox = RestInbox(ROOM)
    assert take(inbox, b"1\n2\n") == 1
    assert take(inbox, b"") == 1
    assert read_now(inbox) == [b"1\n2\n", b""]


def test_a_chunked_record_goes_on_in_the_next_body():
    inbox = RestInbox(ROOM, DelimitedEnvelope(), is_chunked=True)
    assert [take(inbox, b"1\n2"), take(inbox, b"0"), take(inbox, b"0\n")] == [1, 0, 1]
    assert read_now(inbox) == [b"1", b"200"]


def test_an_envelope_in_simple_mode_ends_its_records_with_the_body():
    inbox = RestInbox(ROOM, DelimitedEnvelope())
    assert [take(inbox, b"1\n2"), take(inbox, b"3\n")] == [2, 1]
    assert read_now(inbox) == [b"1", b"2", b"3"]


def test_positions_count_records_over_all_reads():
    inbox = RestInbox(ROOM)
    take(inbox, b"a", b"b", b"c")
    assert list(inbox.read(2, 0.0).positions) == [1, 2]
    assert list(inbox.read(2, 0.0).positions) == [3]


def test_a_full_inbox_takes_all_of_a_request_or_nothing():
    inbox = RestInbox(max_bytes=500)
    assert take(inbox, b"x" * 100, b"y" * 100) == 2
    with pytest.raises(RetryAfter):
        take(inbox, b"z", b"z" * 100)
    assert take(inbox, b"z") == 1
    assert len(inbox.read(2, 0.0)) == 2
    assert take(inbox, b"z", b"z" * 100) == 2


def test_many_empty_records_fill_an_inbox_too():
    inbox = RestInbox(max_bytes=1000)
    take(inbox, *[b""] * 20)
    with pytest.raises(RetryAfter):
        take(inbox, b"")


def test_a_record_over_the_bound_finds_room_in_an_empty_inbox():
    assert take(RestInbox(max_bytes=10), b"x" * 1000) == 1


def test_a_body_over_the_limit_of_a_record_is_kept_as_its_head():
    inbox = RestInbox(ROOM, max_record_bytes=2000)
    take(inbox, b"x" * 2001, b"y" * 2000)
    long, kept = read_now(inbox)
    assert (type(long), long.size_bytes, len(long)) == (Oversized, 2001, 1024)
    assert (type(kept), len(kept)) == (bytes, 2000)


def test_a_read_stops_at_a_mebibyte():
    inbox = RestInbox(10 * ROOM)
    take(inbox, *[bytes(ROOM // 2)] * 5)
    assert [len(inbox.read(1000, 0.0)) for _ in range(3)] == [2, 2, 1]


def test_a_closed_inbox_takes_nothing():
    inbox = RestInbox(ROOM)
    inbox.close()
    with pytest.raises(StreamError, match="detached"):
        take(inbox, b"1")


def test_a_waiting_read_gets_the_record_that_comes():
    inbox = RestInbox(ROOM)
    values = []
    thread = threading.Thread(target=lambda: values.extend(inbox.read(10, 1000.0).values), daemon=True)
    thread.start()
    take(inbox, b"1")
    thread.join(JOIN_S)
    assert values == [b"1"]


def test_a_sealed_inbox_takes_no_more_and_gives_what_it_has():
    inbox = RestInbox(ROOM)
    take(inbox, b"a", b"b")
    inbox.seal()
    with pytest.raises(StreamError, match="detached"):
        take(inbox, b"c")
    assert inbox.read(10, 0.0).values == [b"a", b"b"]
    with pytest.raises(EndOfStream):
        inbox.read(10, 0.0)


def test_room_is_kept_for_what_was_split_until_it_is_put_or_given_back():
    inbox = RestInbox(max_bytes=500)
    parcels = [inbox.split([b"x" * 100]) for _ in range(3)]
    assert (inbox.size_bytes, inbox.n_accepted) == (0, 0)
    with pytest.raises(RetryAfter):
        inbox.split([b"y" * 100])
    inbox.give_back(parcels[1])
    last = inbox.split([b"y" * 100])
    for parcel in (parcels[0], parcels[2], last):
        inbox.put(parcel)
    assert read_now(inbox) == [b"x" * 100, b"x" * 100, b"y" * 100]
    assert inbox.size_bytes == 0


def test_many_requests_at_once_never_take_more_room_than_there_is():
    inbox = RestInbox(max_bytes=10_000)
    taken, refused = [], []

    def send():
        for _ in range(50):
            try:
                taken.append(inbox.split([b"z" * 436]))
            except RetryAfter as exc:
                refused.append(exc)

    threads = [threading.Thread(target=send, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_S)
    assert (len(taken), len(refused)) == (20, 380)


def test_what_is_given_back_leaves_the_envelope_where_it_was():
    inbox = RestInbox(ROOM, DelimitedEnvelope(), is_chunked=True)
    take(inbox, b"1\n2")
    parcel = inbox.split([b"3\n4"])
    assert (parcel.values, parcel.pending != b"") == ([b"23"], True)
    inbox.give_back(parcel)
    assert take(inbox, b"0\n") == 1
    assert read_now(inbox) == [b"1", b"20"]


def test_a_request_that_the_envelope_cannot_take_leaves_it_where_it_was():
    inbox = RestInbox(ROOM, DatumEnvelope(["null", "long"]), is_chunked=True)
    assert take(inbox, b"\x02") == 0
    with pytest.raises(StreamError, match="not avro-binary"):
        inbox.split([b"\x04\x00", b"\x7f\x7f", b"\x00"])
    assert take(inbox, b"\x06\x00") == 2
    assert read_now(inbox) == [b"\x02\x06", b"\x00"]


@pytest.mark.parametrize("begun", [b"", b"12", b"x" * 3000])
def test_an_inbox_goes_on_where_the_one_before_it_was(begun):
    before = RestInbox(ROOM, DelimitedEnvelope(max_record_bytes=2000), is_chunked=True)
    take(before, b"a\nb\n" + b"y" * 2500 + b"\nc\n")
    pending = before.split([begun]).pending
    values = before.read(10, 0.0).values[1:]
    after = RestInbox(ROOM, DelimitedEnvelope(max_record_bytes=2000), is_chunked=True, start=1)
    after.restore(Kept(2, values, pending))
    assert after.n_accepted == 4
    take(after, b"3\n")
    batch = after.read(10, 0.0)
    assert list(batch.positions) == [2, 3, 4, 5]
    assert batch.values[0::2] == [b"b", b"c"]
    assert (type(batch.values[1]), batch.values[1].size_bytes) == (Oversized, 2500)
    assert len(begun) < 2000 or batch.values[3].size_bytes == 3001
    assert len(begun) > 2000 or batch.values[3] == begun + b"3"


def test_an_inbox_without_a_journal_counts_from_where_it_is_told():
    inbox = RestInbox(ROOM, start=7)
    inbox.restore(Kept(1, []))
    take(inbox, b"a")
    assert list(inbox.read(1, 0.0).positions) == [8]


def test_a_sealed_inbox_still_gets_what_was_split_before():
    inbox = RestInbox(ROOM)
    parcel = inbox.split([b"a"])
    inbox.seal()
    assert len(inbox.read(1, 0.0)) == 0
    inbox.put(parcel)
    assert read_now(inbox) == [b"a"]
    with pytest.raises(EndOfStream):
        inbox.read(1, 0.0)


def test_what_comes_to_a_closed_inbox_is_counted_and_not_read():
    inbox = RestInbox(ROOM)
    parcel = inbox.split([b"a"])
    inbox.close()
    assert inbox.put(parcel) == 1
    with pytest.raises(EndOfStream):
        inbox.read(1, 0.0)
