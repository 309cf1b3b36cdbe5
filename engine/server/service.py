"""What every route works with."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from engine.registry import Library
from engine.runtime import Engine, EngineInfo
from engine.settings import Settings


@dataclass(frozen=True, slots=True)
class Service:
    """One engine, the library it loads from, and how it was started."""

    engine: Engine
    library: Library
    settings: Settings
    started_s: float = field(default_factory=time.monotonic)
    _encodings: dict[int, str | None] = field(default_factory=dict)

    def encoding(self, slot: int) -> str | None:
        """Return the encoding of what is attached to a slot; remembered, as each score asks for it."""
        if slot not in self._encodings:
            encodings = {info.slot: info.encoding for info in self.engine.inspect().slots}
            self._encodings[slot] = encodings.get(slot)
        return self._encodings[slot]

    def changed(self) -> EngineInfo:
        """Forget what may have changed, and return what the engine says of itself now."""
        self._encodings.clear()
        return self.engine.inspect()


def _service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _body_of(request: Request) -> bytes:
    return await request.body()


ServiceOf = Annotated[Service, Depends(_service_of)]
"""A route's parameter that gets the service."""
RawBody = Annotated[bytes, Depends(_body_of)]
"""A route's parameter that gets the request's body as it came."""
