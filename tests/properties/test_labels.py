"""Labels in columns are what a list of labels is."""

from hypothesis import given
from hypothesis import strategies as st

from engine.record import Label, Labels

headers = st.lists(st.tuples(st.text(max_size=3), st.none() | st.binary(max_size=3)), max_size=2).map(tuple)
labels = st.builds(
    Label, st.none() | st.binary(max_size=3), st.none() | st.integers(0, 2**62), headers, st.integers(0, 9)
)
many = st.lists(labels, max_size=8)
places = st.none() | st.integers(-9, 9)


@given(many, places, places)
def test_they_are_cut_and_looked_at_as_a_list(its, start, stop):
    columns = Labels.of(its)
    assert (len(columns), list(columns), columns) == (len(its), its, its)
    assert [columns[index] for index in range(-len(its), len(its))] == its + its
    part = columns[start:stop]
    assert (type(part), part) == (Labels, its[start:stop])
    part.extend(Labels.of(its))
    assert (part, columns) == (its[start:stop] + its, its)


@given(many, many)
def test_they_are_equal_as_lists_are(its, others):
    assert (Labels.of(its) == Labels.of(others)) == (its == others)
    assert (Labels.of(its) == 7) is False
