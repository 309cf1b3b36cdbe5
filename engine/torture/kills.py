"""When engines are killed: the ways, and a plan that takes them in turn."""

from __future__ import annotations

import enum
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MAX_NTH = 4
"""At which of the times that a step is reached: the first commit after a start, or one of the next."""

JOB_STEP = "remembered"
"""The one step that an engine which goes on with a job takes only once, when all of it is there again."""

MAX_DELAY_S = 0.25
"""How long after the first sign of work a kill at a random moment comes: some commits long."""

EARLY_S = 1.0
"""How long after its start an engine is killed that may not have got to work again: starts take about so long."""

STEP_SHARE, EARLY_SHARE, JET_SHARE = 0.55, 0.15, 0.35
"""How many engines are killed at a step, how many of the others early, and how many lose a jet before."""


class Way(enum.Enum):
    """How something is killed."""

    STEP = "step"
    """The engine, by itself, at a step of a commit."""
    RANDOM = "random"
    """The engine, from outside, at any moment."""
    JET = "jet"
    """The process that runs the script, from outside, at any moment."""


@dataclass(frozen=True, slots=True)
class Life:
    """What happens to one engine between its start and its end.

    Parameters
    ----------
    step : str
        At which step it ends, as in ``fence-open:2``; empty for a random moment.
    delay_s : float
        The random moment, counted from the first sign of work.
    is_early : bool
        Counted from the start instead: it may die while it recovers.
    jet_delay_s : float, optional
        When its jet is killed; None for not at all.
    """

    step: str = ""
    delay_s: float = 0.0
    is_early: bool = False
    jet_delay_s: float | None = None


class Plan:
    """Draws lives until enough was killed.

    Parameters
    ----------
    n_kills : int
        How much is to be killed.
    steps : sequence of str
        The steps that are reached; each in turn.
    rng : random.Random
        Decides.
    """

    def __init__(self, n_kills: int, steps: Sequence[str], rng: random.Random) -> None:
        self.n_kills, self._steps, self._rng = n_kills, list(steps), rng
        self._deck: list[str] = []
        self.done: Counter[str] = Counter()
        """What was killed, by way, and by step as ``step fence-open``."""

    @property
    def n_done(self) -> int:
        """How much was killed."""
        return sum(self.done[way.value] for way in Way)

    @property
    def is_over(self) -> bool:
        """Whether that is enough."""
        return self.n_done >= self.n_kills

    def note(self, way: Way, step: str = "") -> None:
        """Count a kill."""
        self.done[way.value] += 1
        if step:
            self.done[f"step {step.partition(':')[0]}"] += 1

    def draw(self) -> Life | None:
        """Return how the next engine ends; None when it may live."""
        if self.is_over:
            return None
        rng = self._rng
        jet_delay_s = rng.uniform(0, MAX_DELAY_S) if rng.random() < JET_SHARE else None
        if self._steps and rng.random() < STEP_SHARE:
            step = self._next_step()
            nth = 1 if step == JOB_STEP else rng.randint(1, MAX_NTH)  # one that resumes takes it once
            return Life(step=f"{step}:{nth}", jet_delay_s=jet_delay_s)
        if rng.random() < EARLY_SHARE:
            return Life(delay_s=rng.uniform(0, EARLY_S), is_early=True)
        return Life(delay_s=rng.uniform(0, MAX_DELAY_S), jet_delay_s=jet_delay_s)

    def _next_step(self) -> str:
        if not self._deck:
            self._deck = self._rng.sample(self._steps, len(self._steps))
        return self._deck.pop()
