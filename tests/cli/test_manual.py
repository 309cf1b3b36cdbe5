from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.manual import manual

DOCUMENT = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_document_is_current() -> None:
    assert DOCUMENT.read_text() == manual(), "Write it anew: python -m engine.cli.manual > docs/cli.md"


@pytest.mark.parametrize("verb", ["serve", "model output", "stream sample", "schema infer", "attachment upload"])
def test_every_verb_is_in_the_manual(verb: str) -> None:
    assert f" engine {verb}\n" in manual()


def test_every_option_is_a_variable_too() -> None:
    rows = [line for line in manual().splitlines() if line.startswith("| `-")]
    assert [row for row in rows if "ENGINE_" not in row and "`--version`" not in row] == []
