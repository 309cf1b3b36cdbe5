"""The seam between an engine and one running copy of its model: a process, or the engine's own."""

from __future__ import annotations

from typing import Protocol

from engine.channel import Cell, Kind


class RunnerEvents(Protocol):
    """What a runner tells its owner; every call comes from the event loop, never from within a call of the runner's."""

    def on_frame(self, kind: Kind, body: memoryview) -> None:
        """Take a frame from the script's side."""

    def on_console(self, stream: str, text: str, record: tuple[int, int] | None) -> None:
        """Take one printed line, with slot and sequence number of the record in work."""

    def on_exit(self, exit_code: int) -> None:
        """Note that it ended; nothing comes after this."""


class Runner(Protocol):
    """One running copy of a script."""

    cell: Cell
    """What it has in work; readable when it is dead or hangs, too."""

    pid: int

    def send(self, frame: bytes) -> None:
        """Give it a frame; never blocks. How much is under way is the caller's to bound."""

    async def drain(self) -> None:
        """Wait until most of what was sent has left."""

    def listen(self, *, is_on: bool) -> None:
        """Take its frames, or leave them where they are until there is room for what they hold."""

    def stop(self) -> None:
        """Let it finish what it was sent, and end. `on_exit` follows."""

    def kill(self) -> None:
        """End it now. `on_exit` follows."""
