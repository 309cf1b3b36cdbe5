"""Images of models, built by buildah on a Debian of its own: they score, survive, drain and keep no secret."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo import demo
from demo.data import read_packages
from demo.server import clean_environ, free_port
from engine import __version__
from testbed.errors import NotToBeHad
from testbed.images import Buildah, Container, fetch_debian
from testbed.maven import alone
from tests.image.conftest import packed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ROOT = demo.ROOT
BASE = f"localhost/scoring-engine:{__version__}"
USER = 10001
PRICES = [f"{price!r}\n".encode() for price in read_packages().table["adjusted"].tolist()[:60]]
N_BEFORE = 45
START_LIMIT_S = 60.0
SECRET = "machine index.example login me password hunter2-is-in-no-layer"
SIX = "six==1.17.0"
USES_SIX = """# engine.schema.0: double
# engine.schema.1: string
import six

def action(x):
    yield six.__version__
"""
Build = Callable[..., str]


@pytest.fixture(scope="session")
def buildah() -> Buildah:
    """Return a buildah that has the base image, built from layers that it has where they are the same."""
    buildah = Buildah()
    try:
        debian = fetch_debian(buildah)
    except NotToBeHad as missing:
        pytest.skip(str(missing))
    started_s = time.monotonic()
    with alone(buildah.folder / "base"):  # another worker's tests find it built
        buildah.build(ROOT, BASE, BASE=debian)
    print(f"the base image: {time.monotonic() - started_s:.1f} s")
    return buildah


@pytest.fixture
def engine_image(buildah: Buildah, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``engine image`` with this buildah."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "engine", "image", *words]
        environ = clean_environ({"ENGINE_BUILDER": buildah.line, "TMPDIR": str(tmp_path)})
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)

    return run


@pytest.fixture
def build(engine_image: Callable[..., subprocess.CompletedProcess[str]], buildah: Buildah) -> Build:
    """Build the image of a model and return what it is called."""

    def build_one(*words: str, options: Sequence[str] = ()) -> str:
        ran = engine_image("build", *words, "--", *buildah.build_options, *options)
        assert ran.returncode == 0, ran.stderr
        print(ran.stderr)
        return ran.stdout.strip()

    return build_one


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Copy the sample library, so that a test may change its models."""
    folder = tmp_path / "library"
    for name in ("model_scripts", "schemas", "streams", "attachments"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


class Running:
    """A container of an image with a volume, in which scores are asked for."""

    def __init__(self, buildah: Buildah, image: str, folder: Path) -> None:
        self.port = free_port()
        self.volume = folder / "volume"
        self.volume.mkdir(parents=True, exist_ok=True)
        os.chown(self.volume, USER, USER)
        self.container = Container(buildah, image, folder / "log")
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def __enter__(self) -> Running:
        self.container.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.container.__exit__()

    def start(self, volumes: dict[Path, str] | None = None, **environ: str) -> float:
        """Start it; return how long it took until it was RUNNING, in seconds."""
        started_s = time.monotonic()
        mounts = {self.volume: "/var/lib/engine"} if volumes is None else volumes
        self.container.start({"ENGINE_PORT": str(self.port), **environ}, mounts)
        while time.monotonic() < started_s + START_LIMIT_S:
            assert self.container.process.poll() is None, self.container.said
            try:
                if self.client.get("/engine").json()["state"] == "RUNNING":
                    return time.monotonic() - started_s
            except httpx.TransportError:
                time.sleep(0.02)
        raise AssertionError(self.container.said)

    def scores(self, prices: list[bytes]) -> list[bytes]:
        answers = [self.client.post("/score", content=price.strip()) for price in prices]
        assert {answer.status_code for answer in answers} <= {200, 204}, answers[-1].text
        return [answer.content for answer in answers if answer.content]


@pytest.fixture
def running(buildah: Buildah, tmp_path: Path) -> Callable[[str], Running]:
    def make(image: str) -> Running:
        return Running(buildah, image, tmp_path / "container")

    return make


def expected(prices: list[bytes], folder: Path) -> list[bytes]:
    command = [sys.executable, "-m", "engine", "run", demo.SCRIPT, "-", "-"]
    environ = clean_environ({"ENGINE_STATE": str(folder / "expected")})
    ran = subprocess.run(command, cwd=ROOT, env=environ, input=b"".join(prices), capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout.splitlines()


def test_an_image_scores_by_itself_survives_a_kill_and_drains(
    build: Build, running: Callable[[str], Running], tmp_path: Path
) -> None:
    wanted = expected(PRICES, tmp_path)
    with running(build(demo.MODEL)) as it:
        print(f"from start to RUNNING: {it.start():.1f} s")
        scores = it.scores(PRICES[:N_BEFORE])
        assert "Only this container reaches the engine" in it.container.said
        # What a caller has got may be ahead of the last commit: one that waits for its records is not.
        it.client.post("/input/0", content=PRICES[N_BEFORE].strip()).raise_for_status()
        scores.append(it.client.get("/output/1", params={"wait": ""}).content.strip())
        it.container.kill()
        it.start()
        assert "Resumed at commit" in it.container.said
        scores += it.scores(PRICES[N_BEFORE + 1 :])
        assert scores == wanted
        health = it.container.buildah.call(
            "run", "--isolation", "chroot", f"--env=ENGINE_PORT={it.port}", it.container.name, "--",
            "python", "-m", "engine.image.health",
        )  # fmt: skip
        assert health == "ok"
        assert it.container.stop() == 0
        assert "server.stopped" in it.container.said
        # A read-only root would have done: buildah has none.
        root = it.container.buildah.call("mount", it.container.name)
        command = ["find", ".", "-xdev", "-uid", str(USER), "-not", "-path", "./tmp/*"]
        found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        assert found.stdout.split() == ["./var/lib/engine"]


def test_without_a_volume_that_can_be_written_it_scores_and_says_what_is_lost(
    build: Build, running: Callable[[str], Running], tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(0o755)  # root's
    with running(build(demo.MODEL)) as it:
        it.start({closed: "/var/lib/engine"}, ENGINE_NO_AUTH="1", ENGINE_LOG_LEVEL="error")
        assert len(it.scores(PRICES[:31])) == 2
        assert "/var/lib/engine is not writable" in it.container.said
        assert "Whoever reaches this container may do everything" in it.container.said
        assert "server.started" not in it.container.said  # an event below the level
        assert it.container.stop() == 0
    assert list(closed.iterdir()) == []


def test_the_base_image_runs_what_the_baked_variables_of_fastscore_name(running: Callable[[str], Running]) -> None:
    with running(BASE) as it:
        volumes = {it.volume: "/var/lib/engine"}
        volumes |= {ROOT / name: f"/given/{name}" for name in ("model_scripts", "schemas", "streams")}
        it.start(
            volumes,
            MODEL="/given/model_scripts/moving_average.py",
            SCHEMAS="double:/given/schemas/double.avsc",
            STREAMS="0:/given/streams/rest.json;1:/given/streams/rest.json",
            CONNECT_PREFIX="https://connect:8001",
        )
        assert it.scores([b"1", b"2", b"3", b"4", b"5"]) == [b"3.0"]
        assert it.container.stop() == 0


def test_a_changed_script_costs_its_own_layer_and_takes_over_the_state(
    build: Build, buildah: Buildah, running: Callable[[str], Running], library: Path
) -> None:
    script = library / "model_scripts" / f"{demo.MODEL}.py"
    first = build(demo.MODEL, "--library", str(library))
    again = build(demo.MODEL, "--library", str(library), "-t", "localhost/again:1", "--output", str(library / "built"))
    text = script.read_text()
    script.write_text(text.replace("yield float(lstm", "yield 1000 + float(lstm"))
    started_s = time.monotonic()
    second = build(demo.MODEL, "--library", str(library))
    print(f"a changed script: {time.monotonic() - started_s:.1f} s")
    layers = {image: buildah.inspect(image)["rootfs"]["diff_ids"] for image in (first, again, second)}
    assert layers[again] == layers[first]
    n_same = sum(one == other for one, other in zip(layers[first], layers[second], strict=True))
    assert n_same == len(layers[first]) - 1
    with running(first) as it:
        it.start()
        assert len(it.scores(PRICES[:N_BEFORE])) == N_BEFORE - 29
        assert it.container.stop() == 0  # a drain commits what was scored
        volume = it.volume
    with running(second) as it:
        it.start({volume: "/var/lib/engine"})
        (score,) = it.scores([PRICES[N_BEFORE]])  # the first one would need thirty prices without the state
        assert float(score) > 999
        assert "takes the place of the one before" in it.container.said


def test_layers_are_the_same_when_nothing_is_cached(build: Build, buildah: Buildah, tmp_path: Path) -> None:
    cached = buildah.inspect(build(demo.MODEL, "--output", str(tmp_path / "built")))["rootfs"]["diff_ids"]
    buildah.build(tmp_path / "built", "localhost/uncached:1", "--no-cache")
    assert buildah.inspect("localhost/uncached:1")["rootfs"]["diff_ids"] == cached


def test_labels_are_read_back(build: Build, engine_image: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    image = build(demo.MODEL)
    found: dict[str, Any] = json.loads(engine_image("inspect", image, "-o", "json").stdout)
    assert found["model"] == demo.MODEL
    assert found["slots"] == {str(slot): {"schema": "double", "stream": "rest:"} for slot in (0, 1)}
    assert found["state"] == ["past_days"]
    listed = json.loads(engine_image("list", "-o", "json").stdout)
    assert found["model.digest"] in {one["model.digest"] for one in listed}
    assert "no label" in engine_image("inspect", BASE).stderr


def test_packages_are_in_the_image_and_secrets_are_not(
    build: Build, buildah: Buildah, running: Callable[[str], Running], tmp_path: Path
) -> None:
    library = tmp_path / "six"
    for name, content in (
        ("model_scripts/six_version.py", USES_SIX.encode()),
        ("schemas/double.avsc", b'"double"'),
        ("schemas/string.avsc", b'"string"'),
        ("attachments/six_version/packages.tar.gz", packed(requirements__txt=SIX)),
    ):
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).write_bytes(content)
    netrc = tmp_path / "netrc"
    netrc.write_text(SECRET)
    started_s = time.time()
    image = build("six_version", "--library", str(library), "--netrc", str(netrc), options=["--no-cache"])
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "password").write_text(SECRET)
    with running(image) as it:
        it.start({it.volume: "/var/lib/engine", secrets: "/run/secrets"})
        assert it.scores([b"1"]) == [b'"1.17.0"']
        assert "Building the environment" not in it.container.said
        assert it.container.stop() == 0
        assert SECRET not in it.container.said
        assert not [path for path in it.volume.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    word = SECRET.rsplit(maxsplit=1)[-1]
    assert word not in buildah.call("inspect", "--type", "image", image)
    kept = [path for path in (buildah.folder / "store").glob("overlay*/*") if path.stat().st_ctime >= started_s]
    assert len(kept) > 5  # a layer each, and what is known of it
    found = subprocess.run(["grep", "-rlF", word, *kept], capture_output=True, text=True)
    assert (found.stdout, found.returncode) == ("", 1)


def test_a_base_that_is_not_there_is_told_with_how_to_build_it(
    engine_image: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    ran = engine_image("build", demo.MODEL, "--base", "localhost/no-such-base:1")
    assert ran.returncode == 1
    assert "buildah build -t localhost/no-such-base:1 ." in ran.stderr
    assert "Traceback" not in ran.stderr
