"""What of a job is not in its commits and must be there after a restart: what is loaded, attached and wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.registry import Model
from engine.runtime.berths import Berths
from engine.runtime.manifold import Manifold
from engine.runtime.steps import Step


class JobRecord:
    """Keeps in the store what an engine runs, whenever that changes.

    Parameters
    ----------
    manifold : Manifold
        Whose model, streams and store they are.
    berths : Berths
        Which numbers the streams have.
    n_jets : int
        How many jets are wanted.
    on_step : callable
        Called at each `Step` with its value.
    """

    def __init__(self, manifold: Manifold, berths: Berths, n_jets: int, on_step: Callable[[str], None]) -> None:
        self._manifold, self._berths, self._on_step = manifold, berths, on_step
        self.n_jets, self.starts_paused = n_jets, False
        self.finished: Model | None = None
        """The model of a job that is resumed and had come to its end."""

    async def remember(self) -> None:
        """Keep what is loaded and attached, unless that is the half of a job that is being put together again."""
        crew = self._manifold.crew
        model = crew.model if crew is not None else None
        if not self._berths.is_recalling(model or self.finished):
            job = self._berths.job(model, self.n_jets, is_paused=self.starts_paused)
            await asyncio.wrap_future(self._manifold.store.set_job(job.dump()))
            self._on_step(Step.REMEMBERED.value)

    def forget(self) -> None:
        """Begin a new job."""
        self._berths.recall(None)
        self.starts_paused, self.finished = False, None
