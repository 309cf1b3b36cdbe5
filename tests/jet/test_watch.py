"""Variables that a script changes and that are not taken as its state: named where it is tried."""

import pytest

from engine.channel import Kind, pack_message
from engine.errors import StateOverlooked
from tests.jet.test_worker import Conversation

ACTION = "def action(x):\n    global total\n    total += x\n"
HEAD = "import sys\ntotal = 0\n"


def tried(folder, source, *records, is_watched=True, **options):
    """Return the errors at the end of a script that has scored records."""
    talk = Conversation(folder, source, is_watched=is_watched)
    talk.outputs(pack_message(Kind.BEGIN, 1))
    assert not talk.failures
    talk.score(*records, **options)
    assert not talk.failures
    talk.outputs(pack_message(Kind.END, 2))
    return [failure.error for failure in talk.failures]


@pytest.mark.parametrize(
    ("head", "body", "names"),
    [
        ("n = 0", "setattr(sys.modules[__name__], 'n', x)", ["n"]),
        ("a = []\nhold = {'f': a.append}", "hold['f'](x)", ["a"]),
        ("a = []\nb = a", "a.append(x)", ["b"]),
        ("", "vars(sys.modules[__name__])['fresh'] = x", ["fresh"]),
        ("old = 1", "delattr(sys.modules[__name__], 'old')", ["old"]),
        ("n = None", "setattr(sys.modules[__name__], 'n', open)", ["n"]),
        ("n = open", "setattr(sys.modules[__name__], 'n', 5)", ["n"]),
        ("a, b = 1, 2", "m = sys.modules[__name__]; m.a = m.b = x", ["a", "b"]),
    ],
    ids=["attribute of the module", "bound method", "second name", "new", "deleted", "unkept", "kept", "two"],
)
def test_what_changes_and_was_not_found_is_named(tmp_path, head, body, names):
    [error] = tried(tmp_path, f"{HEAD}{head}\n{ACTION}    {body}\n", 7)
    assert type(error) is StateOverlooked
    assert sorted(error.names) == names
    assert error.state[0] == "total"


def test_the_sentence_says_what_to_write(tmp_path):
    source = f"{HEAD}n = 0\n{ACTION}    setattr(sys.modules[__name__], 'n', x)\n"
    [error] = tried(tmp_path, source, 7)
    assert str(error) == (
        "n changed while records were scored, and is no part of the script's state: what changed is lost when its"
        ' process ends. Write "# engine.state: total, n".'
    )
    assert tried(tmp_path, f"# engine.state: total, n\n{source}", 7) == []


@pytest.mark.parametrize("line", ["# engine.state: other", "# engine.state: none"])
def test_a_name_that_the_scripts_own_list_leaves_out_is_named(tmp_path, line):
    [error] = tried(tmp_path, f"{line}\nother = []\n{HEAD}{ACTION}", 7)
    assert error.names == ["total"]
    assert str(error).endswith(
        'Write "# engine.state: other, total".' if "other" in line else 'Write "# engine.state: total".'
    )


def test_what_is_declared_as_only_read_and_changes_is_named(tmp_path):
    [error] = tried(tmp_path, f"# engine.shared: table\n{HEAD}table = []\n{ACTION}    table.append(x)\n", 7)
    assert str(error).endswith('Write "# engine.state: total, table" in place of "# engine.shared: table".')


def test_a_name_of_the_state_that_cannot_be_kept_is_not_proposed(tmp_path):
    source = f"import threading\nlock = threading.Lock()\nn = 0\n{HEAD}{ACTION}    lock.locked()\n"
    [error] = tried(tmp_path, f"{source}    setattr(sys.modules[__name__], 'n', x)\n", 7)
    assert error.state == ["total"]


@pytest.mark.parametrize(
    "source",
    [
        f"{HEAD}{ACTION}",
        f"{HEAD}TABLE = {{'a': [1, 2.0, None]}}\n{ACTION}",
        f"{HEAD}import functools\n@functools.cache\ndef slow(x):\n    return x\n{ACTION}    slow(x)\n",
        f"{HEAD}n = 0\ndef begin():\n    global n\n    n = 5\n{ACTION}",
        f"{HEAD}n = 0\n{ACTION}def end():\n    global n\n    n = 5\n",
        f"{HEAD}from engine import cells\ncell = cells('c')\n{ACTION}    cell.set(x)\n",
        f"{HEAD}import numpy as np\nnan, weights = float('nan'), np.array([1.0, np.nan])\n{ACTION}",
        f"{HEAD}import random\nrng = random.Random(1)\n{ACTION}    random.random()\n",
    ],
    ids=["state", "constants", "cache", "begin", "end", "cells", "nan", "objects"],
)
def test_what_is_state_or_does_not_change_is_passed_over(tmp_path, source):
    assert tried(tmp_path, source, 1, 2) == []


def test_every_key_has_its_own_state_and_the_rest_is_looked_at(tmp_path):
    source = "# engine.key: k\nimport sys\nseen, n = [], 0\ndef action(r):\n    seen.append(1)\n"
    assert tried(tmp_path, source, {"k": "A"}, {"k": "B"}) == []
    source += "    sys.modules[__name__].n += 1\n"
    [error] = tried(tmp_path, source, {"k": "A"}, {"k": "B"})
    assert (error.names, error.state) == (["n"], ["seen"])


def test_an_engine_at_work_does_not_look(tmp_path):
    source = f"{HEAD}n = 0\n{ACTION}    setattr(sys.modules[__name__], 'n', x)\n"
    assert tried(tmp_path, source, 7, is_watched=False) == []
