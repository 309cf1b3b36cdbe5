"""What `engine.ports` asks of a Sink and of a ByteSink, of every one."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import threading
from contextlib import ExitStack

import pytest

import engine.streams
import engine.transports
from engine.errors import DeliveryFailed

JOIN_S = 10  # a thread that does not end by then never will


def test_every_sink_is_put_through_the_contract(contract_kinds):
    known = contract_kinds["sink_case"] | contract_kinds["byte_sink_case"]
    found = set()
    for package in (engine.transports, engine.streams):
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            members = inspect.getmembers(importlib.import_module(info.name), inspect.isclass)
            found |= {kind for _, kind in members if {"write", "flush", "close"} <= vars(kind).keys()}
    assert {kind for kind in found if not getattr(kind, "_is_protocol", False)} == known


def test_records_arrive_in_order_once_flushed(sink_case, tmp_path):
    sink, contents = sink_case.opened(tmp_path)
    sink.write([b"1", b""])
    sink.write([])
    sink.write([b"3"])
    sink.flush()
    assert contents() in (b"1\n\n3\n", None)
    sink.close()


def test_positions_rise_with_what_was_written(sink_case, tmp_path):
    sink, _ = sink_case.opened(tmp_path)
    positions = [sink.flush()]
    for _ in range(3):
        sink.write([b"x"])
        positions += [sink.flush(), sink.flush()]
    assert positions[0] == 0
    assert positions[1::2] == positions[2::2]
    assert len(set(positions)) == 4
    assert positions == sorted(positions)
    sink.close()


def test_closing_flushes_and_may_be_done_twice(sink_case, tmp_path):
    sink, contents = sink_case.opened(tmp_path)
    sink.write([b"1"])
    sink.close()
    sink.close()
    assert contents() in (b"1\n", None)


def test_a_sink_says_what_it_writes_to(sink_case, tmp_path):
    sink, contents = sink_case.opened(tmp_path)
    assert bool(sink.identity) is (contents() is not None)
    sink.close()


def test_a_closed_sink_takes_nothing(sink_case, tmp_path):
    sink, _ = sink_case.opened(tmp_path)
    sink.close()
    with pytest.raises(DeliveryFailed):
        sink.write([b"1"])


def end_of_a_blocked_write(sink, value, wait_until_full) -> list[str]:
    """Close the sink while another thread writes to it; return how the write ended."""
    outcome: list[str] = []

    def write() -> None:
        try:
            sink.write(value)
        except DeliveryFailed:
            outcome.append("failed")

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    wait_until_full()
    sink.close()
    thread.join(JOIN_S)
    assert not thread.is_alive()
    return outcome


def test_close_ends_a_blocked_write(waiting_sink_case, tmp_path, load):
    with ExitStack() as stack:
        sink, wait_until_full = waiting_sink_case.full(tmp_path, stack)
        assert end_of_a_blocked_write(sink, [load], wait_until_full) == ["failed"]


def test_close_ends_a_blocked_write_of_bytes(byte_sink_case, tmp_path, load):
    with ExitStack() as stack:
        sink, wait_until_full = byte_sink_case.full(tmp_path, stack)
        assert end_of_a_blocked_write(sink, load, wait_until_full) == ["failed"]


def test_bytes_arrive_and_the_position_is_their_number(byte_sink_case, tmp_path):
    sink, contents = byte_sink_case.opened(tmp_path)
    sink.write(b"123")
    sink.write(b"")
    sink.write(b"45")
    assert sink.flush() == 5
    assert contents() == b"12345"
    sink.close()
    sink.close()
    with pytest.raises(DeliveryFailed):
        sink.write(b"6")
    with pytest.raises(DeliveryFailed):
        sink.flush()


def test_what_is_behind_a_cut_is_gone_and_what_is_written_next_takes_its_place(sink_case, tmp_path):
    sink, contents = sink_case.opened(tmp_path)
    sink.write([b"1"])
    place = sink.flush()
    sink.write([b"2"])
    sink.flush()
    sink.write([b"3"])
    sink.cut(place)
    assert sink.flush() == place
    sink.write([b"4"])
    sink.flush()
    assert contents() in (b"1\n4\n", None)
    sink.close()
