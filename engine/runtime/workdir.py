"""The folder that a jet works in."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.errors import AssetInvalid, AssetNotFound
from engine.registry import Attachment, Model, unpack

_PREFIX = "jet-"
_MODEL_NAME_LENGTH = 60  # enough to tell models apart, and far from the 255 bytes of a file name


class Workdir:
    """A fresh folder with a model's attachments in it, removed when it is closed.

    Its name shows the model and the jet's number. It is locked while this process lives, so that `remove_abandoned`
    knows which are still in use.

    Parameters
    ----------
    model : Model
        Whose attachments are unpacked.
    number : int
        The jet's.
    parent : Path, optional
        Where to create it: a folder for this alone; by default the system's folder for temporary files.

    Raises
    ------
    AttachmentUnsafe, AssetInvalid
        See `engine.registry.unpack`; also an attachment that has changed since the model was put together.
    """

    def __init__(self, model: Model, number: int, parent: Path | None = None) -> None:
        folder = parent or Path(tempfile.gettempdir())
        folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.-]", "_", model.script.name, flags=re.ASCII)[:_MODEL_NAME_LENGTH]
        self.path, self._lock = _create(folder, f"{_PREFIX}{name}-{number}-")
        try:
            for attachment in model.attachments:
                _check_unchanged(attachment)
                unpack(attachment.path, self.path)
        except BaseException:
            self.close()
            raise

    @property
    def requirements(self) -> Path | None:
        """The ``requirements.txt`` that the attachments hold at their root, if they do."""
        path = self.path / "requirements.txt"
        return path if path.is_file() else None

    def close(self) -> None:
        """Remove the folder with all that the jet left in it. May be called twice."""
        if self._lock is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def remove_abandoned(parent: Path) -> int:
    """Remove the folders that killed engines left in `parent`, and return how many there were."""
    n_removed = 0
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # another process was faster, or it is not a folder
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            n_removed += 1
        except BlockingIOError:  # its engine lives
            pass
        finally:
            os.close(descriptor)
    return n_removed


def _create(parent: Path, prefix: str) -> tuple[Path, int | None]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent)).absolute()
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():
            return path, descriptor
        os.close(descriptor)  # `remove_abandoned` of another process came between


def _check_unchanged(attachment: Attachment) -> None:
    try:
        with attachment.path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as exc:
        raise AssetNotFound("attachment", attachment.name) from exc
    if sha256 != attachment.sha256:
        reason = f"has changed since the model was loaded ({attachment.path}); load the model again"
        raise AssetInvalid("attachment", attachment.name, reason)
