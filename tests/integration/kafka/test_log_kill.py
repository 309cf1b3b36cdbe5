"""An engine that is killed anywhere in a commit has done it whole or not at all, here and in Kafka."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.state.sqlite import SqliteStore
from testbed.kafka import KafkaCluster
from tests.integration.kafka.conftest import MakeTopic
from tests.integration.kafka.reading import read_values

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
STEPS = ("prepare-open", "prepare-closed", "sent", "transacted", "fence-open", "fence-closed")
N_COMMITS = 15


@pytest.mark.parametrize("kind", ["bound", "free", "stateless"])
def test_what_an_engine_commits_that_is_killed_at_every_step_is_there_once(
    kafka: KafkaCluster, name: str, topic: MakeTopic, tmp_path: Path, kind: str
) -> None:
    settings = {
        "servers": kafka.bootstrap,
        "name": name,
        "input": topic(1),
        "output": topic(1),
        "folder": str(tmp_path),
        "kind": kind,
        "n_commits": N_COMMITS,
    }
    script = Path(__file__).with_name("committing_engine.py")
    for step in (*STEPS, ""):
        ran = subprocess.run(
            [sys.executable, script, json.dumps(settings)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "ENGINE_KILL_AT": f"{step}:2" if step else ""},
            capture_output=True,
            text=True,
        )
        assert ran.returncode == (-signal.SIGKILL if step else 0), ran.stderr
    expected = [b"%d" % number for number in range(1, N_COMMITS + 1)]
    assert read_values(kafka, settings["output"]) == expected
    with SqliteStore(tmp_path) as store:
        assert store.outputs(2).values == expected
        assert [reject.reason.encode() for reject in store.rejects()] == expected
        assert store.prepared is None
