"""What a contender takes of the machine: CPU seconds and memory of its processes, however many it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class _Process:
    """One line of ``/proc/PID/stat``."""

    pid: int
    parent: int
    cpu_s: float
    rss_bytes: int


def _processes() -> Iterator[_Process]:
    for path in _PROC.glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        cpu_s = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
        yield _Process(int(path.parent.name), int(fields[1]), cpu_s, int(fields[21]) * PAGE_BYTES)


class Footprint:
    """Adds up a process and its descendants, those that have ended in the meantime among them.

    Parameters
    ----------
    pid : int
        The process.
    """

    def __init__(self, pid: int) -> None:
        self._family = {pid}
        self._cpu_s: dict[int, float] = {}
        self.peak_rss_bytes = 0
        """The most that all of them had at a time; pages that two share count twice."""

    @property
    def cpu_s(self) -> float:
        """What all of them have used, as of the last look."""
        return sum(self._cpu_s.values())

    def look(self) -> float:
        """Look at all of them, and return the CPU seconds."""
        living = {process.pid: process for process in _processes()}
        is_growing = True
        while is_growing:
            children = {one.pid for one in living.values() if one.parent in self._family}
            is_growing = not children <= self._family
            self._family |= children
        mine = [living[pid] for pid in self._family if pid in living]
        self._cpu_s |= {one.pid: one.cpu_s for one in mine}
        self.peak_rss_bytes = max(self.peak_rss_bytes, sum(one.rss_bytes for one in mine))
        return self.cpu_s


def busy_s() -> float:
    """Return the CPU seconds that the whole machine has used: what of them nobody of ours used, disturbed us."""
    user, nice, system, _idle, _wait, *rest = (
        int(field) for field in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + sum(rest)) / TICKS_PER_S
