"""What an image of a model costs: its size, the time to build it, and the time from its start to the first score.

Built and run by buildah on a Debian that the testbed makes, with no daemon between; the sample model. A start has an
empty volume, and its files in the page cache of the machine: what a registry takes to hand over the image is not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.measuring import LOCAL, ROOT, machine, print_table, save, spread
from demo.data import read_packages
from demo.server import clean_environ, free_port
from engine import __version__
from testbed.images import Buildah, Container, fetch_debian

MODEL = "tf_sp500_lstm"
BASE = f"localhost/scoring-engine:{__version__}"
TAG = "localhost/benchmark:1"
USER = 10001  # the image's
N_PRICES = 30  # so many bring the first score
START_LIMIT_S = 120.0
POLL_S = 0.01


def size_bytes(buildah: Buildah, image: str) -> int:
    """Return the size of an image's files, all layers together."""
    images = json.loads(buildah.call("images", "--json", image))
    text = str(images[0]["size"])  # such as "532 MB"
    number, unit = text.split()
    return round(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()])


def build_s(buildah: Buildah, library: Path, *options: str) -> float:
    """Build the model's image and return the seconds that the command took."""
    words = ["image", "build", MODEL, "--library", str(library), "-t", TAG, "--", *buildah.build_options, *options]
    environ = clean_environ({"ENGINE_BUILDER": buildah.line})
    started_s = time.monotonic()
    subprocess.run([sys.executable, "-m", "engine", *words], cwd=ROOT, env=environ, check=True, capture_output=True)
    return time.monotonic() - started_s


def first_score_s(buildah: Buildah, prices: list[str], folder: Path) -> tuple[float, float]:
    """Start a container; return the seconds until the engine was RUNNING, and until the first score."""
    port = free_port()
    volume = folder / "volume"
    volume.mkdir(parents=True)
    os.chown(volume, USER, USER)
    with Container(buildah, TAG, folder / "log") as container:
        started_s = time.monotonic()
        container.start({"ENGINE_PORT": str(port)}, {volume: "/var/lib/engine"})
        while not answers(port):
            if time.monotonic() > started_s + START_LIMIT_S:
                raise TimeoutError(container.said)
            time.sleep(POLL_S)
        running_s = time.monotonic() - started_s
        for price in prices:
            request = urllib.request.Request(f"http://127.0.0.1:{port}/score", price.encode(), method="POST")
            urllib.request.urlopen(request, timeout=START_LIMIT_S).read()
        scored_s = time.monotonic() - started_s
        container.stop()
    return running_s, scored_s


def answers(port: int) -> bool:
    """Return whether an engine answers, which it does when its model is RUNNING."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/engine", timeout=START_LIMIT_S) as response:
            return bool(json.load(response)["state"] == "RUNNING")
    except (urllib.error.URLError, ConnectionError):
        return False


def main(arguments: list[str]) -> None:
    """Measure, print a table and save it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.image", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=LOCAL)
    given = parser.parse_args(arguments)
    buildah = Buildah()
    debian = fetch_debian(buildah)
    prices = [repr(price) for price in read_packages().table["adjusted"].tolist()[:N_PRICES]]
    figures: dict[str, list[float]] = {name: [] for name in ("base", "model", "script", "running", "score")}
    started_s = time.monotonic()
    buildah.build(ROOT, BASE, "--no-cache", BASE=debian)
    figures["base"].append(time.monotonic() - started_s)
    with tempfile.TemporaryDirectory() as work:
        library = Path(work, "library")
        subprocess.run(["cp", "-r", *(str(ROOT / one) for one in ("schemas", "attachments")), work], check=True)
        library.mkdir()
        for one in ("schemas", "attachments"):
            Path(work, one).rename(library / one)
        (library / "model_scripts").mkdir()
        script = library / "model_scripts" / f"{MODEL}.py"
        text = (ROOT / "model_scripts" / f"{MODEL}.py").read_text()
        for round_ in range(given.rounds):
            script.write_text(text)
            figures["model"].append(build_s(buildah, library, "--no-cache"))
            build_s(buildah, library)  # whose layers the next one finds
            script.write_text(f"{text}# {time.time()}\n")
            figures["script"].append(build_s(buildah, library))
            running_s, scored_s = first_score_s(buildah, prices, Path(work, f"start-{round_}"))
            figures["running"].append(running_s)
            figures["score"].append(scored_s)
    sizes = {name: size_bytes(buildah, image) for name, image in (("debian", debian), ("base", BASE), ("model", TAG))}
    named = {
        "base": "build of the base image, nothing cached (one round)",
        "model": "build of the model's image, nothing cached",
        "script": "the same after a change of the script",
        "running": "from start to RUNNING",
        "score": "from start to the first score (the 30th price)",
    }
    results = {name: spread(values) for name, values in figures.items()}
    rows = [
        (named[name], f"{one['median']:.1f} s", f"{one['min']:.1f} to {one['max']:.1f}")
        for name, one in results.items()
    ]
    print_table("An image of the sample model", ("", "median", "of"), rows)
    print_table("Sizes, unpacked", ("image", "MB"), [(name, f"{size / 1e6:.0f}") for name, size in sizes.items()])
    print(save("image", {"machine": machine(), "sizes": sizes, "seconds": results}, given.out))


if __name__ == "__main__":
    main(sys.argv[1:])
