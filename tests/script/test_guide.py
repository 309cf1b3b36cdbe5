"""The guide for writers of scripts says what the engine does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.channel import Kind, pack_message
from engine.script import inspect_script
from engine.script.tags import TAGS
from tests.jet.test_worker import Conversation

GUIDE = (Path(__file__).parents[2] / "docs" / "scripts.md").read_text()
EXAMPLE = re.compile(
    r"<!-- example: inputs (?P<inputs>[^\n]*), outputs (?P<outputs>[^\n]*), state (?P<state>[^\n]*) -->\n"
    r"```python\n(?P<source>.*?)```",
    re.DOTALL,
)
EXAMPLES = list(EXAMPLE.finditer(GUIDE))


def test_every_python_block_is_an_example_that_is_run():
    assert len(EXAMPLES) == GUIDE.count("```python") > 0


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda match: f"line {GUIDE[: match.start()].count(chr(10)) + 1}")
def test_an_example_gives_the_outputs_and_has_the_state_that_are_written_with_it(tmp_path, example):
    script = inspect_script(example["source"], "example", is_strict=True)
    assert list(script.state) == json.loads(example["state"])
    talk = Conversation(tmp_path, example["source"], slots=script.slots)
    talk.outputs(pack_message(Kind.BEGIN, 1))
    outputs = talk.score(*json.loads(example["inputs"]))
    assert talk.failures == []
    assert [list(output) for output in outputs] == json.loads(example["outputs"])


def test_the_table_of_annotations_has_every_tag():
    section = GUIDE.split("## Annotations")[1].split("\n## ")[0]
    first_cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert sorted(tag for cell in first_cells for tag in re.findall(r"`(.*?)`", cell)) == sorted(TAGS)


def test_the_reason_for_a_state_name_is_worded_as_in_the_guide():
    source = next(example["source"] for example in EXAMPLES if "SCALE" in example["source"])
    (entry,) = inspect_script(source, "example").state_names
    assert f"`{entry}`" in GUIDE
