"""What `engine.ports` asks of an Envelope, of every one."""

from __future__ import annotations

import engine.envelopes


def read_whole(envelope, data):
    values, ends = [*envelope.feed(data)], [*envelope.ends]
    values += envelope.finish()
    return values, [*ends, *envelope.ends]


def test_every_envelope_is_put_through_the_contract(contract_kinds):
    assert contract_kinds["envelope_case"] == {getattr(engine.envelopes, name) for name in engine.envelopes.__all__}


def test_what_is_wrapped_comes_back(envelope_case):
    envelope = envelope_case.opened()
    assert read_whole(envelope, envelope.wrap(envelope_case.records))[0] == list(envelope_case.records)


def test_nothing_wraps_to_nothing(envelope_case):
    assert envelope_case.opened().wrap([]) == b""


def test_single_bytes_give_the_same_records_and_ends_as_the_whole(envelope_case):
    data = envelope_case.opened().wrap(envelope_case.records)
    envelope = envelope_case.opened()
    values, ends = [], []
    for byte in data:
        values += envelope.feed(bytes([byte]))
        ends += envelope.ends
    assert envelope.finish() == []
    assert (values, ends) == read_whole(envelope_case.opened(), data)


def test_reading_on_behind_a_records_end_gives_the_next(envelope_case):
    data = envelope_case.opened().wrap(envelope_case.records)
    for index, end in enumerate(read_whole(envelope_case.opened(), data)[1], start=1):
        assert read_whole(envelope_case.opened(), data[end:])[0] == list(envelope_case.records[index:])


def test_a_record_begun_is_pending_until_it_ends(envelope_case):
    envelope = envelope_case.opened()
    data = envelope.wrap(envelope_case.records[-2:])
    assert envelope.pending_bytes == 0
    envelope.feed(data[:-1])
    assert envelope.pending_bytes == len(data) - 1 - (envelope.ends[-1] if envelope.ends else 0)
    envelope.feed(data[-1:])
    assert envelope.pending_bytes == 0


def test_the_end_comes_once(envelope_case):
    envelope = envelope_case.opened()
    envelope.feed(envelope.wrap(envelope_case.records)[:-1])
    envelope.finish()
    assert envelope.pending_bytes == 0
    assert envelope.finish() == []
    assert list(envelope.ends) == []


def test_another_envelope_goes_on_where_one_was_saved(envelope_case):
    data = envelope_case.opened().wrap(envelope_case.records)
    for cut in range(len(data) + 1):
        first, second = envelope_case.opened(), envelope_case.opened()
        values = first.feed(data[:cut])
        saved = first.save()
        assert bool(saved) is bool(first.pending_bytes)
        second.restore(saved)
        assert second.pending_bytes == first.pending_bytes
        assert values + second.feed(data[cut:]) + second.finish() == list(envelope_case.records)


def test_an_envelope_goes_back_to_where_it_was_saved(envelope_case):
    envelope = envelope_case.opened()
    data = envelope.wrap(envelope_case.records)
    values = envelope.feed(data[:-1])
    saved = envelope.save()
    envelope.feed(data[-1:] + data[:-1])
    envelope.restore(saved)
    assert values + envelope.feed(data[-1:]) + envelope.finish() == list(envelope_case.records)
