from __future__ import annotations

import pytest

from engine.errors import AnnotationError, HookMissing, NotBuilt, ScriptInvalid
from engine.script import callable_arity, inspect_script

WRAPPED = """
import functools
def plain(function):
    @functools.wraps(function)
    def call(*arguments): return function(*arguments)
    return call
@plain
def action(x, slot): ...
"""

# The same rule for a function in the text and for one in memory.
ARITIES = [
    ("def action(x): ...", 1),
    ("def action(x, slot): ...", 2),
    ("def action(x, slot, seq_no): ...", 3),
    ("def action(x: float, slot: int = 0) -> float: ...", 1),
    ("def action(x=None): ...", 1),
    ("def action(x, *args): ...", 1),
    ("def action(*args): ...", 1),
    ("def action(x, slot, *args, **kwargs): ...", 2),
    ("def action(x, *, scale=2.0): ...", 1),
    ("def action(x, slot, /): ...", 2),
    (WRAPPED, 2),
    ("action = lambda x, slot: x", 2),
    ("def action(x): yield x", 1),
]  # fmt: skip

BAD_ARITIES = [
    ("def action(): ...", "action() must have arity 1, 2, or 3 (not 0)"),
    ("def action(**kwargs): ...", "action() must have arity 1, 2, or 3 (not 0)"),
    ("def action(a, b, c, d): ...", "action() must have arity 1, 2, or 3 (not 4)"),
    ("def action(x, *, scale): ...", "action() requires the keyword 'scale', which the engine does not pass"),
]


def imported(source: str):
    names: dict[str, object] = {"__name__": "m"}
    exec(source, names)
    return names["action"]


@pytest.mark.parametrize(("source", "arity"), ARITIES)
def test_arity_is_the_number_of_required_positional_parameters(source, arity):
    assert inspect_script(source, "m").slots[0].arity == arity
    assert callable_arity(imported(source)) == arity


@pytest.mark.parametrize(("source", "reason"), BAD_ARITIES)
def test_an_action_of_another_arity_is_refused_with_its_line(source, reason):
    with pytest.raises(ScriptInvalid) as error:
        inspect_script("\n" + source, "m")
    assert (error.value.line, error.value.reason) == (2, reason)
    with pytest.raises(ScriptInvalid) as error:
        callable_arity(imported("\n" + source))
    assert (error.value.name, error.value.line, error.value.reason) == ("m", 2, reason)


@pytest.mark.parametrize(
    ("function", "arity"),
    [(len, 1), ({}.get, 1), (int, 1), (type("F", (), {"__call__": lambda self, a, b: a})(), 2)],
)
def test_the_arity_of_any_callable_is_found(function, arity):
    assert callable_arity(function) == arity


@pytest.mark.parametrize(
    "source",
    [
        "from mylib import action",
        "import action",
        "from mylib import f as action",
        "action = partial(f, 2)",
        "class action: ...",
        "try:\n def action(x): ...\nexcept E:\n def action(x, slot): ...",
        "def begin():\n global action\n action = make()",
    ],
)
def test_an_action_that_the_text_does_not_show_has_no_arity_before_it_is_imported(source):
    assert inspect_script(source, "m").slots[0].arity is None


@pytest.mark.parametrize(
    ("source", "hook", "near"),
    [
        ("def acton(x): ...", "action", "acton"),
        ("x = 1", "action", None),
        ("class A:\n def action(self, x): ...", "action", None),
        ("def f():\n def action(x): ...", "action", None),
        ("# engine.action.0: score_it\ndef scoreit(x): ...", "score_it", "scoreit"),
        ("# engine.slot.2: in-use\n# engine.action.0: f\ndef f(x): ...", "action", None),
    ],
)
def test_a_missing_action_is_named_with_what_was_probably_meant(source, hook, near):
    with pytest.raises(HookMissing) as error:
        inspect_script(source, "m")
    assert (error.value.name, error.value.hook, error.value.near) == ("m", hook, near)


@pytest.mark.parametrize("hook", ["action", "begin", "end"])
def test_an_async_hook_is_refused_by_name(hook):
    with pytest.raises(NotBuilt, match=f"m, line 2: async def {hook} is not supported"):
        inspect_script(f"def action(x): ...\nasync def {hook}(*x): ...", "m")


@pytest.mark.parametrize(
    ("source", "begin", "end"),
    [
        ("", None, None),
        ("def begin(): ...\ndef end(): yield 1", "begin", "end"),
        ("def begin(path='x', *rest, **options): ...", "begin", None),
        ("from lib import begin, end", "begin", "end"),
        ("def stop(): ...\nend = stop", None, "end"),
        ("end = lambda: 1", None, "end"),
        ("# modelop.init\ndef load(): ...", "load", None),
        ("# modelop.init\n\n# loads\n@cached\ndef load(): ...", "load", None),
        ("# modelop.init\ndef begin(): ...", "begin", None),
    ],
)
def test_begin_and_end_are_found_by_name_and_role(source, begin, end):
    script = inspect_script(source + "\ndef action(x): ...", "m")
    assert (script.begin, script.begin_arity, script.end, script.notes) == (begin, 0, end, ())


def test_a_function_with_the_role_init_may_take_one_argument():
    assert inspect_script("# modelop.init\ndef load(job): ...\ndef action(x): ...", "m").begin_arity == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def begin(x): ...", "begin() must take no arguments, and requires x"),
        ("def end(x, y): ...", "end() must take no arguments, and requires x, y"),
        ("def end(*, x): ...", "end() must take no arguments, and requires x"),
        ("# modelop.init\ndef f(x, y): ...", "f() must take at most one argument, and requires x, y"),
        ("# modelop.init\ndef f(*, x): ...", "f() must take at most one argument, and requires x"),
    ],
)
def test_a_hook_that_requires_arguments_is_refused(source, reason):
    with pytest.raises(ScriptInvalid) as error:
        inspect_script(source + "\ndef action(x): ...", "m")
    assert error.value.reason == reason
    assert error.value.line == source.count("\n") + 1


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("end = 30", "end is a value, not a function, and is not called as a hook"),
        ("begin = datetime(2020, 1, 1)", "begin is a value, not a function, and is not called as a hook"),
        ("# modelop.init\ndef f(): ...\ndef begin(): ...", "begin() is not called, since f() has the role 'init'"),
        ("# modelop.metrics\ndef f(df): ...", "f() has the role 'metrics', which the engine does not run"),
        ("# modelop.train\ndef f(df): ...", "f() has the role 'train', which the engine does not run"),
        ("class A:\n # modelop.init\n def f(self): ...", "the role 'init' is not above a top-level function"),
        ("# modelop.score\nx = 1", "the role 'score' is not above a top-level function"),
    ],
)
def test_a_function_that_is_not_called_is_noted(source, note):
    script = inspect_script(source + "\ndef action(x): ...", "m")
    assert [entry.message for entry in script.notes] == [note]


def test_the_role_score_is_the_action_where_no_annotation_names_another():
    text = "# modelop.score\ndef predict(x, slot): ...\ndef other(x): ...\n"
    slots = inspect_script(text + "# engine.action.2: other", "m").slots
    assert (slots[0].action, slots[0].arity, slots[2].action, slots[2].arity) == ("predict", 2, "other", 1)


def test_a_role_is_given_once():
    with pytest.raises(AnnotationError, match=r"Line 3: f\(\) has the role 'init' already, by line 1"):
        inspect_script("# modelop.init\ndef f(): ...\n# modelop.init\ndef g(): ...", "m")
