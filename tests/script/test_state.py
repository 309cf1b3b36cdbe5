from __future__ import annotations

import pytest

from engine.script import inspect_script


def state_of(source: str) -> dict[str, str]:
    return {entry.name: entry.reason for entry in inspect_script(source, "m").state_names}


# The body of `action(x)`, and why `v`, which some call made, is state; None where it is not.
USES = [
    ("global v; v = x", "rebound in action"),
    ("global v; v += x", "rebound in action"),
    ("global v\n for v in x: ...", "rebound in action"),
    ("global v\n with x as v: ...", "rebound in action"),
    ("global v; a, (v, b) = x", "rebound in action"),
    ("global v; (v := x)", "rebound in action"),
    ("global v; del v", "deleted in action"),
    ("global v\n import v", "rebound in action"),
    ("global v\n def v(): ...", "rebound in action"),
    ("v.append(x)", "append() called in action"),
    ("return v.last()", "last() called in action"),
    ("v.a.b.append(x)", "append() called in action"),
    ("v[0] = x", "an item set in action"),
    ("v[0] += x", "an item set in action"),
    ("del v[0]", "an item deleted in action"),
    ("v['k'].append(x)", "append() called in action"),
    ("v['k'][0] = x", "an item set in action"),
    ("v.n = x", "attribute n set in action"),
    ("v.n += x", "attribute n set in action"),
    ("v.n: int = x", "attribute n set in action"),
    ("del v.n", "attribute n deleted in action"),
    ("v[0].n = x", "attribute n set in action"),
    ("heapq.heappush(v, x)", "passed to heapq.heappush() in action"),
    ("f(x, key=v)", "passed to f() in action"),
    ("f(*v)", "passed to f() in action"),
    ("f(v[0])", "passed to f() in action"),
    ("f([x, v])", "passed to f() in action"),
    ("w = v", "given another name in action"),
    ("w = v['k']; w.append(x)", "given another name in action"),
    ("w = v or []", "given another name in action"),
    ("w = v if x else None", "given another name in action"),
    ("w = {'v': v}", "given another name in action"),
    ("(w := v)", None),
    ("(w := v).append(x)", "append() called in action"),
    ("return v", "returned or yielded in action"),
    ("yield v", "returned or yielded in action"),
    ("yield (3, v)", "returned or yielded in action"),
    ("yield from v", "returned or yielded in action"),
    ("for w in v: w.append(x)", "iterated in action"),
    ("return [w for w in v]", "iterated in action"),
    ("with v: ...", "given another name in action"),
    ("def g(): v.append(x)\n g()", "append() called in action.g"),
    ("g = lambda: v.append(x)", "append() called in action"),
    ("def g(w=v): ...", "given another name in action.g"),
    ("class G:\n  w = v", "given another name in action.G"),
    # not state
    ("return x * v", None),
    ("return -v + x", None),
    ("return v[x] * 2", None),
    ("return v.rate * x", None),
    ("x += v", None),
    ("return x > v", None),
    ("return x in v", None),
    ("return f'{v} {x}'", None),
    ("return x[v]", None),
    ("return x[v:]", None),
    ("if v: return 1", None),
    ("return 1 if v else 2", None),
    ("return [y for y in x if v]", None),
    ("assert v", None),
    ("while v: ...", None),
    ("return len(v)", None),
    ("return float(v)", None),
    ("return v(x)", None),
    ("v = x; v.append(1)", None),
    ("for v in x: v.append(1)", None),
    ("with x as v: v.append(1)", None),
    ("import v; v.append(1)", None),
    ("def v(): ...\n v.n = 1", None),
    ("return [v.append(1) for v in x]", None),
    ("return (lambda v: v.append(1))(x)", None),
    ("def g(v): v.append(1)", None),
    ("v = 1\n def g():\n  nonlocal v\n  v = 2", None),
    ("try: ...\n except E as v: v.append(1)", None),
    ("match x:\n  case [v, *_]: v.append(1)", None),
    ("w: v = x", None),
    ("def g(w: v) -> v: ...", None),
]


@pytest.mark.parametrize(("body", "reason"), USES)
def test_a_name_is_state_when_what_it_holds_could_change(body, reason):
    assert state_of(f"v = make()\ndef action(x):\n {body}").get("v") == reason


def test_a_name_inside_of_a_comprehension_does_not_hide_the_one_outside():
    assert state_of("v = make()\ndef action(x):\n a = [v for v in x]\n v.append(a)") == {
        "v": "append() called in action"
    }


def test_the_first_iterable_of_a_comprehension_is_the_one_outside():
    assert state_of("v = make()\ndef action(x): return [v for v in v]") == {"v": "iterated in action"}


@pytest.mark.parametrize(
    ("bindings", "body", "is_state"),
    [
        ("v = 30", "return f(v)", False),
        ("v = -1.5e3 * 2", "return f(v)", False),
        ("v = ('a', 1)", "return f(v)", False),
        ("n = 2\nv = n * 3", "return f(v)", False),
        ("v = float(text)", "return f(v)", False),
        ("v = 30\ndef begin():\n global v\n v = 31", "return f(v)", False),
        ("v = 30\ndef begin():\n global v\n v = []", "return f(v)", True),
        ("v = 30", "global v; v += 1", True),
        ("v = 30", "global v; v = 31", True),
        ("v = (1, [])", "return f(v)", True),
        ("v = w\nw = v", "return f(v)", True),
        ("def float(x): ...\nv = float(1)", "return f(v)", True),
        ("v = ['a', 'b']", "return [x[c] for c in v]", False),
        ("v = {'a': [1, 2]}", "w = v[x]", False),
        ("v = {'a': [1, 2]}", "return f(v)", True),
        ("v = {'a': [1, 2]}", "v['a'] = x", True),
        ("v = {'a': f()}", "w = v[x]", True),
        ("v = {}\ndef begin(): v['a'] = []", "w = v[x]", True),
        ("v = {}\nv.update(a=[])", "w = v[x]", True),
    ],
)
def test_constants_are_state_only_when_they_can_change(bindings, body, is_state):
    assert ("v" in state_of(f"{bindings}\ndef action(x):\n {body}")) is is_state


MADE_BY_A_FUNCTION = """
v = []
class M:
    def step(self, x): v.append(x)
def begin():
    global m
    m = make()
def make(): return M()
def action(x): return m.step(x)
"""

DECORATED = """
v = []
def counted(function):
    def call(x):
        v.append(x)
        return function(x)
    return call
@counted
def action(x): return x
"""


@pytest.mark.parametrize(
    "source",
    [
        "v = []\ndef helper(x): v.append(x)\ndef action(x): helper(x)",
        "v = []\ndef b(x): v.append(x)\ndef a(x): b(x)\ndef action(x): a(x)",
        "v = []\nhelper = lambda x: v.append(x)\ndef action(x): helper(x)",
        "v = []\nclass M:\n def step(self, x): v.append(x)\nm = M()\ndef action(x): return m.step(x) + 1",
        MADE_BY_A_FUNCTION,
        "v = []\nclass M:\n v = 1\n def step(self, x): v.append(x)\ndef action(x): return M().step(x)",
        "v = []\ndef on_a(x): v.append(x)\nhandlers = {'a': on_a}\ndef action(x): return handlers['a'](x)",
        "v = []\nhandlers = {'a': lambda x: v.append(x)}\ndef action(x): return handlers['a'](x)",
        "v = []\n@register\ndef on_a(x): v.append(x)\ndef action(x): return run(x)",
        DECORATED,
        "v = []\ndef begin():\n global step\n def step(x): v.append(x)\ndef action(x): return step(x)",
        "v = []\nclass M:\n @property\n def n(self): return v.pop()\nm = M()\ndef action(x): return m.n + x",
        "v = []\ndef action(x): return sorted(x, key=by)\ndef by(x): v.append(x)",
        "v = []\nclass B:\n def step(self, x): v.append(x)\nclass M(B): ...\nm = M()\ndef action(x): return m.step(x)",
        "v = []\nif DEBUG:\n def action(x): v.append(x)\nelse:\n def action(x): ...",
        "# engine.action.2: other\nv = []\ndef action(x): ...\ndef other(x): v.append(x)",
        "# modelop.score\ndef score(x): v.append(x)\nv = []",
        "def begin():\n global v\n v = []\ndef action(x): v.append(x)",
        "class M:\n def __call__(self, x): ...\nv = M()\ndef action(x): return v(x)",
    ],
)
def test_functions_that_an_action_can_lead_to_are_searched(source):
    assert "v" in state_of(source)


@pytest.mark.parametrize(
    "source",
    [
        "v = []\ndef begin(): v.append(1)\ndef action(x): return x",
        "v = []\ndef end(): v.append(1)\ndef action(x): return x",
        "v = []\ndef unused(x): v.append(1)\ndef action(x): return x",
        "v = []\nv.append(1)\ndef action(x): return x + v[0]",
        "# engine.slot.0: unused\nv = []\ndef action(x): v.append(x)",
        "import v\ndef action(x): v.append(x)",
        "from lib import v\ndef action(x): v[0].f(x); g(v)",
        "try:\n import v\nexcept ImportError:\n v = None\ndef action(x): v.f(x)",
        "class v: ...\ndef action(x): return v.make(v)",
        "def v(x): ...\ndef action(x): return map(v, x)",
        "v = lambda x: x\ndef action(x): return map(v, x)",
        "def v(x): ...\nv = wrap(v)\ndef action(x): return map(v, x)",
        "from engine import inference\ndef begin():\n global v\n v = inference.load('a')\ndef action(x): return v(x)",
        "@app.route('/')\ndef action(x): return x\napp = v = make()",
        "def action(x): v.append(x)",
    ],
)
def test_what_no_action_can_change_and_what_is_not_a_value_is_not_state(source):
    assert state_of(source) == {}


def test_an_import_that_an_action_rebinds_is_state():
    assert state_of("from lib import v\ndef action(x):\n global v\n v = x") == {"v": "rebound in action"}


def test_state_is_listed_as_the_script_binds_it_with_the_first_line_that_changes_it():
    text = "prices = []\ntotal = 0\ndef action(x):\n global total\n total += x\n prices.append(x)\n prices.pop()"
    assert [str(entry) for entry in inspect_script(text, "m").state_names] == [
        "prices: append() called in action, line 6",
        "total: rebound in action, line 5",
    ]
    assert inspect_script(text, "m").state == ("prices", "total")


@pytest.mark.parametrize(
    ("annotation", "state", "shared"),
    [
        ("# engine.state: other", ("other",), ()),
        ("# engine.state: other, total", ("other", "total"), ()),
        ("# engine.state: other\n# engine.state: total prices", ("other", "total", "prices"), ()),
        ("# engine.state: none", (), ()),
        ("# engine.shared: prices", ("total",), ("prices",)),
        ("# engine.shared: total prices", (), ("total", "prices")),
        ("# engine.state: other\n# engine.shared: prices", ("other",), ("prices",)),
    ],
)
def test_annotations_say_what_is_state(annotation, state, shared):
    text = "\nprices = []\ntotal = 0\nother = {}\ndef action(x):\n global total\n total += x\n prices.append(x)"
    script = inspect_script(annotation + text, "m")
    assert (script.state, script.shared, script.is_stateless) == (state, shared, state == ())


def test_what_a_star_import_binds_may_be_named_as_state():
    text = "# engine.state: table\nfrom lib import *\ndef action(x): table.append(x)"
    assert inspect_script(text, "m").state == ("table",)


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("v = open('f')\ndef action(x): v.write(x)", 2, "v cannot be kept: it holds an open file or an iterator"),
        ("v = None\ndef begin():\n global v\n v = open('f')\ndef action(x): v.write(x)", 5,
         "v cannot be kept: it holds an open file or an iterator"),
        ("v = (i for i in range(9))\ndef action(x): return next(v)", 2,
         "v cannot be kept: it holds an open file or an iterator"),
        ("class C:\n n = 0\ndef action(x): C.n += 1", 3,
         "attribute n set on the class C in action is not kept; use a module-level name for it"),
        ("def action(x): action.n = x", 1,
         "attribute n set on the function action in action is not kept; use a module-level name for it"),
        ("import lib\ndef action(x): lib.n = x", 2,
         "attribute n set on the module lib in action is not kept; use a module-level name for it"),
        ("def action(x): globals()['v'] = x", 1,
         "globals() called in action: what it changes cannot be told; name it in engine.state"),
    ],
)  # fmt: skip
def test_what_changes_and_cannot_be_kept_is_said(source, line, message):
    script = inspect_script(source, "m")
    assert [(note.line, note.message) for note in script.unkept] == [(line, message)]
    assert script.state == ()
    assert not script.is_stateless
    assert inspect_script(f"{source}\n# engine.state: none", "m").is_stateless


def test_a_script_that_changes_nothing_is_stateless():
    assert inspect_script("import math\nN = 3\ndef action(x): return math.sqrt(x) * N", "m").is_stateless


def test_what_the_engine_offers_to_actions_is_no_state():
    source = "import engine\nfrom engine import Message, now\ndef action(x):\n"
    source += "    return Message(x, key=str(engine.now() - now()))\n"
    script = inspect_script(source, "m")
    assert (script.state, script.unkept, script.is_stateless) == ((), (), True)
