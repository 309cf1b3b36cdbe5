"""``python -m engine.jet``: started by an engine, with the pipes' descriptors on its command line."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from functools import partial
from pathlib import Path

from engine.channel import Cell, Kind, PipeReader
from engine.jet.console import Console
from engine.jet.limits import die_with, limit_memory
from engine.jet.mail import Mail
from engine.jet.worker import Worker


def main() -> None:
    """Read frames from the engine until it stops this process or goes away."""
    parser = argparse.ArgumentParser(prog="python -m engine.jet", description=__doc__)
    parser.add_argument("--read", type=int, required=True, help="descriptor of the pipe from the engine")
    parser.add_argument("--write", type=int, required=True, help="descriptor of the pipe to the engine")
    parser.add_argument("--cell", type=int, required=True, help="descriptor of the shared memory")
    parser.add_argument("--parent", type=int, required=True, help="process id of the engine")
    parser.add_argument("--memory", type=int, help="most bytes of private memory")
    parser.add_argument(
        "--has-core", action="store_true", help="there is a core for it, which it may use while it waits"
    )
    options = parser.parse_args()
    die_with(options.parent)
    if options.memory:
        limit_memory(options.memory)
    cell = Cell.open(options.cell)
    sys.stdout, sys.stderr = Console(1, cell), Console(2, cell)
    sys.path.insert(0, str(Path.cwd()))

    # A process that the script starts must not speak for it.
    for fd in (options.read, options.write):
        os.set_inheritable(fd, False)
        os.register_at_fork(after_in_child=partial(os.close, fd))

    def send(frame: bytes) -> None:
        view = memoryview(frame)
        while view:
            view = view[os.write(options.write, view) :]

    mail = Mail(PipeReader(options.read), send, has_core=options.has_core)
    worker = Worker(send, cell, mail.ask, more=partial(mail.more, Kind.BATCH))
    for kind, body in mail:
        if not worker.handle(kind, body):
            sys.stdout.flush()
            sys.stderr.flush()
            return
        mail.is_awaited = worker.is_awaited
        if kind is Kind.BEGIN:
            gc.collect()
            gc.freeze()  # what is there by now stays, and need not be looked at between records


if __name__ == "__main__":
    main()
