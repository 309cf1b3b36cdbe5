"""A topic as a sink hands on what records carry, and decides their partition only where there is no key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from engine.kafka.sink import KafkaSink
from engine.record import Label, Labels


class Noting:
    """A transaction that notes what is done with it."""

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.n_aborted = 0

    def write(self, topic: str, records: Iterable[Any]) -> None:
        self.written += [(topic, *record) for record in records]

    def abort(self) -> None:
        self.n_aborted += 1


def sink_of(transaction: Noting, n_partitions: int = 4) -> KafkaSink:
    return KafkaSink(transaction, "scores", n_partitions)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (Label(b"k", 7, (("h", None),), 5), (b"k", None, 7, (("h", None),))),
        (Label(None, None, (), 5), (None, 1, None, ())),
        (Label(None, 7, (), 0), (None, 0, 7, ())),
        (Label(b"", None, (), 5), (b"", None, None, ())),
    ],
)
def test_a_record_keeps_what_it_carries_and_goes_where_its_key_or_its_task_says(label: Label, expected: Any) -> None:
    transaction = Noting()
    sink_of(transaction).write([b"v"], Labels.of([label]))
    assert transaction.written == [("scores", b"v", *expected)]


def test_records_of_which_nothing_is_known_stay_in_order() -> None:
    transaction = Noting()
    sink_of(transaction).write([b"a", b"b"])
    assert transaction.written == [("scores", value, None, 0, None, ()) for value in (b"a", b"b")]


def test_to_cut_is_to_take_back_the_transaction_and_to_close_is_nothing() -> None:
    transaction = Noting()
    sink = sink_of(transaction)
    assert sink.flush() == 0
    sink.cut(0)
    sink.close()
    assert (transaction.n_aborted, sink.wants_labels, sink.identity) == (1, True, "")
