"""One member of a group: engines of one name that follow each other, and what is done to them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.torture.kills import Life
from engine.torture.victim import Victim

ASSIGNED = "group.assigned"
"""What an engine writes when it has been given partitions."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """When an engine was given partitions, by the day's clock, and all that it had then."""

    at_s: float
    partitions: frozenset[int]


class Member:
    """A member.

    Parameters
    ----------
    name : str
        What the engine is called in the group, whoever it is.
    command : sequence of str
        What starts it.
    folder : Path
        For its log.
    environ : mapping
        Its environment.
    is_guest : bool
        It goes again, and nobody takes its place.
    """

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environ: Mapping[str, str], *, is_guest: bool = False
    ) -> None:
        self.name, self.is_guest = name, is_guest
        self._command, self._folder, self._environ = list(command), folder, dict(environ)
        self._log = folder / f"{name}.log"
        self._victim: Victim | None = None
        self._read_bytes = 0
        self._assignments: list[Assignment] = []
        self.life: Life | None = None
        self.step = ""
        """Where it kills itself, even when its life is spared later."""
        self.worked_s: float | None = None
        """When the group first got on while it was there."""
        self.frozen_until_s: float | None = None
        self.fenced_s = float("-inf")
        """When it was last shut out."""
        self.is_leaving = self.is_jet_killed = False

    def start(self, life: Life | None) -> None:
        """Start an engine with a life."""
        self.life, self.worked_s, self.frozen_until_s = life, None, None
        self.is_leaving = self.is_jet_killed = False
        self.fenced_s = float("-inf")
        self.step = life.step if life is not None else ""
        environ = self._environ | ({"ENGINE_KILL_AT": self.step} if self.step else {})
        self._victim = Victim(self._command, self._folder, self._log, environ)

    @property
    def victim(self) -> Victim:
        """Its engine."""
        if self._victim is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._victim

    @property
    def is_frozen(self) -> bool:
        """Whether it stands still."""
        return self.frozen_until_s is not None

    @property
    def is_at_work(self) -> bool:
        """Whether something may be done to it: it is through with its start, and neither frozen nor about to go."""
        return self.worked_s is not None and not self.is_frozen and not self.is_leaving

    def freeze(self, seconds: float) -> None:
        """Make it, and the processes of its script, stand still."""
        self.victim.freeze()
        self.frozen_until_s = time.monotonic() + seconds

    def thaw(self) -> None:
        """Let it go on."""
        self.victim.thaw()
        self.frozen_until_s = None

    def leave(self, *, is_hard: bool = False) -> None:
        """Ask it to end in order, or kill it."""
        self.is_leaving = True
        if is_hard:
            self.victim.kill()
        else:
            self.victim.terminate()

    def end(self) -> None:
        """Kill it, whatever it does."""
        if self._victim is not None:
            self._victim.thaw()  # a process of its script that stands still would not notice that it is gone
            self._victim.kill()

    def log_tail(self) -> str:
        """Return the last lines that it wrote."""
        return f"{self.name}:\n{self.victim.log_tail()}"

    def assignments(self) -> list[Assignment]:
        """Return what it was given, by every engine of its name so far."""
        with self._log.open("rb") as log:
            log.seek(self._read_bytes)
            data = log.read()
        data = data[: data.rfind(b"\n") + 1]
        self._read_bytes += len(data)
        self._assignments += [found for line in data.splitlines() if (found := _read(line)) is not None]
        return self._assignments

    @property
    def partitions(self) -> frozenset[int]:
        """What it had when it was last given something."""
        assignments = self.assignments()
        return assignments[-1].partitions if assignments else frozenset()


def _read(line: bytes) -> Assignment | None:
    if ASSIGNED.encode() not in line:
        return None
    try:
        event = json.loads(line)
        if event["event"] != ASSIGNED:
            return None
        return Assignment(datetime.fromisoformat(event["timestamp"]).timestamp(), frozenset(event["of"]))
    except (ValueError, KeyError, TypeError):
        return None
