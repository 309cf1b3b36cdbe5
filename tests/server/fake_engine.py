"""An engine without a model: it doubles numbers, and raises what a test tells it to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from engine.errors import StreamError
from engine.registry import Model
from engine.runtime import (
    EngineInfo,
    EngineState,
    JetInfo,
    ModelInfo,
    Outputs,
    PlanInfo,
    PredictorInfo,
    ProfileInfo,
    Scaled,
    SlotInfo,
    TimeInfo,
)
from engine.state.commits import Entry, Reject
from engine.streams import Stream


class FakeEngine:
    """The verbs of `engine.runtime.Engine` that the server uses.

    `fails` maps a verb's name to what it raises; `calls` are the verbs that were called, with their arguments.
    """

    def __init__(self) -> None:
        self.state = EngineState.INIT
        self.error: str | None = None
        self.model: Model | None = None
        self.streams: dict[int, Stream] = {}
        self.fails: dict[str, BaseException] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.answers: list[bytes] | None = None
        self.outbox: list[bytes] = []
        self.tells: deque[Callable[[], None]] = deque()
        """What answers the calls, oldest first; called at once unless `is_slow`."""
        self.is_slow = False
        self.is_eof = False
        self.entries: list[Entry] = []
        self.log: list[Reject] = []
        self.predictors: list[PredictorInfo] = []
        self.jets: list[JetInfo] = []

    def stream(self, slot: int) -> Stream | None:
        return self.streams.get(slot)

    @property
    def store(self) -> FakeEngine:
        return self

    def scopes(self) -> list[str]:
        return list(dict.fromkeys(entry.scope for entry in self.entries))

    def state_entries(self, scope: str = "script") -> Iterator[Entry]:
        self._called("state_entries", scope)
        return (entry for entry in self.entries if entry.scope == scope)

    def rejected(self, after: int = 0, limit: int | None = None) -> list[Reject]:
        self._called("rejected", after, limit)
        return [reject for reject in self.log if reject.number > after][:limit]

    async def drop_rejects(self, numbers: Sequence[int] | None) -> None:
        self._called("drop_rejects", numbers)
        self.log = [reject for reject in self.log if numbers is not None and reject.number not in numbers]

    async def replay(self, numbers: Sequence[int] | None) -> int:
        self._called("replay", numbers)
        return len(self.log) if numbers is None else len(numbers)

    def _called(self, verb: str, *arguments: Any) -> None:
        self.calls.append((verb, *arguments))
        if verb in self.fails:
            raise self.fails[verb]

    async def load(self, model: Model) -> None:
        self._called("load", model)
        self.model = model

    async def unload(self) -> None:
        self._called("unload")
        self.model = None

    async def attach(self, slot: int, stream: Stream) -> None:
        self._called("attach", slot, stream)
        self.streams[slot] = stream

    async def detach(self, slot: int) -> None:
        self._called("detach", slot)
        if slot not in self.streams:
            raise StreamError(f"No stream is attached to slot {slot}.")
        del self.streams[slot]

    async def pause(self) -> None:
        self._called("pause")
        self.state = EngineState.PAUSED

    async def unpause(self) -> None:
        self._called("unpause")
        self.state = EngineState.RUNNING

    async def reset(self) -> None:
        self._called("reset")
        self.state, self.model = EngineState.INIT, None
        self.streams.clear()

    async def scale(self, n_jets: int) -> Scaled:
        self._called("scale", n_jets)
        return Scaled(n_jets, 1, "The others idle.")

    async def accept(self, slot: int, bodies: Sequence[bytes], key: str | None = None) -> int:
        self._called("accept", slot, bodies, *([] if key is None else [key]))
        return len(bodies)

    async def score(
        self,
        record: bytes,
        input_slot: int = 0,
        output_slot: int = 1,
        timeout_s: float = 30.0,
        key: str | None = None,
    ) -> Sequence[bytes]:
        self._called("score", record, input_slot, output_slot, timeout_s, *([] if key is None else [key]))
        return [b"%g" % (2 * float(record))] if self.answers is None else self.answers

    def call(
        self,
        record: bytes,
        tell: Callable[[list[bytes] | None, BaseException | None], None],
        input_slot: int = 0,
        output_slot: int = 1,
        timeout_s: float = 30.0,
    ) -> None:
        self._called("call", record, input_slot, output_slot, timeout_s)
        error = self.fails.get("score")
        outputs = [b"%g" % (2 * float(record))] if self.answers is None and error is None else self.answers
        self.tells.append(partial(tell, None if error else outputs, error))
        if not self.is_slow:
            asyncio.get_running_loop().call_soon(self.tells.popleft())

    async def outputs(
        self, slot: int, *, after: int | None = None, limit: int | None = None, wait_s: float | None = None
    ) -> Outputs:
        self._called("outputs", slot, after, limit, wait_s)
        first = after or 0
        values = self.outbox[first:][:limit]
        return Outputs(values, first + len(values), self.is_eof, is_settled=True)

    def inspect(self) -> EngineInfo:
        self._called("inspect")
        script = self.model.script if self.model else None
        return EngineInfo(
            state=self.state.value,
            error=self.error,
            model=script and ModelInfo(script.name, script.digest, script.sloc, True, [], [], 1, 1),
            slots=[
                SlotInfo(slot, None, None, None, stream.name, stream.transport, stream.encoding, False, 0, 0, None)
                for slot, stream in self.streams.items()
            ],
            jets=self.jets,
            predictors=self.predictors,
        )

    async def profile(self) -> ProfileInfo | None:
        if self.model is None:
            return None
        action, none = TimeInfo(128, 0.5), TimeInfo(0, 0.0)
        plan = PlanInfo(2, "given", 1, 2, "", "2 cores.")
        return ProfileInfo(self.model.script.name, plan, self.predictors, none, action, none, none, 3, 4)
