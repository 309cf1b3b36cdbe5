"""``import fastscore`` finds ours in a jet, whatever is installed."""

import sys

import pytest

import engine
from engine.compat import install_modules
from tests.jet.test_worker import Conversation


@pytest.fixture(autouse=True)
def _restore_modules(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastscore", None)  # as if it were not to be found


@pytest.mark.parametrize(
    "source",
    [
        "import fastscore\ndef action(x):\n    return fastscore.cells('n').update(lambda n: (n or 0) + x)\n",
        "from fastscore import cells, pools\ndef action(x):\n    return cells('n').update(lambda n: (n or 0) + x)\n",
        "import fastscore as fs\nn = fs.cells('n')\ndef action(x):\n    return n.update(lambda n: (n or 0) + x)\n",
    ],
)
def test_a_script_finds_cells_under_the_name_that_it_knows(tmp_path, source):
    talk = Conversation(tmp_path, source)
    assert talk.score(1, 2) == [(1, 1), (1, 3)]


def test_what_is_installed_under_the_name_gives_way():
    install_modules()
    import fastscore

    assert fastscore.cells is engine.cells
    assert fastscore.pools is engine.pools
