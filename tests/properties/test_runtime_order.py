"""Whatever goes wrong with whichever records: outputs keep their order, and rejects name exactly those records."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.runtime import EngineState
from tests.runtime.conftest import END, Rig, stream

pytestmark = pytest.mark.integration  # its jets are processes

SCRIPT = """
# engine.schema.0: long
# engine.schema.1: long
# engine.on_error: {policy}
import os

def action(x):
    yield x
    match x % 10:
        case {crash}:
            os._exit(3)
        case {fail}:
            raise RuntimeError("no")
        case {unfit}:
            yield "text"
        case {twice}:
            yield -x
"""
GOOD, TWICE, BAD, UNFIT, FAIL, CRASH = range(6)


@dataclass
class Expected:
    """What is to come of a run."""

    outputs: list[int] = field(default_factory=list)
    rejects: list[tuple[int, str]] = field(default_factory=list)
    state: EngineState = EngineState.FINISHED


def expect(kinds: list[int], policy: str) -> Expected:
    expected = Expected()
    for seq_no, kind in enumerate(kinds, 1):
        value = 10 * seq_no + kind
        if kind == BAD:
            expected.rejects.append((seq_no, "input"))
        elif kind in (FAIL, CRASH):
            if policy == "stop":
                expected.state = EngineState.ERROR
                break
            expected.rejects += [(seq_no, "action")] * (policy == "reject")
        else:
            expected.outputs += [value] if kind != TWICE else [value, -value]
            expected.rejects += [(seq_no, "output")] * (kind == UNFIT)
    return expected


def raw(seq_no: int, kind: int) -> str:
    return "not JSON" if kind == BAD else str(10 * seq_no + kind)


async def run(folder: Path, kinds: list[int], policy: str, watermark: int | None, n_jets: int) -> dict[str, Any]:
    rig = Rig(folder)
    source = SCRIPT.format(policy=policy, crash=CRASH, fail=FAIL, unfit=UNFIT, twice=TWICE)
    # As often as it takes: the records are to blame, however many of them follow each other.
    engine = rig.engine(restart_backoff_s=0.0, n_restarts=1000, n_jets=n_jets)
    data = [raw(seq_no, kind) for seq_no, kind in enumerate(kinds, 1)]
    batching = {} if watermark is None else {"Batching": {"Watermark": watermark, "NagleTime": 10}}
    out = folder / "out"
    try:
        await engine.attach(0, stream({"Transport": {"Type": "inline", "Data": data}, "Encoding": "json"} | batching))
        await engine.attach(1, stream({"Transport": {"Type": "file", "Path": str(out)}, "Encoding": "json"}))
        await engine.load(rig.model(source))
        await asyncio.wait_for(engine.wait(*END), 60)
        state = engine.state
        [slot] = [slot for slot in engine.inspect().slots if slot.slot == 0]
        rejects = engine.rejected()
    finally:
        await engine.close()
    return {
        "state": state,
        "outputs": list(map(int, out.read_text().splitlines())),
        "rejects": [(reject.seq_no, reject.stage) for reject in rejects],
        "n_records": slot.n_records,
    }


KINDS = st.lists(
    st.one_of(st.just(GOOD), st.sampled_from([TWICE, BAD, UNFIT, FAIL]), st.sampled_from([GOOD, GOOD, CRASH])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kinds=KINDS,
    policy=st.sampled_from(["stop", "reject", "skip"]),
    watermark=st.sampled_from([None, 1, 2, 5]),
    n_jets=st.sampled_from([1, 2]),
)
@example(kinds=[GOOD, CRASH, CRASH, GOOD, FAIL, BAD, TWICE, CRASH], policy="reject", watermark=None, n_jets=1)
@example(kinds=[TWICE, BAD, GOOD, FAIL, GOOD, CRASH, UNFIT, GOOD], policy="skip", watermark=2, n_jets=2)
@example(kinds=[CRASH], policy="reject", watermark=None, n_jets=1)
@example(kinds=[GOOD, BAD, GOOD, CRASH, GOOD], policy="stop", watermark=None, n_jets=1)
def test_outputs_keep_their_order_and_rejects_are_the_right_ones(
    kinds: list[int], policy: str, watermark: int | None, n_jets: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        came = asyncio.run(run(Path(folder), kinds, policy, watermark, n_jets))
    expected = expect(kinds, policy)
    assert came["state"] is expected.state
    assert came["outputs"] == expected.outputs
    assert came["rejects"] == expected.rejects
    if expected.state is EngineState.FINISHED:
        assert came["n_records"] == len(kinds)
