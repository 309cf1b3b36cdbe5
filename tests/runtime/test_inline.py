"""A jet in the engine's own process: what its script asks is answered in the middle of the script."""

import asyncio
import json

import pytest

from engine import cells as engine_cells
from engine.channel import PROTOCOL_VERSION, BatchFrame, Kind, OutputFrame, pack_message, unpack_message
from engine.runtime.cells import Cells
from engine.runtime.inline import InlineRunner

SOURCE = "from engine import cells\ndef action(x):\n    return cells('n').update(lambda n: (n or 0) + x)\n"


class Owner:
    def __init__(self, has_cells):
        self.cells, self.has_cells = Cells(), has_cells
        self.frames = asyncio.Queue()

    def on_frame(self, kind, body):
        if kind is not Kind.ASK:
            self.frames.put_nowait((kind, bytes(body)))
        elif self.has_cells:
            message = unpack_message(body)
            self.cells.ask(self, message, lambda value: self.runner.send(pack_message(Kind.REPLY, [value])))

    def on_console(self, stream, text, record): ...

    def on_exit(self, exit_code):
        self.frames.put_nowait((None, b""))


async def score(folder, values, *, has_cells):
    owner = Owner(has_cells)
    path = folder / "adder.py"
    path.write_text(SOURCE)
    owner.runner = InlineRunner(folder, owner)
    setup = {"protocol": PROTOCOL_VERSION, "name": "adder", "source": SOURCE, "path": str(path)}
    owner.runner.send(pack_message(Kind.SETUP, setup))
    coding = {"encoding": "json", "schema": None, "model_schema": None, "tagged_unions": False, "on_error": "skip"}
    for slot in (0, 1):
        owner.runner.send(pack_message(Kind.SLOT, coding | {"slot": slot}))
    owner.runner.send(BatchFrame(1, 0, 1, [json.dumps(value).encode() for value in values]).pack())
    owner.runner.stop()
    frames = []
    while (frame := await owner.frames.get())[0] is not None:
        frames.append(frame)
    [answer] = [OutputFrame.unpack(memoryview(body)) for kind, body in frames if kind is Kind.OUTPUT]
    return answer, owner.cells


def test_a_script_that_runs_inline_changes_the_cells_of_its_engine(tmp_path):
    answer, cells = asyncio.run(score(tmp_path, [1, 2, 3], has_cells=True))
    assert answer.values == [b"1", b"3", b"6"]
    assert [entry.name for entry in cells.changes()] == ["n"]
    engine_cells("n").set(5)  # the engine is gone: this is for whoever comes next
    assert cells.changes() == []


def test_without_an_answer_the_record_fails(tmp_path):
    answer, _ = asyncio.run(score(tmp_path, [1], has_cells=False))
    [failure] = answer.failures
    assert "The engine does not answer" in str(failure.error)


@pytest.fixture(autouse=True)
def _forget_the_script(monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "adder", raising=False)
