"""Kills engines at work, and looks whether anything was lost or came twice.

Every engine is a real process that is killed with SIGKILL: at a step of a commit, at a random moment, or the process of
its script alone. Another one goes on where it ended. In the end the outputs of all of them together must be those of a
run that nobody killed.
"""

from engine.torture.cases import CASES, BuiltIn, Own, Subject
from engine.torture.jobs import made_folder, work_through
from engine.torture.stages import TortureFailed, engine_environ
from engine.torture.torturer import Report, torture

__all__ = [
    "CASES",
    "BuiltIn",
    "Own",
    "Report",
    "Subject",
    "TortureFailed",
    "engine_environ",
    "made_folder",
    "torture",
    "work_through",
]
