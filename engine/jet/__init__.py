"""The child process that runs one copy of a script, and the work it does there.

`Worker` holds all of it and does no input or output of its own: frames go in, frames come out. ``python -m engine.jet``
feeds it from a pipe; ``engine run --inline`` feeds it inside the engine's own process, so both give the same outputs.
"""

from engine.jet.worker import Worker

__all__ = ["Worker"]
