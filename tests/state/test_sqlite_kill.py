"""A process that is killed has kept whatever it said it kept, and a commit of it is there whole or not at all."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.state.commits import Entry
from engine.state.sqlite import SqliteStore

KEYS = [b"%d" % number for number in range(50)]

CHILD = """
import sys
from pathlib import Path
from engine.state.commits import Commit, Entry, Fence, InputFence, OutputFence
from engine.state.sqlite import SqliteStore

store = SqliteStore(Path(sys.argv[1]))
number = store.fence.number if store.fence is not None else 0
while True:
    number += 1
    futures = [store.append(1, [b"%d" % number] * 2, is_synced=number % 2 == 0) for _ in range(3)]
    entries = [Entry("script", b"%d" % key, "n", b"%d" % number) for key in range(50)]
    last = futures[-1].result()
    print("appended", last, flush=True)
    fence = Fence(number, "m", "d", {}, {1: InputFence(0, last - 3)}, {2: OutputFence(1, 0, number)})
    commit = Commit(fence, entries, {2: [b"%d" % number]}, is_synced=number % 3 == 0)
    store.commit(commit).result()
    print("committed", number, flush=True)
    if number % 5 == 0:
        store.acknowledge(2, number - 2)
        print("acknowledged", number - 2, flush=True)
"""


@pytest.mark.integration
def test_everything_that_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    chance = random.Random(5)
    said = {"appended": 0, "committed": 0, "acknowledged": 0}
    for _ in range(20):
        command = [sys.executable, "-c", CHILD, str(tmp_path / "store")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(chance.randrange(1, 60)):
                what, number = child.stdout.readline().split()
                said[what] = int(number)
            for _ in range(chance.randrange(3000)):  # somewhere in what follows
                pass
            child.send_signal(signal.SIGKILL)
            for line in child.stdout:  # said before it died
                if line.endswith("\n"):
                    what, number = line.split()
                    said[what] = int(number)
        with SqliteStore(tmp_path / "store") as store:
            assert store.fence is not None
            number = store.fence.number
            assert number >= said["committed"]
            assert list(store.entries()) == sorted(Entry("script", key, "n", b"%d" % number) for key in KEYS)
            outputs = store.outputs(2)
            assert outputs.first_seq <= said["acknowledged"] + 5
            assert outputs.values == [b"%d" % seq for seq in range(outputs.first_seq, number + 1)]
            inputs = store.inputs(1)
            assert inputs.first_seq == store.fence.inputs[1].position + 1
            assert inputs.first_seq + len(inputs.values) - 1 >= said["appended"]
            assert {int(value) for value in inputs.values} <= {number, number + 1}
