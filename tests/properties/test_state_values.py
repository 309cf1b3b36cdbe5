"""Any value of the types that are kept comes back as it was, and no bytes whatever do harm."""

from __future__ import annotations

import tracemalloc
from collections import deque
from datetime import timedelta, timezone

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.errors import StateError
from engine.state import LIMIT_BYTES, Window, pack, unpack
from tests.state.sameness import are_same
from tests.state.test_values import VALUES

texts = st.text(st.characters(exclude_categories=()), max_size=8)
offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
zones = st.one_of(st.none(), st.timezones(), offsets)
dtypes = st.one_of(
    hnp.scalar_dtypes(),
    hnp.unicode_string_dtypes(min_len=1),
    hnp.byte_string_dtypes(min_len=1),
    hnp.array_dtypes(max_size=3),
).filter(lambda dtype: dtype.itemsize > 0)
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
hashables = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.complex_numbers(),
        texts,
        st.binary(max_size=8),
        st.decimals().filter(lambda value: not value.is_snan()),  # such a one cannot be hashed
        st.dates(),
        st.times(timezones=zones),
        st.datetimes(timezones=zones, allow_imaginary=False),
        st.timedeltas(),
        zones,
        hnp.arrays(hnp.scalar_dtypes(), ()).map(lambda array: array[()]),
    ),
    lambda children: st.one_of(st.tuples(children, children), st.frozensets(children, max_size=3)),
    max_leaves=4,
)
floats = st.lists(st.floats(), max_size=40)
windows = st.builds(
    lambda n, dtype, values: Window.of(n, np.array(values[-n:], dtype)),
    st.integers(1, 30),
    st.sampled_from(["f8", "f4"]),
    st.lists(st.floats(width=32), max_size=40),
)
values = st.recursive(
    st.one_of(hashables, arrays, windows, floats, floats.map(tuple), st.binary().map(bytearray)),
    lambda children: st.one_of(
        st.lists(children, max_size=4),
        st.tuples(children, children),
        st.dictionaries(hashables, children, max_size=4),
        st.sets(hashables, max_size=4),
        st.builds(deque, st.lists(children, max_size=4), st.one_of(st.none(), st.integers(0, 100))),
    ),
    max_leaves=12,
)


@given(values)
@settings(max_examples=150, deadline=None)
def test_a_value_comes_back_as_it_was(value):
    assert are_same(unpack(pack(value)), value)


@given(values)
@settings(deadline=None)
def test_what_comes_back_packs_into_as_many_bytes(value):
    assert len(pack(unpack(pack(value)))) == len(pack(value))


def unpack_damaged(data):
    """Unpack what may be anything; no exception but ours, and no memory but what the bytes could fill."""
    tracemalloc.start()
    try:
        unpack(data)
    except StateError:
        pass
    finally:
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    # A window has twice its length in memory, a list takes 8 bytes for an item of one; the rest is what imports take.
    assert peak_bytes < 2 * LIMIT_BYTES + 100 * len(data) + (8 << 20)


@pytest.mark.parametrize("name", [name for name in VALUES if name not in {"long list", "a huge int"}])
@pytest.mark.filterwarnings("ignore")  # what pandas and numpy say of damaged values
def test_any_byte_flipped_or_cut_gives_a_value_or_an_error_of_state(name):
    packed = pack(VALUES[name])
    unpack(packed)
    for at in range(0, len(packed), 1 + len(packed) // 400):  # a frame takes a millisecond, and has 1,500
        unpack_damaged(packed[:at])
        for flipped in (0x01, 0x80, 0xFF):
            unpack_damaged(packed[:at] + bytes([packed[at] ^ flipped]) + packed[at + 1 :])


@given(st.binary(max_size=200))
@example(b"l\xff\xff\xff\xff\x7f" * 30)
@example(b"l\x20\x02\x7f" + b"\xdd\x00\xff\xff\xff" * 30)
@settings(max_examples=500, deadline=None)
def test_any_bytes_give_a_value_or_an_error_of_state(data):
    unpack_damaged(b"\x01" + data)


@given(values, st.data())
@settings(deadline=None)
def test_bytes_moved_about_give_a_value_or_an_error_of_state(value, data):
    packed = bytearray(pack(value))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(1, len(packed) - 1)) if len(packed) > 1 else 0
        packed[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    unpack_damaged(bytes(packed))
