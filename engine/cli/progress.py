"""Progress bars on standard error, where a person watches."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from engine.cli.job import TICK_S

if TYPE_CHECKING:
    from engine.runtime.info import EngineInfo

_Bar: TypeAlias = "Callable[[EngineInfo], None]"
_OVER = ("FINISHED", "ERROR")


@contextmanager
def progress_bar(
    source: Path | None, n_before: int, *, is_shown: bool = True
) -> Iterator[Callable[[EngineInfo], None]]:
    """Show records, rate and, when `source` is a file whose size is known, how long it will take.

    Yields what takes the engine's word about itself. Off a terminal nothing is shown, nor where the first word is that
    the engine is through. Of the records `n_before` are those of earlier runs, which say nothing of the rate.
    """
    with ExitStack() as stack:
        bar: _Bar | None = None

        def show(info: EngineInfo) -> None:
            nonlocal bar
            if bar is None and info.state not in _OVER:
                bar = stack.enter_context(_drawn(source, n_before))
            if bar is not None:
                bar(info)

        yield show if is_shown and sys.stderr.isatty() else lambda _info: None


@contextmanager
def _drawn(source: Path | None, n_before: int) -> Iterator[_Bar]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    size = source.stat().st_size if source is not None else None
    columns = (
        TextColumn("{task.fields[n_records]:,} records"),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=size, n_records=0, rate=0.0)
        started_s = time.monotonic() - TICK_S  # when the engine began: the first word comes a tick later

        def show(info: EngineInfo) -> None:
            n_records = sum(slot.n_records for slot in info.slots if slot.slot % 2 == 0)
            rate = max(n_records - n_before, 0) / (time.monotonic() - started_s)
            position = next((slot.position for slot in info.slots if slot.slot == 0), None)
            progress.update(bar, completed=position or 0, n_records=n_records, rate=rate)

        yield show


@contextmanager
def kills_bar(n_kills: int) -> Iterator[Callable[[], None]]:
    """Show how many were killed, where a person watches; yields what is to be called for each."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("killed"), MofNCompleteColumn(), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar, lock = progress.add_task("", total=n_kills), threading.Lock()

        def advance() -> None:
            with lock:
                progress.advance(bar)

        yield advance
