"""Who scores: the engine, a raw loop, and what people use instead, and how each is started."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import peer_python, run
from benchmarks.measuring import ROOT
from benchmarks.over_kafka.loads import N_PARTITIONS, WINDOW
from testbed.maven import fetch

PEERS = Path(__file__).parent / "peers"
SCRIPTS = ROOT / "benchmarks" / "scripts"
COMMIT_S = 0.1  # the engine's default interval, for everybody
LINGER_MS = 5  # librdkafka's default, for everybody
QUIX, BYTEWAX, FAUST = "3.28.1", "0.21.1", "0.15.3"
KAFKA_STREAMS = "4.3.1"
"""Releases that are known to work here; a newer one is tried by changing it."""

_LSTM = ROOT / "model_scripts" / "tf_sp500_lstm.py"
_ARCHIVE = ROOT / "attachments" / "tf_sp500_lstm" / "attachment.tar.gz"


@dataclass(frozen=True, slots=True)
class Task:
    """What a contender is told.

    Parameters
    ----------
    brokers : str
        Where the topics are.
    source, target : str
        The topics.
    group : str
        The consumer group; nobody had it before.
    load : str
        What is done with a record.
    folder : Path
        For everything that it keeps; there, and empty.
    """

    brokers: str
    source: str
    target: str
    group: str
    load: str
    folder: Path


class Contender(ABC):
    """Somebody who scores; `name` is what the tables call it."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def command(self, task: Task) -> list[str]:
        """Return what starts it."""


class Loop(Contender):
    """A peer in Python that takes its task as JSON.

    Parameters
    ----------
    name : str
        What the tables call it.
    python : str
        The interpreter of its environment.
    program : str
        Its file among the peers.
    model : Path
        The LSTM's file.
    codec : str
        ``struct`` or ``fastavro``: who reads and writes the doubles.
    n_threads : int
        Of the model.
    is_batched : bool
        Whether the model is called for many windows at once.
    """

    def __init__(
        self,
        name: str,
        python: str,
        program: str,
        model: Path,
        *,
        codec: str = "fastavro",
        n_threads: int = 1,
        is_batched: bool = True,
    ) -> None:
        super().__init__(name)
        self._python, self._program, self._model = python, program, model
        self._codec, self._n_threads, self._is_batched = codec, n_threads, is_batched

    def command(self, task: Task) -> list[str]:
        """Return what starts it."""
        told = {
            "brokers": task.brokers,
            "source": task.source,
            "target": task.target,
            "group": task.group,
            "load": task.load,
            "folder": str(task.folder),
            "model": str(self._model),
            "n_partitions": N_PARTITIONS,
            "window": WINDOW,
            "codec": self._codec,
            "n_threads": self._n_threads,
            "is_batched": self._is_batched,
            "commit_s": COMMIT_S,
            "linger_ms": LINGER_MS,
        }
        return [self._python, str(PEERS / self._program), json.dumps(told)]


class Streams(Contender):
    """Kafka Streams in Java; only the no-op.

    Parameters
    ----------
    classes : str
        The class path.
    """

    def __init__(self, classes: str) -> None:
        super().__init__("Kafka Streams")
        self._classes = classes

    def command(self, task: Task) -> list[str]:
        """Return what starts it."""
        places = (task.brokers, task.source, task.target, task.group, str(task.folder))
        return ["java", "-cp", self._classes, "NoOp", *places, str(round(1e3 * COMMIT_S)), str(LINGER_MS)]


class Engine(Contender):
    """The engine: ``engine run`` in a library of its own.

    Parameters
    ----------
    n_threads : int
        Of the model.
    """

    def __init__(self, name: str = "engine", *, n_threads: int = 1) -> None:
        super().__init__(name)
        self._n_threads = n_threads

    def command(
        self, task: Task, *, instance: str = "", state: Path | None = None, config: Mapping[str, str] | None = None
    ) -> list[str]:
        """Return what starts it; with an instance name it is a member that comes back."""
        library = task.folder / "library"
        if not library.exists():
            self._make_library(library, task, config or {})
        script = library / "model_scripts" / f"{task.load}.py"
        named = ["--instance", instance] if instance else []
        kept = ["--state", str(state or task.folder / "state")]
        return [sys.executable, "-m", "engine", "run", str(script), "inputs", "outputs", *kept, *named]

    def _make_library(self, library: Path, task: Task, config: Mapping[str, str]) -> None:
        for part in ("model_scripts", "schemas", "streams"):
            (library / part).mkdir(parents=True)
        for schema in ("double", "doubles"):
            place = ROOT / "schemas" if schema == "double" else SCRIPTS
            shutil.copy(place / f"{schema}.avsc", library / "schemas")
        (library / "model_scripts" / f"{task.load}.py").write_text(self._script(task.load))
        if task.load == "lstm":
            shutil.copytree(_ARCHIVE.parent, library / "attachments" / "lstm")
        for name, topic in (("inputs", task.source), ("outputs", task.target)):
            (library / "streams" / f"{name}.json").write_text(json.dumps(stream(task, topic, config)))

    def _script(self, load: str) -> str:
        if load != "lstm":
            return (SCRIPTS / f"{load}.py").read_text()
        keyed = f"# engine.key.0: $key\n{_LSTM.read_text()}"
        opened = 'inference.load("lstm.onnx"'
        if opened not in keyed:
            raise ValueError(f"{_LSTM.name} opens its model in another way than {opened})")
        return keyed.replace(opened, f"{opened}, threads={self._n_threads}")


def stream(task: Task, topic: str, config: Mapping[str, str]) -> dict[str, object]:
    """Return the descriptor of a topic, for either end."""
    transport: dict[str, object] = {"Type": "Kafka", "BootstrapServers": task.brokers.split(","), "Topic": topic}
    descriptor: dict[str, object] = {"Transport": transport, "Encoding": "avro-binary"}
    if topic == task.source:
        transport |= {"Group": task.group, "Config": config}
        descriptor["SkipToRecord"] = "earliest"
    return descriptor


def unpack_model(folder: Path) -> Path:
    """Return the sample model's file, unpacked."""
    with tarfile.open(_ARCHIVE) as members:
        members.extractall(folder, filter="data")
    return folder / "lstm.onnx"


def quix_python() -> str:
    """Return the interpreter of an environment with Quix Streams; made when it is not there."""
    return _python(f"quix-{QUIX}", f"quixstreams=={QUIX}")


def bytewax_python() -> str:
    """Return the interpreter of an environment with Bytewax; made when it is not there."""
    return _python(f"bytewax-{BYTEWAX}", f"bytewax[kafka]=={BYTEWAX}")


def faust_python() -> str:
    """Return the interpreter of an environment with Faust; made when it is not there."""
    return _python(f"faust-{FAUST}", f"faust-streaming=={FAUST}")


def _python(name: str, package: str) -> str:
    import onnxruntime

    return peer_python(name, package, "fastavro", f"onnxruntime=={onnxruntime.__version__}")


def streams_classes(folder: Path) -> str:
    """Return the class path of the no-op in Kafka Streams, compiled into a folder."""
    logger = "org.slf4j:slf4j-nop:1.7.36"  # without one it complains
    jars = fetch(f"kafka-streams-{KAFKA_STREAMS}", [f"org.apache.kafka:kafka-streams:{KAFKA_STREAMS}", logger])
    run(["javac", "-cp", f"{jars}/*", "-d", str(folder), str(PEERS / "NoOp.java")])
    return f"{folder}:{jars}/*"
