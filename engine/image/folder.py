"""The build folder on disk: the same recipe gives the same bytes, modes and times."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from engine.errors import AssetError, ConfigError
from engine.image.dockerfile import write_dockerfile
from engine.image.recipe import Recipe
from engine.registry.library import ATTACHMENTS_FOLDER

DOCKERFILE = "Dockerfile"
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755  # readable for the engine's user, whatever the umask here
_OURS = (DOCKERFILE, ".dockerignore", "requirements.txt", "model_scripts", "schemas", "streams", ATTACHMENTS_FOLDER)


def write_folder(recipe: Recipe, folder: Path, epoch_s: int = 0) -> list[Path]:
    """Write the build folder and return its files, sorted; what an earlier call left in it goes.

    Parameters
    ----------
    recipe : Recipe
        What to write.
    folder : Path
        Created when it is missing. One that holds anything else than a build folder is refused.
    epoch_s : int
        The time that every file gets, in seconds since 1970.

    Raises
    ------
    ConfigError
        The folder is not empty, and is no build folder.
    AssetError
        It cannot be written.
    """
    try:
        _clear(folder)
        ignored = "# All that the Dockerfile copies is here, and nothing else.\nDockerfile\n.dockerignore\n"
        texts = {
            DOCKERFILE: write_dockerfile(recipe).encode(),
            ".dockerignore": ignored.encode(),
            "requirements.txt": recipe.requirements.encode(),
            **recipe.files,
        }
        for name, content in texts.items():
            _made(folder / name).write_bytes(content)
        for name, source in recipe.attachments.items():
            shutil.copyfile(source, _made(folder / ATTACHMENTS_FOLDER / name))
        found = sorted(folder.rglob("*"), reverse=True)  # what is in a folder before it, whose time would change
        for path in (*found, folder):
            path.chmod(_FOLDER_MODE if path.is_dir() else _FILE_MODE)
            os.utime(path, (epoch_s, epoch_s))
    except OSError as exc:
        raise AssetError(f"The build folder cannot be written: {exc.strerror}, {exc.filename}.") from exc
    return [path for path in reversed(found) if path.is_file()]


def _clear(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    there = {path.name for path in folder.iterdir()}
    if there and (DOCKERFILE not in there or not there <= set(_OURS)):
        strange = sorted(there - set(_OURS)) or sorted(there)
        raise ConfigError(f"{folder} holds {strange[0]!r}, which is of no build folder. Name an empty one.")
    for name in there:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
