"""What a server settles by itself in a container: whom it listens to, and where its state goes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from engine.errors import NotBuilt
from engine.settings import Settings

_LOST = (
    "is not writable. Nothing that is kept there outlives this container: after a restart the model begins anew,"
    " inputs are read from their beginning, and outputs may come twice. Mount a volume there, or name another folder"
    " with ENGINE_STATE. What is kept by brokers (Kafka in and out) is not concerned."
)


def settle(settings: Settings, environ: Mapping[str, str], say: Callable[[str], None]) -> Settings:
    """Return the settings of a server that runs in an image, which ``ENGINE_IMAGE`` says; elsewhere they stay.

    It listens to others only where somebody spelled out that they may, and goes on without a folder for its state,
    saying what that costs.

    Raises
    ------
    NotBuilt
        A token is asked for.
    """
    if environ.get("ENGINE_TOKEN_FILE"):
        raise NotBuilt("ENGINE_TOKEN_FILE (bearer tokens)")
    if not environ.get("ENGINE_IMAGE"):
        return settings
    if not environ.get("ENGINE_HOST") and settings.host == Settings().host:
        if settings.is_auth_off:
            settings = replace(settings, host="0.0.0.0")  # noqa: S104 - that is what ENGINE_NO_AUTH=1 is for
            say("Whoever reaches this container may do everything: ENGINE_NO_AUTH is set.")
        else:
            say(
                "Only this container reaches the engine, at 127.0.0.1: ENGINE_NO_AUTH=1 has it listen to others,"
                " who may then do everything."
            )
    if (library := settings.library) is None:
        library = settings.state_dir / "library"
    if not _is_writable(settings.state_dir):
        say(f"{settings.state_dir} {_LOST}")
        state_dir = Path(tempfile.mkdtemp(prefix="engine-"))
        cache_dir = settings.cache_dir if _is_writable(settings.cache_dir) else state_dir / "cache"
        settings = replace(settings, state_dir=state_dir, library=library, cache_dir=cache_dir)
    return settings


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return os.access(folder, os.W_OK) and os.statvfs(folder).f_bavail == 0  # a full disk is told by the store
