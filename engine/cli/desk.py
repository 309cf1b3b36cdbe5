"""Where a command works: a server, or a folder that is a library."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from engine.cli.folder import Folder
    from engine.client import Client
    from engine.client.keeping import KeptVerbs
    from engine.client.verbs import EngineVerbs

DEFAULT_SERVER = "http://127.0.0.1:8000"
DEFAULT_STATE = ".engine"  # as the settings have it


@dataclass
class Desk:
    """What the options that every verb takes have said.

    Parameters
    ----------
    server : str
        The URL of the engine's server.
    library : Path, optional
        Assets are then read and written in this folder, and no server is asked.
    state : Path, optional
        Where an engine started here keeps its state.
    is_debug : bool
        Show tracebacks of expected errors too.
    arguments : sequence of str
        The whole command, as it was typed.
    """

    server: str = DEFAULT_SERVER
    library: Path | None = None
    state: Path | None = None
    is_debug: bool = False
    arguments: Sequence[str] = ()
    _open: ExitStack = field(default_factory=ExitStack)
    _client: Client | None = None

    @property
    def client(self) -> Client:
        """The server; nothing is sent before its first use."""
        if self._client is None:
            from engine.client import Client

            self._client = self._open.enter_context(Client(self.server))
        return self._client

    @property
    def engine(self) -> EngineVerbs:
        """The engine of the server."""
        return self.client.engine

    @property
    def kept(self) -> KeptVerbs:
        """What the engine of the server has committed."""
        return self.client.kept

    @property
    def state_dir(self) -> Path:
        """Where the jobs of this machine keep what must survive them."""
        return self.state or Path(DEFAULT_STATE)

    @property
    def assets(self) -> Client | Folder:
        """Where models, schemas, streams and attachments are."""
        if self.library is None:
            return self.client
        from engine.cli.folder import Folder

        return Folder(self.library)

    def close(self) -> None:
        """Close the connection, if there is one."""
        self._open.close()


pass_desk = click.make_pass_decorator(Desk, ensure=True)
