"""The thread plan: how the engine, its jets and their predictors share the cores that they are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.runtime.cores import Cores, available_cores
from engine.settings import Settings

ENGINE_VARIABLES = ("ENGINE_THREADS", "ENGINE_DEVICE")
"""What `engine.inference` reads in a jet."""

MOST_THREADS = 4
"""For each predictor, unless somebody asks for more: the second one takes a quarter off a batch's time, not a half."""

# What the libraries read with which a script computes beside its predictors; each of them would take every core that
# it sees, and so would the same one in the next jet.
LIBRARY_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


@dataclass(frozen=True, slots=True)
class ThreadPlan:
    """Who gets how much.

    Parameters
    ----------
    n_cores : int
        What there is to share.
    source : str
        Where that number comes from.
    n_jets : int
        The jets that get work.
    n_threads : int
        For each predictor of each of them.
    is_given : bool
        Somebody has set the number of threads: nothing was planned.
    device : str
        Where predictors are to run; empty where nobody has said.
    """

    n_cores: int
    source: str
    n_jets: int
    n_threads: int
    is_given: bool = False
    device: str = ""

    def environ(self) -> dict[str, str]:
        """Return the environment variables that tell a jet."""
        count = str(self.n_threads)
        variables = {"ENGINE_THREADS": count, **dict.fromkeys(LIBRARY_VARIABLES, count)}
        return variables | ({"ENGINE_DEVICE": self.device} if self.device else {})

    def __str__(self) -> str:
        cores = f"{self.n_cores} core{'s' if self.n_cores > 1 else ''} ({self.source})"
        jets = f"{self.n_jets} jets" if self.n_jets != 1 else "1 jet"
        threads = f"{self.n_threads} thread{'s' if self.n_threads > 1 else ''}"
        who = ", as ENGINE_THREADS says," if self.is_given else ""
        device = f" on {self.device}" if self.device else ""
        each = "each predictor of each" if self.n_jets != 1 else "each predictor of it"
        return f"{cores} for the engine and {jets};{who} {threads} for {each}{device}."


def plan_threads(settings: Settings, n_jets: int, cores: Cores | None = None) -> ThreadPlan:
    """Return how the cores are shared when so many jets have work.

    Each jet gets its part of the cores, at least one and at most `MOST_THREADS`. The engine has none of its own: the
    threads of a predictor sleep while there is nothing to predict (docs/decisions.md has the measurement).

    Parameters
    ----------
    settings : Settings
        Whose `n_cpus`, `n_threads` and `device` count.
    n_jets : int
        Those that get records.
    cores : Cores, optional
        What there is, where `settings` do not say; by default it is looked for.
    """
    if settings.n_cpus is not None:
        cores = Cores(settings.n_cpus, "given")
    elif cores is None:
        cores = available_cores()
    n_threads = settings.n_threads or min(MOST_THREADS, max(1, cores.number // max(1, n_jets)))
    return ThreadPlan(
        cores.number, cores.source, n_jets, n_threads, is_given=settings.n_threads is not None, device=settings.device
    )


def overridden(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the plan that somebody has set for the libraries, as they are."""
    return {name: environ[name] for name in LIBRARY_VARIABLES if environ.get(name)}


def is_gpu(device: str) -> bool:
    """Say whether a device, as people or predictors name it, is a GPU."""
    return device.startswith(("gpu", "cuda"))
