"""A schema registry of this machine, which speaks as Confluent's does: Apicurio."""

from __future__ import annotations

import shutil
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.errors import ServerDied
from testbed.java import find_java
from testbed.maven import fetch
from testbed.ports import free_ports
from testbed.process import ServerProcess

VERSION = "3.3.3"
READY_LIMIT_S = 120  # it starts in 4 s, and in 40 on a machine that is busy
_JAVA = 21  # what this version asks for; the one before it for Java 17 gives a schema two ids
_HEAP_MIB = 256
_LOOK_S = 0.1


class SchemaRegistry:
    """A registry in a process; what it was told is in its memory, and gone when it stops.

    Its port stays the same, so that it can be stopped and started under a client.

    Examples
    --------
    >>> with SchemaRegistry() as registry:  # doctest: +SKIP
    ...     SchemaRegistryClient({"url": registry.url})
    """

    def __init__(self) -> None:
        self._port, self._management_port = free_ports(2)
        self._folder = Path(tempfile.mkdtemp(prefix="registry-"))
        self._process: ServerProcess | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where clients find it: the address that Confluent's clients take."""
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    @property
    def native_url(self) -> str:
        """Where Apicurio's own clients find it."""
        return f"http://127.0.0.1:{self._port}/apis/registry/v2"

    @property
    def process(self) -> ServerProcess:
        """The process of the last start."""
        if self._process is None:
            raise RuntimeError("the schema registry was never started")
        return self._process

    def start(self) -> None:
        """Start it and return when it answers.

        Raises
        ------
        ServerDied
            It ended, or did not answer in time.
        """
        command = [
            find_java(_JAVA),
            f"-Xmx{_HEAP_MIB}m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dquarkus.http.host=127.0.0.1",
            f"-Dquarkus.http.port={self._port}",
            "-Dquarkus.http.http2=false",  # in the clear, as Java's client asks for it: nothing that is tried here
            "-Dquarkus.management.host=127.0.0.1",  # it has a second door, by default one and the same for all
            f"-Dquarkus.management.port={self._management_port}",
            "-jar",
            str(registry_folder() / "quarkus-run.jar"),
        ]
        self._process = ServerProcess(command, self._folder, self._folder / "registry.log")
        deadline = time.monotonic() + READY_LIMIT_S
        while not self._answers():
            if not self.process.is_running:
                raise ServerDied("The schema registry", "ended", self.process.log_tail())
            if time.monotonic() > deadline:
                raise ServerDied("The schema registry", "was not ready in time", self.process.log_tail())
            time.sleep(_LOOK_S)

    def stop(self) -> None:
        """End it; all its schemas are gone."""
        self.process.kill()

    def close(self) -> None:
        """End it and remove its folder."""
        if self._process is not None:
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=5) as answer:  # noqa: S310 - our own http
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def registry_folder() -> Path:
    """Return the folder of the registry's program; fetch it if it is not there."""
    return fetch(f"apicurio-{VERSION}", [f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"], is_whole=True)
