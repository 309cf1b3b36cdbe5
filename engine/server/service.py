"""What every route works with."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Path, Request

from engine.registry import Library
from engine.runtime import Engine
from engine.settings import Settings


@dataclass(frozen=True, slots=True)
class Service:
    """One engine, the library it loads from, and how it was started."""

    engine: Engine
    library: Library
    settings: Settings
    started_s: float = field(default_factory=time.monotonic)

    def encoding(self, slot: int) -> str | None:
        """Return the encoding of what is attached to a slot; None where nothing is any more."""
        stream = self.engine.stream(slot)
        return None if stream is None else stream.encoding


def _service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _body_of(request: Request) -> bytes:
    return await request.body()


SlotPath = Annotated[int, Path(ge=0, description="Even slots are inputs, odd ones outputs.", examples=[0])]
"""A route's parameter that gets the slot in its path."""
ServiceOf = Annotated[Service, Depends(_service_of)]
"""A route's parameter that gets the service."""
RawBody = Annotated[bytes, Depends(_body_of)]
"""A route's parameter that gets the request's body as it came."""
