from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest

from engine.errors import NotBuilt, ScriptInvalid
from engine.script import inspect_script

ACTION = "def action(x): return x"


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("def action(x:\n", 1),
        ("x = 1\nreturn 3", 2),
        ("def f(a, a): ...", 1),
        ("x = 1\n  y = 2", 2),
        ("print 'old'", 1),
        ("x = 'open", 1),
    ],
)
def test_a_script_that_does_not_compile_is_refused_with_its_line(source, line):
    with pytest.raises(ScriptInvalid) as error:
        inspect_script(source, "m")
    assert (error.value.name, error.value.line) == ("m", line)


@pytest.mark.parametrize(
    "source", ["x = '\0'", "x = '\ud800'", "-" * 100_000 + "1", "(" * 500, "x = " + "[" * 90 + "]" * 90]
)
def test_text_of_any_kind_is_read_or_refused(source):
    with suppress(ScriptInvalid):
        inspect_script(f"{ACTION}\n{source}", "m")


def test_a_sum_of_a_thousand_terms_is_read():
    assert inspect_script(f"{ACTION}\nx = {' + '.join(['action(1)'] * 1000)}", "m").is_stateless


def test_nothing_of_the_script_is_run():
    assert inspect_script(f"raise SystemExit\n1 / 0\n{ACTION}", "m").begin is None


def test_warnings_of_the_script_are_left_to_its_import():
    assert inspect_script(f"x = '\\d'\ny = 1 is 1\n{ACTION}", "m").notes == ()


def test_the_digest_is_of_the_text_as_it_was_given():
    text = "\ufeff" + ACTION
    script = inspect_script(text, "m")
    assert script.digest == hashlib.sha256(text.encode()).hexdigest()
    assert script.source == ACTION


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_sloc_counts_lines_that_are_neither_blank_nor_comments(newline):
    lines = ["# a comment", "", '"""Text', "# in a string", "", '"""', "  ", "x = 1  # counts", "  # not", ACTION]
    script = inspect_script(newline.join(lines), "m")
    assert script.sloc == 5


@pytest.mark.parametrize(
    ("source", "feature"),
    [
        ("import os, fastscore.io", "import fastscore.io"),
        ("try:\n import fastscore.io\nexcept ImportError: ...", "import fastscore.io"),
        ("from fastscore.io import Slot", "from fastscore.io import Slot"),
        ("from fastscore import cells, Slot", "from fastscore import Slot"),
        ("import fastscore\nx = fastscore.Slot(0)", "fastscore.Slot"),
        ("import fastscore as fs\nx = fs.io.Slot(0)", "fastscore.io"),
        ("import engine as e\nx = e.Slot(0)", "engine.Slot"),
        ("from engine import window, Slot", "from engine import Slot"),
        ("def f():\n from engine import Slot", "from engine import Slot"),
        ("import engine\nx = engine.Slot(5)", "engine.Slot"),
    ],
)
def test_an_interface_that_is_not_built_is_refused_by_name(source, feature):
    with pytest.raises(NotBuilt) as error:
        inspect_script(f"{source}\n{ACTION}", "m")
    line = 2 if "\n" in source else 1
    assert (error.value.feature, error.value.where) == (feature, f"m, line {line}")


@pytest.mark.parametrize(
    "source",
    [
        "from engine import inference, cells, pools",
        "import fastscore2",
        "from .fastscore import x",
        "import fastscore",
        "import fastscore as fs\nprint(fs.__name__, fs.cells, fs.pools)",
        "from fastscore import cells, pools as shared",
        "from fastscore import *",
        "from engine import Message, now",
        "import engine\nengine.now()",
    ],
)
def test_other_imports_are_left_alone(source):
    assert inspect_script(f"{source}\n{ACTION}", "m").notes == ()
