from __future__ import annotations

import pytest

from engine.script import inspect_script


@pytest.mark.parametrize(
    ("lines", "in_use"),
    [
        ([], {0, 1}),
        (["schema.0: s"], {0, 1}),
        (["schema.2: s"], {0, 1, 2}),
        (["schema.2: in-use"], {0, 1, 2}),
        (["action.4: action"], {0, 1, 4}),
        (["on_error.2: skip", "recordsets.3: false"], {0, 1, 2, 3}),
        (["slot.2: in-use", "slot.4: in-use"], {0, 1, 2, 4}),
        (["slot.err: 3"], {0, 1, 3}),
        (["schema.$in: s"], {0, 1}),
        (["slot.1: unused"], {0}),
        (["slot.0: unused", "slot.2: in-use"], {1, 2}),
        (["slot.2: in-use", "slot.2: unused"], {0, 1}),
        (["slot.2: unused", "slot.2: in-use"], {0, 1, 2}),
        (["slot.err: 3", "slot.err: unused"], {0, 1}),
        (["slot.err: unused", "slot.err: 3"], {0, 1, 3}),
        (["slot.4: in-use", "slot.$in: unused", "slot.2: in-use"], {1, 2}),
        (["slot.3: in-use", "slot.$out: unused"], {0}),
        (["slot.3: in-use", "slot: unused", "slot.2: in-use"], {2}),
        (["slot.1: unused", "recordsets: none"], {0}),
        (["slot.1: unused", "output: s"], {0, 1}),
    ],
)
def test_slots_are_in_use_from_the_start_by_mention_and_until_they_are_unused(lines, in_use):
    script = inspect_script("".join(f"# engine.{line}\n" for line in lines) + "def action(x): return x", "m")
    assert set(script.slots) == in_use


def test_unused_takes_back_what_earlier_lines_said_of_the_slot():
    text = "# engine.schema.0: a\n# engine.slot.0: unused\n# engine.schema.0: b\ndef action(x): return x"
    assert inspect_script(text, "m").slots[0].schema == "b"


def test_what_is_said_of_all_slots_holds_for_a_slot_that_comes_back():
    text = "# engine.schema: a\n# engine.slot.0: unused\n# engine.slot.0: in-use\ndef action(x): return x"
    assert inspect_script(text, "m").slots[0].schema == "a"


def test_a_declared_name_is_the_slots():
    slots = inspect_script("# engine.slot.err: 3\ndef action(x): return x", "m").slots
    assert (slots[3].name, slots[3].is_input, slots[0].name, slots[0].is_input) == ("err", False, None, True)


def test_a_script_without_inputs_needs_no_action():
    script = inspect_script("# engine.slot.0: unused\ndef begin(): yield 1", "m")
    assert (set(script.slots), script.begin) == ({1}, "begin")
