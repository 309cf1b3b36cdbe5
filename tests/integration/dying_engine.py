"""``python dying_engine.py N ...``: the program ``engine``, killed when it has noted the Nth time what is attached."""

from __future__ import annotations

import os
import signal
import sys

from engine.cli import main
from engine.runtime.engine import Engine

left = int(sys.argv.pop(1))
remember = Engine._remember


async def remember_and_die(self: Engine) -> None:
    global left
    await remember(self)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    Engine._remember = remember_and_die
    main()
