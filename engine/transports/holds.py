"""Files that this process writes, and other processes therefore do not."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from typing import TypeAlias

FileId: TypeAlias = tuple[int, int]
"""A file's device and inode."""

_LOCKLESS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)  # a file system that locks none


class Holds:
    """Locks of the process as a whole: who writes one file twice in it has to keep the two apart.

    The system takes a lock away when the process has ended, in whatever way.
    """

    def __init__(self) -> None:
        self._held: dict[FileId, tuple[int, int]] = {}
        self._changing = threading.Lock()

    def take(self, fd: int) -> FileId:
        """Keep other processes from writing an open file until `release`; readers do not notice.

        Raises
        ------
        BlockingIOError
            Another process holds it.
        """
        status = os.fstat(fd)
        file_id = (status.st_dev, status.st_ino)
        with self._changing:
            holder, n_takers = self._held.get(file_id, (-1, 0))
            if not n_takers:
                holder = os.dup(fd)
                try:
                    fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as exc:
                    if exc.errno not in _LOCKLESS:
                        os.close(holder)
                        raise
            self._held[file_id] = (holder, n_takers + 1)
        return file_id

    def release(self, file_id: FileId) -> None:
        """Undo one `take`."""
        with self._changing:
            holder, n_takers = self._held.pop(file_id)
            if n_takers > 1:
                self._held[file_id] = (holder, n_takers - 1)
                return
            # A process that is just being started may have the file open too, and the lock would stay with it.
            with contextlib.suppress(OSError):
                fcntl.flock(holder, fcntl.LOCK_UN)
            os.close(holder)


HOLDS = Holds()
"""Those of this process."""
