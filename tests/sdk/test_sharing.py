"""Cells and pools as a script sees them: in a process of its own, and with an engine behind."""

import threading

import pytest

from engine import cells, pools
from engine.errors import StateTooLarge, StateUnkept
from engine.runtime.cells import Cells
from engine.sdk.sharing import connect
from engine.state import pack, unpack


@pytest.fixture(params=["alone", "engine"])
def home(request):
    """Connect to this process, and then to an engine's cells that another jet may hold."""
    engine = Cells()

    def ask(message):
        answers = []
        engine.ask("this jet", message, answers.append)
        return answers.pop()

    connect(ask if request.param == "engine" else None)
    yield engine
    connect()


@pytest.mark.usefixtures("home")
class TestSharing:
    def test_what_was_never_set_is_none(self):
        assert cells("counter").value is None
        assert pools("seen").get("AAPL") is None

    def test_a_cell_holds_what_it_was_set_to_under_its_name(self):
        cells("a").set([1, 2.5, ("x", None)])
        assert cells("a").value == [1, 2.5, ("x", None)]
        assert cells("b").value is None
        assert pools("a").get("a") is None

    def test_what_is_read_is_a_copy(self):
        cells("a").set([1])
        cells("a").value.append(2)
        assert cells("a").value == [1]

    def test_an_update_returns_the_new_value(self):
        assert cells("n").update(lambda n: (n or 0) + 1) == 1
        assert cells("n").update(lambda n: (n or 0) + 1) == 2
        assert cells("n").value == 2

    def test_a_pool_holds_a_value_for_every_key_of_every_type(self):
        pool = pools("p")
        keys = ["1", 1, True, b"1", None, 1.5, ("a", 1), frozenset({2})]
        for number, key in enumerate(keys):
            pool.set(key, number)
        assert [pool.get(key) for key in keys] == list(range(len(keys)))
        assert pool.update(("a", 1), lambda n: -n) == -6
        assert (pool.get(("a", 1)), pools("q").get("1")) == (-6, None)

    def test_an_update_that_raises_leaves_the_value_and_lets_others_change_it(self):
        cells("n").set(1)
        with pytest.raises(ZeroDivisionError):
            cells("n").update(lambda n: n / 0)
        with pytest.raises(StateUnkept, match=r"cells\('n'\)\['a'\]: _thread.lock cannot be kept"):
            cells("n").update(lambda _: {"a": threading.Lock()})
        assert cells("n").value == 1
        assert cells("n").update(lambda n: n + 1) == 2

    def test_a_value_that_is_too_large_is_refused(self):
        with pytest.raises(StateTooLarge, match=r"pools\('p'\), key 'k': it takes at least 17.0 MiB"):
            pools("p").set("k", bytes(17 << 20))
        assert pools("p").get("k") is None

    @pytest.mark.parametrize(
        ("change", "label"),
        [
            (lambda: cells("n").update(lambda n: n), r"cells\('n'\): update\(\)"),
            (lambda: cells("n").set(1), r"cells\('n'\): set\(\)"),
            (lambda: cells("other").set(1), r"cells\('other'\): set\(\)"),
            (lambda: pools("p").update("k", lambda n: n), r"pools\('p'\), key 'k': update\(\)"),
        ],
    )
    def test_a_change_within_an_update_is_an_error_and_not_a_wait_for_ever(self, change, label):
        with pytest.raises(RuntimeError, match=label + r" was called within the update\(\) of cells\('n'\)"):
            cells("n").update(lambda _: change())
        assert cells("n").update(lambda _: 5) == 5

    def test_reading_within_an_update_sees_the_old_value(self):
        cells("n").set(1)
        assert cells("n").update(lambda n: n + cells("n").value) == 2


@pytest.mark.parametrize("name", ["", None, 3])
@pytest.mark.parametrize("make", [cells, pools])
def test_a_name_that_is_none_is_refused(make, name):
    with pytest.raises(ValueError, match="a name is a text"):
        make(name)


@pytest.mark.parametrize("shared", [cells("a"), pools("a")])
def test_a_variable_that_holds_one_comes_back_as_the_same_one(shared):
    again = unpack(pack(shared))
    assert (again, repr(again), hash(again)) == (shared, repr(shared), hash(shared))
    assert again != cells("b")


def test_a_cell_is_no_pool():
    assert cells("a") != pools("a")
