"""The engine at run time: its states and verbs, the manifold that moves batches, and the jets under supervision.

Everything here belongs to one event loop, on the main thread; only sources and sinks have threads of their own. So
there are no locks, and a synchronous score goes from the socket to the jet's pipe without changing threads.
"""

from engine.runtime.engine import Engine
from engine.runtime.info import (
    ConsoleLine,
    EngineInfo,
    FenceInfo,
    JetInfo,
    ModelInfo,
    Outputs,
    PlanInfo,
    PredictorInfo,
    ProfileInfo,
    RejectInfo,
    Resumed,
    Scaled,
    SlotInfo,
    TimeInfo,
)
from engine.runtime.states import TRANSITIONS, EngineState, Event

__all__ = [
    "TRANSITIONS",
    "ConsoleLine",
    "Engine",
    "EngineInfo",
    "EngineState",
    "Event",
    "FenceInfo",
    "JetInfo",
    "ModelInfo",
    "Outputs",
    "PlanInfo",
    "PredictorInfo",
    "ProfileInfo",
    "RejectInfo",
    "Resumed",
    "Scaled",
    "SlotInfo",
    "TimeInfo",
]
