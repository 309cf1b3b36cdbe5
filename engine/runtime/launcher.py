"""Starts the runners of one model: a folder, an environment, a process."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from engine.errors import AttachmentUnsafe, LaunchFailed
from engine.registry import Model
from engine.runtime.environment import build_environment, import_path
from engine.runtime.fitting import coding_of
from engine.runtime.inline import InlineRunner
from engine.runtime.process import ProcessRunner
from engine.runtime.runner import Runner, RunnerEvents
from engine.runtime.threads import ThreadPlan
from engine.runtime.workdir import Workdir
from engine.settings import Settings
from engine.streams import Stream


class Launcher:
    """Knows how to run a model.

    Parameters
    ----------
    model : Model
        What to run.
    settings : Settings
        Memory limit and folders.
    plan : callable
        Returns how the cores are shared now; asked for every runner.
    is_inline : bool
        Run the script in this process.
    """

    def __init__(
        self, model: Model, settings: Settings, plan: Callable[[], ThreadPlan], *, is_inline: bool = False
    ) -> None:
        self.model, self._settings, self._plan, self.is_inline = model, settings, plan, is_inline
        self.plans: dict[int, ThreadPlan] = {}
        """What each jet was started with."""
        self.is_watched = settings.is_watched
        """Whether jets are to look what the script changes beside its state."""
        self._folders: dict[int, Workdir] = {}
        self._stop = threading.Event()

    def policy(self, slot: int) -> str:
        """Return what becomes of a record of the slot on which the script raises; unasked, nothing is lost."""
        return self.model.script.on_error.get(slot) or "stop"

    def coding(self, slot: int, stream: Stream) -> dict[str, object]:
        """Return how a jet of the model is to code a stream; see `engine.runtime.fitting.coding_of`."""
        return coding_of(self.model, slot, stream, self.policy(slot))

    async def launch(self, number: int, events: RunnerEvents) -> Runner:
        """Start a runner in a fresh folder.

        Raises
        ------
        AssetError
            An attachment cannot be unpacked.
        EnvironmentFailed
            The model's requirements cannot be installed.
        LaunchFailed
            The system has no room for a folder, or for a process.
        """
        name = self.model.script.name
        try:
            folder = await asyncio.to_thread(Workdir, self.model, number, self._settings.state_dir / "jets")
            self._folders[number] = folder
            self._write_script(self.script_path(number))
            if self.is_inline:
                plan = self.plans[number] = self._plan()
                return InlineRunner(folder.path, events, plan)
            python = Path(sys.executable)
            if folder.requirements is not None:
                loop = asyncio.get_running_loop()

                def tell(line: str) -> None:  # where the script's own lines are shown; called from the other thread
                    loop.call_soon_threadsafe(events.on_console, "environment", line, None)

                python = await asyncio.to_thread(self._environment_of, folder.requirements, tell)
            memory = self._settings.memory_limit_bytes
            plan = self.plans[number] = self._plan()
            return ProcessRunner(python, import_path(self._settings.cache_dir), folder.path, memory, plan, events)
        except OSError as exc:
            self.clean(number)
            raise LaunchFailed(name, f"{exc.strerror or exc}{f': {exc.filename}' if exc.filename else ''}") from exc
        except BaseException:
            self.clean(number)
            raise

    def _write_script(self, path: Path) -> None:
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(self.model.script.source)
        except FileExistsError as exc:
            raise AttachmentUnsafe(self.model.script.name, path.name, "is where the script itself belongs") from exc

    def _environment_of(self, requirements: Path, on_progress: Callable[[str], object]) -> Path:
        name, cache_dir = self.model.script.name, self._settings.cache_dir
        return build_environment(name, requirements, cache_dir, on_progress=on_progress, stop=self._stop).python

    def cancel(self) -> None:
        """Give up an environment that is being built."""
        self._stop.set()

    def script_path(self, number: int) -> Path:
        """Return where a jet finds its script."""
        return self._folders[number].path / f"{self.model.script.name}.py"

    def clean(self, number: int) -> None:
        """Remove the folder of a jet that has ended."""
        self.plans.pop(number, None)
        if (folder := self._folders.pop(number, None)) is not None:
            folder.close()
