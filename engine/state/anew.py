"""A store that is opened to begin anew, whatever is in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.errors import StateCorrupt
from engine.state.sqlite import SqliteStore, discard


def open_anew(folder: Path, on_step: Callable[[str], None], tell: Callable[[str], None]) -> SqliteStore:
    """Open the store of a job and forget all but its rejects; one that is damaged is removed, and its rejects too.

    Parameters
    ----------
    folder : Path
        The job's.
    on_step : callable
        As `SqliteStore` has it.
    tell : callable
        Gets a sentence when a damaged store was removed.

    Raises
    ------
    StateLocked
        Another process has it.
    StateIncompatible
        A later version wrote it.
    StoreFailed
        It cannot be written.
    """
    try:
        store = SqliteStore(folder, on_step=on_step)
        try:
            if (store.fence, store.job) != (None, None):
                store.clear().result()
        except BaseException:
            store.close()
            raise
    except StateCorrupt:
        discard(folder)
        tell(f"The store in {folder} was damaged. It is removed, and with it the rejects that were in it.")
        return SqliteStore(folder, on_step=on_step)
    return store
