from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from engine.cli.feed import MAX_BYTES, MAX_RECORDS, feed, read_lines
from engine.errors import RetryAfter


class Engine:
    """Takes everything, and is busy whenever `busy` says so."""

    def __init__(self, busy: Sequence[bool] = ()) -> None:
        self.calls: list[list[bytes]] = []
        self._busy = list(busy)

    def input(self, slot: int, records: Sequence[bytes]) -> int:
        if self._busy and self._busy.pop(0):
            raise RetryAfter(0.25)
        taken = list(records)
        self.calls.append(taken)
        return len(taken)

    @property
    def records(self) -> list[bytes]:
        return [record for call in self.calls for record in call]


class Trickle(io.RawIOBase):
    """Gives one piece a read, as a slow pipe does."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def read1(self, size: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b""], []),
        ([b"1\n2\n"], [[b"1", b"2"]]),
        ([b"1\n2"], [[b"1"], [b"2"]]),
        ([b"1", b"2\n", b"3"], [[b"12"], [b"3"]]),
        ([b"1\r\n2\r\n"], [[b"1", b"2"]]),
        ([b"1\r", b"\n2"], [[b"1"], [b"2"]]),
        ([b"\n\n1\n"], [[b"", b"", b"1"]]),
        (["é\n".encode()[:1], "é\n".encode()[1:]], [["é".encode()]]),
    ],
)
def test_lines_are_found_however_they_arrive(pieces: list[bytes], lines: list[list[bytes]]) -> None:
    assert list(read_lines(Trickle(*pieces))) == lines


def test_lines_are_sent_as_soon_as_they_are_there() -> None:
    arrivals = read_lines(Trickle(b"1\n", b"2\n"))
    assert next(arrivals) == [b"1"]


def test_blank_lines_are_skipped_and_counted() -> None:
    engine = Engine()
    fed = feed(engine, 0, iter([[b"1", b"", b"  ", b"2"]]))  # type: ignore[arg-type]  # a double
    assert engine.records == [b"1", b"2"]
    assert (fed.n_accepted, fed.n_blank) == (2, 2)


def test_a_request_holds_a_bounded_number_of_records() -> None:
    engine = Engine()
    records = [str(i).encode() for i in range(2 * MAX_RECORDS + 1)]
    feed(engine, 0, iter([records]))  # type: ignore[arg-type]  # a double
    assert [len(call) for call in engine.calls] == [MAX_RECORDS, MAX_RECORDS, 1]
    assert engine.records == records


def test_a_request_holds_a_bounded_number_of_bytes() -> None:
    engine = Engine()
    large = b"x" * (MAX_BYTES - 1)
    feed(engine, 0, iter([[large, b"1", b"2", large]]))  # type: ignore[arg-type]  # a double
    assert [list(map(len, call)) for call in engine.calls] == [[MAX_BYTES - 1, 1], [1, MAX_BYTES - 1]]


def test_a_busy_engine_gets_the_same_records_again_after_the_time_it_asks_for() -> None:
    engine, pauses, n_told = Engine(busy=[True, True, False, True]), [], []
    fed = feed(
        engine,  # type: ignore[arg-type]  # a double
        0,
        iter([[b"1"], [b"2"]]),
        pause=pauses.append,
        on_busy=lambda: n_told.append(1),
    )
    assert engine.records == [b"1", b"2"]
    assert fed.n_accepted == 2
    assert pauses == [0.25, 0.25, 0.25]
    assert len(n_told) == 3
