"""How many cores this process may use: the least that the machine, its affinity and its cgroup's quota allow."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_OCTAL = re.compile(r"\\([0-7]{3})")
_POSITIVE = re.compile(r"0*[1-9][0-9]{0,17}")
_PROC = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class Cores:
    """A number of cores, and what it comes from, such as ``a limit of 1.5 CPUs``."""

    number: int
    source: str


def available_cores(proc: Path = _PROC, n_machine: int | None = None, n_affine: int | None = None) -> Cores:
    """Return the least of the cores of the machine, those of the affinity, and the quota, rounded up.

    Parameters
    ----------
    proc : Path
        Where the kernel describes this process.
    n_machine, n_affine : int, optional
        The machine's cores and those that the scheduler may use; by default it is asked.

    Examples
    --------
    >>> available_cores(Path("/nowhere"), n_machine=8, n_affine=2)
    Cores(number=2, source='the CPU affinity')
    """
    found = Cores(max(1, n_machine or os.cpu_count() or 1), "the machine")
    if n_affine is None:
        n_affine = len(os.sched_getaffinity(0))
    if 0 < n_affine < found.number:
        found = Cores(n_affine, "the CPU affinity")
    quota = min(_quotas(proc), default=math.inf)
    if quota < found.number:
        found = Cores(max(1, math.ceil(quota)), f"a CPU quota of {quota:g}")
    return found


def _quotas(proc: Path) -> Iterator[float]:
    """Yield the limits, in cores, of the groups that the process is in and of those around them.

    `cgroup(7)`: with version 1 the group of the controller ``cpu`` counts, with version 2 the only one; a machine may
    have both hierarchies, and then the controller is in one of them.
    """
    groups = _groups(proc)
    for kind, root, mount in _mounts(proc):
        group = groups.get(kind)
        if group is None:
            continue
        for folder in _from_group_to_mount(mount, root, group):
            quota = _quota_v2(folder) if kind == "cgroup2" else _quota_v1(folder)
            if quota is not None:
                yield quota


def _groups(proc: Path) -> dict[str, str]:
    """Return the group's path in each hierarchy that may limit the CPU."""
    groups = {}
    for line in _lines(proc / "cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "cpu" in controllers.split(","):
            groups["cgroup"] = path
        elif number == "0" and not controllers:
            groups["cgroup2"] = path
    return groups


def _mounts(proc: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield the kind of each hierarchy that is mounted, which group is its root here, and where."""
    for line in _lines(proc / "mountinfo"):
        before, _, after = line.partition(" - ")
        fields, types = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(types) < 3:
            continue
        root, mount = (_OCTAL.sub(lambda match: chr(int(match[1], 8)), field) for field in fields[3:5])
        if types[0] == "cgroup2" or (types[0] == "cgroup" and "cpu" in types[2].split(",")):
            yield types[0], root, Path(mount)


def _from_group_to_mount(mount: Path, root: str, group: str) -> Iterator[Path]:
    """Yield the folder of the group and of each around it: the limit of any of them holds."""
    path = PurePosixPath(group)
    # In a container the group may be named as the machine sees it, while the mount shows it, or one around it, as root.
    relative = path.relative_to(root) if path.is_relative_to(root) else PurePosixPath()
    if ".." in relative.parts:  # a group outside of the process's own name space
        relative = PurePosixPath()
    relative = PurePosixPath(*(part for part in relative.parts if part != "/"))
    for part in (relative, *relative.parents):
        yield mount / part


def _quota_v2(folder: Path) -> float | None:
    quota, _, period = next(_lines(folder / "cpu.max"), "").partition(" ")
    return _ratio(quota, period)


def _quota_v1(folder: Path) -> float | None:
    quota = next(_lines(folder / "cpu.cfs_quota_us"), "")
    return _ratio(quota, next(_lines(folder / "cpu.cfs_period_us"), ""))


def _ratio(quota: str, period: str) -> float | None:
    """Return the quota in cores; None for none, which is ``max``, ``-1`` or no number at all."""
    if not _POSITIVE.fullmatch(quota) or not _POSITIVE.fullmatch(period):
        return None
    return int(quota) / int(period)


def _lines(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # no such hierarchy, or a sandbox that hides it: no limit that we could know of
        return
    yield from text.splitlines()
