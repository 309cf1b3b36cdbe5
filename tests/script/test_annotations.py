from __future__ import annotations

import pytest

from engine.errors import AnnotationError, NotBuilt
from engine.script import inspect_script
from engine.script.tags import PREFIXES, TAGS

ACTION = "def action(x): return x\ndef other(x): return x\n"


def inspect(*lines: str, is_strict: bool = False):
    return inspect_script("\n".join(lines) + "\n" + ACTION, "m", is_strict=is_strict)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    "form", ["# {}.schema.0: s", "#{}.schema.0:s", "## {}.schema.0 :  s  ", "   #  {}.schema.0: s"]
)
def test_all_prefixes_and_spacings_mean_the_same(prefix, form):
    script = inspect(form.format(prefix))
    assert script.slots[0].schema == "s"
    assert script.notes == ()


@pytest.mark.parametrize(
    "text",
    [
        '"""\n# engine.schema.0: s\n"""',
        "text = '# engine.schema.0: s'",
        "x = 1  # engine.schema.0: s",
        "# see engine.schema.0: s",
        "# engine. Then a sentence.",
        "# enginex.schema0: s",
        "# my.schema: s",
        "# the engine: fast",
    ],
)
def test_text_that_is_not_a_comment_line_of_its_own_is_not_an_annotation(text):
    script = inspect(text)
    assert script.slots[0].schema is None
    assert script.notes == ()


def test_an_annotation_may_stand_inside_of_a_function_and_of_brackets():
    script = inspect(
        "def f():", "    # engine.schema.0: a", "    return [", "        # engine.schema.1: b", "        1]"
    )
    assert (script.slots[0].schema, script.slots[1].schema) == ("a", "b")


@pytest.mark.parametrize(
    ("lines", "schemas"),
    [
        (["# engine.schema.0: a"], {0: "a", 1: None}),
        (["# engine.schema: a"], {0: "a", 1: "a"}),
        (["# engine.schema.$all: a"], {0: "a", 1: "a"}),
        (["# engine.schema.$in: a"], {0: "a", 1: None}),
        (["# engine.schema.$out: a"], {0: None, 1: "a"}),
        (["# engine.schema.0: b", "# engine.schema: a"], {0: "b", 1: "a"}),
        (["# engine.schema: a", "# engine.schema.$in: b", "# engine.schema.2: c"], {0: "b", 1: "a", 2: "c"}),
        (["# engine.schema: a", "# engine.schema.0: in-use"], {0: None, 1: "a"}),
        (["# engine.schema.err: e", "# engine.slot.err: 3"], {0: None, 1: None, 3: "e"}),
        (["# engine.input: a", "# engine.output: b"], {0: "a", 1: "b"}),
        (["# fastscore.input: a", "# fastscore.schema.0: a"], {0: "a", 1: None}),
    ],
)
def test_a_schema_is_found_by_number_name_side_or_for_all(lines, schemas):
    assert {number: slot.schema for number, slot in inspect(*lines).slots.items()} == schemas


@pytest.mark.parametrize(
    ("lines", "actions"),
    [
        ([], {0: "action"}),
        (["# engine.action: other"], {0: "other"}),
        (["# engine.action.$in: other", "# engine.slot.2: in-use"], {0: "other", 2: "other"}),
        (["# engine.action.2: other"], {0: "action", 2: "other"}),
        (["# engine.slot.news: 4", "# engine.action.news: other"], {0: "action", 4: "other"}),
    ],
)
def test_an_action_is_chosen_per_input_slot(lines, actions):
    assert {slot.number: slot.action for slot in inspect(*lines).slots.values() if slot.is_input} == actions


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], {0: None}),
        (["# engine.on_error: skip"], {0: "skip"}),
        (["# engine.on_error.2: REJECT"], {0: None, 2: "reject"}),
        (["# engine.on_error: stop", "# engine.on_error.2: reject"], {0: "stop", 2: "reject"}),
    ],
)
def test_on_error_is_set_per_input_slot(lines, expected):
    assert inspect(*lines).on_error == expected


@pytest.mark.parametrize(
    ("text", "timeout_s"), [("30s", 30), ("500ms", 0.5), ("2m", 120), ("1.5s", 1.5), ("1 h", 3600), ("1D", 86400)]
)
def test_a_timeout_is_read_in_seconds(text, timeout_s):
    assert inspect(f"# engine.timeout: {text}").timeout_s == timeout_s


def test_lists_may_hold_blanks_and_commas_and_be_repeated():
    script = inspect("# fastscore.module-attached: my_lib, sk.learn  numpy", "# fastscore.module-attached: other-lib")
    assert script.modules_attached == ("my_lib", "sk.learn", "numpy", "other-lib")


@pytest.mark.parametrize("value", ["false", "no", "No", "none"])
def test_recordsets_may_be_switched_off(value):
    assert inspect(f"# engine.recordsets: {value}").notes == ()


def test_snapshots_may_be_switched_off():
    assert inspect("# engine.snapshots: none").snapshots == "none"


# What is reported, and is an error only when the reader is strict: text, message, what was probably meant.
NOTES = [
    ("# engine.shcema.0: s", "unknown tag 'shcema'", "schema.0"),
    ("# engine.Schema: s", "unknown tag 'Schema'", "schema"),
    ("# engine.xyzzy: s", "unknown tag 'xyzzy'", None),
    ("# engine.schema.0 s", "no colon after 'schema.0'", "schema.0: s"),
    ("# engine.state", "no colon after 'state'", "state: VALUE"),
    ("# engine.inference loads it", "unknown tag 'inference'", None),
    ("# modelop.scoer", "unknown tag 'scoer'", "score"),
    ("# modelop.score: yes", "the role 'score' is written without a colon and a value", "score"),
    ("# fastcore.schema.0: s", "unknown prefix 'fastcore'", "fastscore"),
    ("# FastScore.schema.0: s", "unknown prefix 'FastScore'", "fastscore"),
    ("# Modelop Center.schema.0: s", "unknown prefix 'Modelop Center'", "ModelOp Center"),
    ("# engine.timeout.0: 3s", "timeout takes no scope, and '0' is one", "timeout"),
    ("# engine.input.0: s", "input takes no scope, and '0' is one", "input"),
    ("# engine.schema.$output: s", "'$output' is not the number or the name of a slot, $all, $in or $out", "$out"),
    ("# engine.schema.-1: s", "'-1' is not the number or the name of a slot, $all, $in or $out", None),
    ("# engine.schema.0.1: s", "'0.1' is not the number or the name of a slot, $all, $in or $out", None),
    ("# engine.schema.: s", "'' is not the number or the name of a slot, $all, $in or $out", None),
    (
        f"# engine.schema.{'1' * 10}: s",
        f"'{'1' * 10}' is not the number or the name of a slot, $all, $in or $out",
        None,
    ),
    ("# modelop.init", "the role 'init' is not above a top-level function", None),
]


@pytest.mark.parametrize(("text", "message", "near"), NOTES)
def test_a_line_that_looks_like_an_annotation_is_noted_and_refused_when_strict(text, message, near):
    notes = inspect("import os", text, "import sys").notes
    assert [(note.line, note.message, note.near) for note in notes] == [(2, message, near)]
    with pytest.raises(AnnotationError) as error:
        inspect("import os", text, "import sys", is_strict=True)
    assert (error.value.line, error.value.reason, error.value.near) == (2, message, near)
    assert str(error.value) == str(notes[0])


# What is always an error: the lines, the line at fault, message, what was probably meant.
ERRORS = [
    (["# engine.schema.0:"], 1, "schema.0 has no value", None),
    (["# engine.schema.0: two words"], 1, "schema takes one word, not 'two words'", None),
    (["# engine.recordsets: maybe"], 1,
     "Value 'maybe' not recognized (use 'true', 'false', 'yes', or 'no')", None),
    (["# engine.recordsets: flase"], 1,
     "Value 'flase' not recognized (use 'true', 'false', 'yes', or 'no')", "false"),
    (["# engine.recordsets.0: both"], 1, "recordsets: both takes no scope; with one, say true or false", None),
    (["# engine.snapshots: end"], 1, "Value 'end' not recognized (use 'none' or 'eof')", None),
    (["# engine.on_error: rejects"], 1,
     "Value 'rejects' not recognized (use 'stop', 'reject', or 'skip')", "reject"),
    (["# engine.on_error.1: skip"], 1,
     "on_error is about input slots and cannot be set for output slot 1", "on_error.$in"),
    (["# engine.action: my-func"], 1, "'my-func' is not the name of a function", None),
    (["# engine.action.1: other"], 1,
     "action is about input slots and cannot be set for output slot 1", "action.$in"),
    (["# engine.slot.err: 3", "# engine.action.err: other"], 2,
     "action is about input slots and cannot be set for output slot 3", "action.$in"),
    (["# engine.action.$out: other"], 1,
     "action is about input slots and cannot be set for $out, where there are output slots", "action.$in"),
    (["# engine.action.$all: other"], 1,
     "action is about input slots and cannot be set for $all, where there are output slots", "action.$in"),
    (["# engine.slot.$all: in-use"], 1,
     "in-use needs the number or the name of one slot, as in slot.2: in-use", None),
    (["# engine.slot: in-use"], 1, "in-use needs the number or the name of one slot, as in slot.2: in-use", None),
    (["# engine.slot.2: inuse"], 1, "Value 'inuse' not recognized (use 'in-use' or 'unused')", "in-use"),
    (["# engine.slot.2: usused"], 1, "Value 'usused' not recognized (use 'in-use' or 'unused')", "unused"),
    (["# engine.slot.$in: 4"], 1, "slot 4 can only be given a name, as in slot.err: 4", None),
    (["# engine.slot.4: 4"], 1, "slot 4 can only be given a name, as in slot.err: 4", None),
    (["# engine.slot.err: 3", "# engine.schema.eer: s"], 2,
     "no slot is named 'eer'; slot.eer: NUMBER declares it", "err"),
    (["# engine.slot.other: unused"], 1, "no slot is named 'other'; slot.other: NUMBER declares it", None),
    (["# engine.slot.err: 3", "# engine.slot.err: 5"], 2, "the name 'err' is declared on line 1 already", None),
    (["# engine.slot.err: 3", "# engine.slot.bad: 3"], 2, "slot 3 has the name 'err' already", None),
    (["# engine.schema.0: a", "# engine.schema.0: b"], 2, "schema is set otherwise on line 1", None),
    (["# engine.schema.0: a", "# engine.input: b"], 2, "schema is set otherwise on line 1", None),
    (["# engine.timeout: 3s", "# engine.timeout: 4s"], 2, "timeout is set otherwise on line 1", None),
    (["# engine.timeout: 30"], 1, "'30' is not a duration such as 500ms, 30s, 2m or 7d", "30s"),
    (["# engine.timeout: soon"], 1, "'soon' is not a duration such as 500ms, 30s, 2m or 7d", None),
    (["# engine.timeout: -3s"], 1, "'-3s' is not a duration such as 500ms, 30s, 2m or 7d", None),
    (["# engine.timeout: 0s"], 1, "timeout must be longer than nothing and shorter than for ever, not 0s", None),
    (["# engine.state: a-b"], 1, "'a-b' is not a name", None),
    (["# engine.state: ,"], 1, "'' is not a name", None),
    (["prices = []", "# engine.state: pirces"], 2, "the script has no module-level name 'pirces'", "prices"),
    (["# engine.shared: table"], 1, "the script has no module-level name 'table'", None),
    (["a = []", "# engine.state: a", "# engine.state: none"], 3,
     "state: none turns state off, and other lines name some", None),
    (["a = []", "# engine.state: a", "# engine.shared: a"], 3, "'a' is named as state and as shared", None),
    (["# modelop.score", "def f(x): ...", "# modelop.score"], 3, "f() has the role 'score' already, by line 1", None),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "line", "reason", "near"), ERRORS)
def test_a_wrong_value_of_a_known_tag_is_an_error_with_its_line(lines, line, reason, near):
    with pytest.raises(AnnotationError) as error:
        inspect(*lines)
    assert (error.value.line, error.value.reason, error.value.near) == (line, reason, near)


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("# engine.recordsets: true", "recordsets"),
        ("# engine.recordsets.0: yes", "recordsets"),
        ("# engine.recordsets.$out: true", "recordsets"),
        ("# fastscore.recordsets: input", "recordsets"),
        ("# fastscore.recordsets: both", "recordsets"),
        ("# fastscore.action: none", "the explicit style (action: none)"),
        ("# fastscore.action: unused", "the explicit style (action: unused)"),
        ("# fastscore.snapshots: eof", "snapshots: eof"),
    ],
)
def test_what_is_not_built_is_refused_by_name_and_line(text, feature):
    with pytest.raises(NotBuilt) as error:
        inspect("import os", text)
    assert (error.value.feature, error.value.where) == (feature, "m, line 2")


KEYS = {"key", "key_ttl"}  # in test_keys.py


def test_every_tag_is_written_in_the_tests():
    written = " ".join(text for text, *_ in NOTES) + " ".join(" ".join(lines) for lines, *_ in ERRORS)
    assert {tag for tag in TAGS if f".{tag}" not in written} == {"module-attached", "output"} | KEYS
