"""Cases at work side by side, and what there is of them when somebody has had enough."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import TypeVar

from engine.torture.victim import Victim

T = TypeVar("T")


def work_through(work: Callable[[int], T], n: int, n_jobs: int | None = None) -> list[T]:
    """Return what `work` gives for 0 to `n`; several at a time, in threads.

    Where one fails, or it is interrupted, or asked to end by SIGTERM, every engine is killed and none started, so that
    it ends soon. To be called in the main thread.

    Parameters
    ----------
    work : callable
        Hurts engines.
    n : int
        How often it is called.
    n_jobs : int, optional
        How many at a time; one for each core if it is not said.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with ThreadPoolExecutor(n_jobs or len(os.sched_getaffinity(0))) as pool:
            try:
                results = [pool.submit(work, nth) for nth in range(n)]
                return [result.result() for result in results]
            except BaseException:
                Victim.end_all()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def made_folder(*, is_kept: bool) -> Iterator[Path]:
    """Give a folder that is gone afterwards, unless it is to be kept."""
    if is_kept:
        yield Path(tempfile.mkdtemp(prefix="engine-torture-"))
        return
    with tempfile.TemporaryDirectory(prefix="engine-torture-", ignore_cleanup_errors=True) as made:
        yield Path(made)
