"""What a jet sets for itself before it loads anything: it dies with its engine, and stays within its memory."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with(parent: int) -> None:
    """Ask the kernel for SIGKILL when the parent dies; exit if it is dead already.

    The kernel means the parent's *thread* that started this process, which is why an engine starts its jets from its
    main thread.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def limit_memory(size_bytes: int) -> None:
    """Bound the process's private memory: beyond it Python raises MemoryError (`RLIMIT_DATA`)."""
    resource.setrlimit(resource.RLIMIT_DATA, (size_bytes, size_bytes))
