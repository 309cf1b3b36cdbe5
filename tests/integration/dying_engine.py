"""``python dying_engine.py N ...``: the program ``engine``, killed when it has noted the Nth time what is attached."""

from __future__ import annotations

import os
import signal
import sys

from engine.cli import main
from engine.runtime.remembering import JobRecord

left = int(sys.argv.pop(1))
remember = JobRecord.remember


async def remember_and_die(self: JobRecord) -> None:
    global left
    await remember(self)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    JobRecord.remember = remember_and_die
    main()
