"""A rolling window holds the last n values, whatever was done to it before."""

from __future__ import annotations

import copy
import subprocess
import sys
import tracemalloc
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
from engine import window

steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.floats(allow_nan=False)),
        st.tuples(st.just("extend"), st.lists(st.floats(allow_nan=False), max_size=12)),
        st.tuples(st.just("clear")),
    ),
    max_size=40,
)


@given(st.integers(1, 5), steps)
def test_a_window_holds_what_a_deque_of_that_length_holds(n, steps):
    rolling, model = window(n), deque(maxlen=n)
    for verb, *arguments in steps:
        getattr(rolling, verb)(*arguments)
        getattr(model, verb)(*arguments)
        assert rolling.array().tolist() == list(rolling) == list(model)
        assert (len(rolling), rolling.full, bool(rolling)) == (len(model), len(model) == n, bool(model))
        assert all(rolling[i] == model[i] for i in range(-len(model), len(model)))


def test_an_array_of_a_window_is_contiguous_and_left_alone_by_later_values():
    rolling = window(3)
    rolling.extend([1, 2, 3, 4])
    array, part = rolling.array(), rolling[1:]
    rolling.extend([5, 6, 7])
    assert array.tolist() == [2, 3, 4]
    assert part.tolist() == [3, 4]
    assert array.flags.c_contiguous
    assert array.dtype == np.float64


def test_a_record_taken_out_of_a_window_is_left_alone_too():
    rolling = window(1, [("price", "f8")])
    rolling.append((1.0,))
    record = rolling[0]
    for price in range(5):
        rolling.append((price,))
    assert record["price"] == 1.0


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("f4", 0.1), ("i8", 2**53 + 1), ("?", True), ("M8[D]", np.datetime64("2024-01-01")), ("U3", "abc")],
)
def test_values_are_of_the_dtype_that_was_asked_for(dtype, value):
    rolling = window(2, dtype)
    rolling.append(value)
    assert rolling.dtype == np.dtype(dtype)
    assert rolling[0] == np.array(value, dtype)


def test_an_append_takes_no_memory():
    rolling = window(1000)
    rolling.extend(range(1000))
    tracemalloc.start()
    for _ in range(5000):
        rolling.append(1.0)
    used_bytes, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used_bytes < 1000
    assert peak_bytes < 1000 * 8 + 2000  # the one move of the window to the front


@pytest.mark.parametrize("n_before", range(7))
@pytest.mark.parametrize("bad", ["text", [1.0, 2.0], object()])
def test_a_value_that_does_not_fit_leaves_the_window_as_it_was(n_before, bad):
    rolling = window(3)
    for value in range(n_before):
        rolling.append(value)
    before = rolling.array().tolist()
    with pytest.raises((TypeError, ValueError)):
        rolling.append(bad)
    with pytest.raises((TypeError, ValueError)):
        rolling.extend([1.0, bad])
    assert rolling.array().tolist() == before


def test_a_table_is_not_taken_for_a_row_of_values():
    with pytest.raises(ValueError, match="not an array of 2 dimensions"):
        window(3).extend(np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0,), "1 value or more, not 0"),
        ((-1,), "1 value or more, not -1"),
        ((3, object), "not object"),
        ((3, "U0"), "of a fixed length, not <U0"),
    ],
)
def test_a_window_that_cannot_be_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        window(*arguments)


def test_windows_are_equal_by_length_dtype_and_values():
    one, other = window(2), window(2)
    one.extend([0, 1, 2])
    other.extend([1, 2])
    assert one == other
    assert one != window(2)
    assert window(2) != window(3)
    assert window(2) != window(2, "f4")
    assert one != [1.0, 2.0]
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_a_copy_of_a_window_goes_its_own_way():
    one = window(2)
    one.append(1.0)
    shallow, deep = copy.copy(one), copy.deepcopy(one)
    for other, value in ((shallow, 2.0), (deep, 3.0), (one, 4.0)):
        other.append(value)
    assert [list(each) for each in (one, shallow, deep)] == [[1.0, 4.0], [1.0, 2.0], [1.0, 3.0]]


def test_a_window_shows_what_it_holds():
    rolling = window(3, "f4")
    rolling.extend([1, 2])
    assert repr(rolling) == "<window(3, 'float32'): [1., 2.]>"
    assert repr(window(2)) == "<window(2): []>"


def test_the_package_offers_it_without_loading_it():
    code = "import sys, engine; before = 'numpy' in sys.modules; from engine import window; print(before, window(3))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False <window(3): []>\n"
    assert {"window", "inference"} <= set(engine.__all__)
    with pytest.raises(AttributeError):
        engine.nothing  # noqa: B018 -- looked up for the error


@pytest.mark.parametrize(
    "change",
    [lambda one: one.append(9.0), lambda one: one.extend([8.0, 9.0]), lambda one: one.clear(), lambda one: None],
    ids=["append", "extend", "clear", "nothing"],
)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_copies_of_a_window_leave_each_other_alone(change, which):
    original = window(3)
    original.extend([1.0, 2.0, 3.0, 4.0])
    windows = [original, copy.copy(original)]
    windows.append(copy.copy(windows[1]))
    alone = window(3)
    alone.extend([2.0, 3.0, 4.0])
    change(alone)
    change(windows[which])
    for nth, one in enumerate(windows):
        assert list(one) == (list(alone) if nth == which else [2.0, 3.0, 4.0])
        one.append(5.0)
        assert one[-1] == 5.0
    assert [len(one) for one in windows] == [min(3, len(alone) + 1) if nth == which else 3 for nth in range(3)]


@pytest.mark.parametrize(
    ("values", "is_same"), [([1.0, -0.0], True), ([1.0, 0.0], False), ([1.0], False), ([0.0, 1.0, -0.0], False)]
)
def test_windows_are_the_same_in_every_bit_or_not(values, is_same):
    one, other = window(3), window(3)
    one.extend([1.0, -0.0])
    other.extend(values)
    assert one.is_same(other) == is_same
    assert one.is_same(copy.copy(one))
    assert not window(2).is_same(window(3))
    assert not window(3, "f4").is_same(window(3))
