"""What `engine.ports` asks of a Source and of a ByteSource, of every one."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import threading
from itertools import pairwise

import pytest

import engine.streams
import engine.transports
from engine.errors import EndOfStream, StreamChanged

RECORDS = [b"1", b"22", b"", b"4444", b"5"]
N_RECORDS = len(RECORDS)
JOIN_S = 10  # a thread that does not end by then never will


def classes_with(*methods: str) -> set[type]:
    """Return the classes of transports/ and streams/ that have the methods, protocols aside."""
    found = set()
    for package in (engine.transports, engine.streams):
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            for _, kind in inspect.getmembers(importlib.import_module(info.name), inspect.isclass):
                is_protocol = getattr(kind, "_is_protocol", False)
                is_ours = kind.__module__.startswith(package.__name__)
                if is_ours and not is_protocol and all(callable(getattr(kind, name, None)) for name in methods):
                    found.add(kind)
    return found


def read_all(source, n_records=N_RECORDS):
    values, positions = [], []
    while len(values) < n_records:
        batch = source.read(2, 10.0)
        assert len(batch) <= 2
        values += batch.values
        positions += batch.positions
    return values, positions


def test_every_source_is_put_through_the_contract(contract_kinds):
    known = contract_kinds["source_case"] | contract_kinds["byte_source_case"]
    assert classes_with("read", "close") - known - {engine.transports.file.InterruptibleFile} == set()


def test_records_come_in_order_and_whole(source_case, tmp_path):
    source = source_case.filled(RECORDS, tmp_path)
    assert read_all(source)[0] == RECORDS
    source.close()


def test_positions_rise_with_the_records(source_case, tmp_path):
    source = source_case.filled(RECORDS, tmp_path)
    assert all(before < after for before, after in pairwise(read_all(source)[1]))
    source.close()


def test_reading_goes_on_behind_any_position(seekable_source_case, tmp_path):
    source = seekable_source_case.filled(RECORDS, tmp_path)
    for index, position in enumerate([0, *read_all(source)[1]]):
        source.seek(position)
        assert read_all(source, len(RECORDS) - index)[0] == RECORDS[index:]
    source.close()


def test_positions_behind_a_seek_are_those_from_before(seekable_source_case, tmp_path):
    source = seekable_source_case.filled(RECORDS, tmp_path)
    positions = read_all(source)[1]
    source.seek(positions[1])
    assert read_all(source, 3)[1] == positions[2:]
    source.close()


def test_another_process_goes_on_behind_any_position(resumable_source_case, tmp_path):
    source = resumable_source_case.filled(RECORDS, tmp_path)
    positions = [0, *read_all(source)[1]]
    source.close()
    for index, position in enumerate(positions[:-1]):
        source = resumable_source_case.filled(RECORDS, tmp_path)
        source.resume(position)
        assert read_all(source, N_RECORDS - index) == (RECORDS[index:], positions[index + 1 :])
        source.close()


def test_data_that_are_fewer_than_was_read_are_refused(resumable_source_case, tmp_path):
    source = resumable_source_case.filled(RECORDS, tmp_path)
    position = read_all(source)[1][-1]
    source.close()
    source = resumable_source_case.filled(RECORDS[:2], tmp_path)
    with pytest.raises(StreamChanged, match=f"{position} were read"):
        source.resume(position)
    source.close()


def test_the_end_is_said_again_and_again(ending_source_case, tmp_path):
    source = ending_source_case.filled(RECORDS, tmp_path)
    read_all(source)
    for _ in range(3):
        with pytest.raises(EndOfStream):
            source.read(1, 0.0)
    source.close()


def test_nothing_in_time_is_an_empty_batch(waiting_source_case, tmp_path):
    source = waiting_source_case.waiting(tmp_path)
    assert len(source.read(1, 0.0)) == 0
    source.close()


def test_a_closed_source_is_at_its_end_and_closes_again(source_case, tmp_path):
    source = source_case.filled(RECORDS, tmp_path)
    source.read(1, 0.0)
    source.close()
    source.close()
    with pytest.raises(EndOfStream):
        source.read(1, 0.0)


def end_of_a_blocked_read(source) -> list[str]:
    """Close the source while another thread reads it; return how the read ended."""
    outcome: list[str] = []
    started = threading.Event()

    def read() -> None:
        started.set()
        try:
            source.read(1, 1000.0)
        except EndOfStream:
            outcome.append("end")

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    started.wait()
    source.close()
    thread.join(JOIN_S)
    assert not thread.is_alive()
    return outcome


def test_close_ends_a_blocked_read(waiting_source_case, tmp_path):
    assert end_of_a_blocked_read(waiting_source_case.waiting(tmp_path)) == ["end"]


def test_close_ends_a_blocked_read_of_bytes(waiting_byte_source_case, tmp_path):
    assert end_of_a_blocked_read(waiting_byte_source_case.waiting(tmp_path)) == ["end"]


def read_to_end(source, max_bytes):
    data = b""
    while True:
        try:
            piece = source.read(max_bytes, 10.0)
        except EndOfStream:
            return data
        assert len(piece) <= max_bytes
        data += piece


@pytest.mark.parametrize("max_bytes", [1, 3, 1000])
def test_bytes_come_in_order_up_to_the_end_and_again_after_a_seek(byte_source_case, tmp_path, max_bytes):
    source = byte_source_case.filled(RECORDS, tmp_path)
    assert read_to_end(source, max_bytes) == b"1\n22\n\n4444\n5\n"
    assert read_to_end(source, max_bytes) == b""
    source.seek(2)
    assert read_to_end(source, max_bytes) == b"22\n\n4444\n5\n"
    source.close()


def test_a_closed_byte_source_is_at_its_end_and_cannot_seek(byte_source_case, tmp_path):
    source = byte_source_case.filled(RECORDS, tmp_path)
    source.close()
    source.close()
    with pytest.raises(EndOfStream):
        source.read(1, 0.0)
    with pytest.raises(EndOfStream):
        source.seek(0)
