"""Whatever records hold, and however many there are, they come out of a frame as they went in."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.channel import BatchFrame, FrameReader, OutputFrame
from engine.record import Joined

LINES = st.binary(max_size=4).map(lambda data: data.replace(b"\n", b" "))
EQUAL = st.integers(0, 4).flatmap(lambda size: st.lists(st.binary(min_size=size, max_size=size), max_size=6))
VALUES = st.lists(st.binary(max_size=4) | st.just(b"\n"), max_size=6) | st.lists(LINES, max_size=6) | EQUAL


def forms(values):
    """Return the values as a list and, where all have one length, in one piece."""
    sizes = set(map(len, values))
    return [values] if len(sizes) != 1 or 0 in sizes else [values, Joined(b"".join(values), sizes.pop())]


def body(frame):
    ((_, content),) = FrameReader().feed(frame.pack())
    return content


@given(VALUES, st.booleans())
@example([], False)
@example([b""], False)
@example([b"", b""], True)
@example([b"\n"], False)
@example([b"", b"\n", b""], False)
@example([b"a\n", b"b"], True)
def test_records_come_out_of_a_batch_as_they_went_in(values, has_keys):
    keys = [value[:1] or None for value in values] if has_keys else None
    for form in forms(values):
        found = BatchFrame.unpack(body(BatchFrame(7, 2, 1 << 40, form, task=3, keys=keys)))
        assert (found.batch, found.slot, found.first_seq, found.task) == (7, 2, 1 << 40, 3)
        assert list(found.values) == values
        assert found.keys == keys


@pytest.mark.parametrize("slot", [1, 3])
@given(values=VALUES)
@example(values=[b""])
@example(values=[b"", b"\n", b""])
@example(values=[b"a\n", b"b"])
def test_outputs_come_out_of_an_answer_as_they_went_in(slot, values):
    n = len(values)
    for form in forms(values):
        labels = {0: {"key": b"k"}} if n else {}
        found = OutputFrame.unpack(body(OutputFrame(7, n, form, list(range(n)), [slot] * n, labels=labels)))
        assert list(found.values) == values
        assert (list(found.sources), list(found.slots)) == (list(range(n)), [slot] * n)
        assert (found.n_done, found.labels) == (n, labels)
