"""What a script uses of cells and pools, and that a variable that holds one is no state."""

import pytest

from engine.script import inspect_script


@pytest.mark.parametrize(
    ("source", "is_used"),
    [
        ("def action(x): ...", False),
        ("import engine, fastscore\ndef action(x): ...", False),
        ("def cells(n): ...\ndef action(x):\n return cells(x)", False),
        ("from engine import cells\ndef action(x): ...", True),
        ("from engine import window, pools as p\ndef action(x): ...", True),
        ("from fastscore import cells\ndef action(x): ...", True),
        ("from fastscore import *\ndef action(x): ...", True),
        ("import engine\ndef action(x):\n return engine.cells('a').value", True),
        ("import fastscore as fs\ndef action(x):\n return fs.pools('a').get(x)", True),
    ],
)
def test_a_script_that_can_get_at_cells_uses_them(source, is_used):
    assert inspect_script(source, "m").uses_cells is is_used


@pytest.mark.parametrize(
    "source",
    [
        "from engine import cells\nn = cells('n')\ndef action(x):\n    return n.update(lambda v: v + x)",
        "from fastscore import pools as p\nn = p('n')\ndef action(x):\n    n.set(x, x)",
        "import engine as e\ndef begin():\n    global n\n    n = e.cells('n')\ndef action(x):\n    n.set(x)",
    ],
)
def test_a_variable_that_holds_a_cell_is_no_state(source):
    script = inspect_script(source, "m")
    assert (script.state, script.unkept, script.is_stateless) == ((), (), True)


def test_one_that_is_bound_anew_is_state():
    source = "from engine import cells\nn = cells('n')\ndef action(x):\n    global n\n    n = cells(x)\n"
    assert inspect_script(source, "m").state == ("n",)
