"""A model whose requirements are not the engine's runs in an environment of its own."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from demo.data import read_packages
from demo.server import PROGRAMS, Server, clean_environ
from engine.client import Client
from engine.errors import EnvironmentFailed

ROOT = Path(__file__).parents[2]
OLD_NUMPY = "1.26.4"  # the engine asks for 2 or later
SCRIPT = """
import sys
import numpy

def action(x):
    yield [numpy.__version__, sys.prefix]
"""
NOWHERE = "no-such-distribution-anywhere==1.0"
PATIENCE_S = 90.0  # to fetch and install one wheel of 18 MB


def attachment(requirements: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        info = tarfile.TarInfo("requirements.txt")
        info.size = len(requirements)
        packed.addfile(info, io.BytesIO(requirements.encode()))
    return file.getvalue()


@dataclass(frozen=True)
class Place:
    """Where models are run: a cache for their environments, and a folder."""

    folder: Path
    cache: Path

    @property
    def environ(self) -> dict[str, str]:
        return {"ENGINE_CACHE": str(self.cache), "ENGINE_STATE": str(self.folder / "state")}

    @property
    def built(self) -> dict[Path, int]:
        """Every environment that is ready, and when it was."""
        return {path: path.stat().st_mtime_ns for path in self.cache.glob("environments/*/ready")}

    def run(self, requirements: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "script.py").write_text(SCRIPT)
        (self.folder / "needs.tar.gz").write_bytes(attachment(requirements))
        command = [PROGRAMS / "engine", "run", "script.py", "inline:1", "-", "--attachment", "needs.tar.gz"]
        environ = clean_environ(self.environ)
        return subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one cache for all: what one test has built, the others find."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def place(tmp_path: Path, cache: Path) -> Place:
    return Place(tmp_path, cache)


@pytest.fixture
def client(place: Place) -> Iterator[Client]:
    with Server(place.folder, environ=place.environ) as server, Client(server.url) as client:
        client.models.put("model", SCRIPT.encode())
        for slot in (0, 1):
            client.engine.attach(slot, descriptor="rest:")
        yield client


def test_a_run_uses_the_models_libraries_and_a_second_one_builds_nothing(place: Place) -> None:
    first = place.run(f"numpy=={OLD_NUMPY}\n")
    assert first.returncode == 0, first.stderr
    assert "Building the environment of" in first.stderr
    assert "is ready" in first.stderr
    version, prefix = json.loads(first.stdout)
    assert version == OLD_NUMPY
    assert Path(prefix).is_relative_to(place.cache)
    built = place.built
    assert len(built) == 1

    second = place.run(f"numpy=={OLD_NUMPY}\n")
    assert second.stdout == first.stdout
    assert place.built == built
    assert np.__version__ != OLD_NUMPY


def test_a_server_runs_a_model_with_other_libraries_beside_its_own(client: Client, place: Place) -> None:
    client.attachments("model").put("needs.tar.gz", attachment(f"numpy=={OLD_NUMPY}\n"))
    client.engine.load("model")
    client.engine.input(0, [b"1"])
    [value] = client.engine.output(1, wait_s=PATIENCE_S).values
    assert json.loads(value)[0] == OLD_NUMPY

    built = place.built
    client.engine.load("model")
    assert place.built == built
    client.attachments("model").remove("needs.tar.gz")
    client.engine.load("model")
    client.engine.input(0, [b"1"])
    assert json.loads(client.engine.output(1, wait_s=PATIENCE_S).values[-1])[0] == np.__version__


def test_a_run_that_asks_for_what_does_not_exist_ends_with_4_and_names_it(place: Place) -> None:
    ran = place.run(NOWHERE)
    assert ran.returncode == 4
    assert ran.stdout == ""
    assert "The environment of 'script' could not be built" in ran.stderr
    assert "no-such-distribution-anywhere" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not list((place.folder / "state" / "jets").iterdir())


def test_a_server_that_cannot_build_an_environment_says_so_and_goes_on(client: Client) -> None:
    client.attachments("model").put("needs.tar.gz", attachment(NOWHERE))
    with pytest.raises(EnvironmentFailed, match="no-such-distribution-anywhere"):
        client.engine.load("model")
    assert client.engine.inspect()["model"] is None
    client.attachments("model").remove("needs.tar.gz")
    client.engine.load("model")
    assert client.engine.inspect()["state"] == "RUNNING"


@pytest.mark.timeout(1200)  # TensorFlow is 1.7 GB: a minute where the network is fast, nothing once it is in the cache
def test_the_keras_script_gives_the_scores_of_the_onnx_script(tmp_path: Path) -> None:
    prices = read_packages().table["adjusted"].tolist()[:45]
    records = "".join(f"{price!r}\n" for price in prices)
    scores = []
    for name in ("tf_sp500_lstm", "tf_sp500_lstm_keras"):
        ran = subprocess.run(
            [PROGRAMS / "engine", "run", f"model_scripts/{name}.py", "-", "-"],
            cwd=ROOT,
            env=clean_environ({"ENGINE_STATE": str(tmp_path)}),
            input=records,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        scores.append([float(line) for line in ran.stdout.splitlines()])
    assert len(scores[0]) == len(prices) - 30 + 1
    np.testing.assert_allclose(scores[1], scores[0], rtol=0, atol=1e-5)
