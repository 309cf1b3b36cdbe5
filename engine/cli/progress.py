"""A progress bar on standard error, where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.runtime.info import EngineInfo


@contextmanager
def progress_bar(source: Path | None, *, is_shown: bool = True) -> Iterator[Callable[[EngineInfo], None]]:
    """Show records, rate and, when `source` is a file whose size is known, how long it will take.

    Yields what takes the engine's word about itself. Off a terminal nothing is shown.
    """
    if not (is_shown and sys.stderr.isatty()):
        yield lambda _info: None
        return

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

        def show(info: EngineInfo) -> None:
            n_records = sum(slot.n_records for slot in info.slots if slot.slot % 2 == 0)
            elapsed_s = progress.tasks[bar].elapsed or 0.0
            rate = n_records / elapsed_s if elapsed_s > 0 else 0.0
            position = next((slot.position for slot in info.slots if slot.slot == 0), None)
            progress.update(bar, completed=position or 0, n_records=n_records, rate=rate)

        yield show
