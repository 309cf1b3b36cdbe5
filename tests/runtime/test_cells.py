"""The engine's side of cells: who is answered when, and what a commit takes along."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.cells import Cells
from engine.state.commits import SCRIPT, Entry


class Desk:
    """Asks for jets, and notes who was answered what."""

    def __init__(self):
        self.cells, self.answers = Cells(), []

    def ask(self, jet, verb, name="n", value=None):
        self.cells.ask(jet, [verb, "cells", b"", name, value], lambda got: self.answers.append((jet, verb, got)))

    def told(self):
        answers, self.answers = self.answers, []
        return answers


@pytest.fixture
def desk():
    return Desk()


def test_what_is_set_is_there_for_every_jet(desk):
    desk.ask("A", "get")
    desk.ask("A", "set", value=b"1")
    desk.ask("B", "get")
    desk.ask("B", "get", "other")
    assert desk.told() == [("A", "get", None), ("A", "set", None), ("B", "get", b"1"), ("B", "get", None)]
    assert (len(desk.cells), desk.cells.size_bytes) == (1, 2)


def test_who_wants_to_change_what_another_changes_waits_in_order_and_who_reads_does_not(desk):
    for jet, verb, value in [("A", "take", None), ("B", "take", None), ("C", "set", b"c"), ("D", "take", None)]:
        desk.ask(jet, verb, value=value)
    desk.ask("E", "get")
    assert desk.told() == [("A", "take", None), ("E", "get", None)]
    desk.ask("A", "put", value=b"a")
    assert desk.told() == [("A", "put", None), ("B", "take", b"a")]
    desk.ask("B", "release")
    assert desk.told() == [("B", "release", None), ("C", "set", None), ("D", "take", b"c")]
    desk.ask("D", "put", value=b"d")
    desk.ask("A", "take")
    assert desk.told() == [("D", "put", None), ("A", "take", b"d")]


def test_a_jet_that_died_frees_what_it_held_and_is_answered_no_more(desk):
    for jet, name in [("A", "n"), ("A", "m"), ("B", "n"), ("C", "n"), ("B", "m")]:
        desk.ask(jet, "take", name)
    desk.told()
    desk.cells.release("B")
    desk.cells.release("A")
    assert desk.told() == [("C", "take", None)]
    desk.ask("D", "set", "m", b"1")
    assert desk.told() == [("D", "set", None)]


def test_what_is_put_without_having_been_taken_changes_nothing(desk):
    desk.ask("A", "take")
    desk.ask("B", "put", value=b"b")
    desk.ask("C", "get")
    assert desk.told() == [("A", "take", None), ("B", "put", None), ("C", "get", None)]
    desk.ask("A", "put", value=b"a")
    assert [entry.value for entry in desk.cells.changes()] == [b"a"]


@pytest.mark.parametrize(
    "message",
    [
        ["steal", "cells", b"", "n", None],
        ["get", SCRIPT, b"", "n", None],
        ["get", "cells", b"", "n"],
        ["get", "cells", "", "n", None],
        ["set", "cells", b"", "n", 7],
    ],
)
def test_a_question_that_is_none_is_refused(message):
    with pytest.raises(ValueError, match=r"is not a verb|asks for nothing"):
        Cells().ask("A", message, lambda _: None)


def test_changes_are_taken_once_and_what_was_changed_back_is_none(desk):
    desk.ask("A", "set", value=b"1")
    desk.ask("A", "set", "m", b"1")
    assert desk.cells.changes() == [Entry("cells", b"", "n", b"1"), Entry("cells", b"", "m", b"1")]
    assert desk.cells.changes() == []
    desk.ask("A", "set", value=b"2")
    desk.ask("A", "set", value=b"1")
    assert desk.cells.changes() == []


def test_going_back_leads_behind_what_was_confirmed_and_no_further(desk):
    desk.ask("A", "set", value=b"1")
    desk.cells.changes()
    desk.ask("A", "set", value=b"2")
    desk.cells.changes()
    desk.cells.confirm()
    desk.ask("A", "set", value=b"3")
    desk.ask("A", "set", "m", b"3")
    desk.told()
    desk.cells.rollback()
    desk.ask("A", "get")
    desk.ask("A", "get", "m")
    assert desk.told() == [("A", "get", b"1"), ("A", "get", None)]
    assert desk.cells.changes() == []


def test_what_was_loaded_is_there_and_is_no_change(desk):
    desk.cells.load([Entry("cells", b"", "n", b"1"), Entry(SCRIPT, b"", "n", b"0"), Entry("pools/p", b"k", "", b"2")])
    desk.ask("A", "get")
    desk.cells.ask("A", ["get", "pools/p", b"k", "", None], lambda got: desk.answers.append(got))
    assert desk.told() == [("A", "get", b"1"), b"2"]
    assert desk.cells.changes() == []
    desk.cells.clear()
    assert len(desk.cells) == 0


names, values = st.sampled_from("ab"), st.binary(max_size=1)
steps = st.one_of(
    st.tuples(st.just("set"), names, values),
    st.tuples(st.just("update"), names, values),
    st.sampled_from([("changes",), ("confirm",), ("rollback",)]),
)


@given(st.lists(steps, max_size=30))
def test_a_store_that_takes_the_confirmed_changes_holds_what_going_back_leads_to(todo):
    cells, stored, taken = Cells(), {}, []
    for verb, *rest in todo:
        if verb == "changes":
            taken.append(cells.changes())
        elif verb == "confirm" and taken:
            stored |= {entry.name: entry.value for entry in taken.pop(0)}
            cells.confirm()
        elif verb == "rollback":
            cells.rollback()
            taken.clear()
        elif verb in ("set", "update"):
            name, value = rest
            for step in ["set"] if verb == "set" else ["take", "put"]:
                cells.ask("A", [step, "cells", b"", name, None if step == "take" else value], lambda _: None)
    cells.rollback()
    for name in "ab":
        cells.ask("A", ["get", "cells", b"", name, None], lambda got, name=name: compare(got, stored.get(name)))


def compare(got, wanted):
    assert got == wanted
