"""``/health`` and ``/metrics``: for those who watch over the engine."""

from __future__ import annotations

import time
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from engine import __version__, metrics
from engine.runtime import EngineState
from engine.server.documented import content
from engine.server.service import ServiceOf

router = APIRouter(tags=["watch"])


class JetHealth(BaseModel):
    """Whether a jet takes work, and for how long it has answered nothing of what it has; 0 where it has nothing."""

    number: int
    status: str
    silent_s: float


class Health(BaseModel):
    """Whether the engine does its work, and where: `devices` are those on which each predictor of the model runs."""

    status: Literal["ok", "fail"]
    version: str
    state: str
    model: str | None
    error: str | None
    uptime_s: float
    devices: dict[str, str] = {}
    jets: list[JetHealth] = []


@router.get(
    "/health",
    summary="Is the engine well?",
    responses={503: {"model": Health, "description": "The engine is in ERROR; `error` says why."}},
)
async def health(service: ServiceOf, response: Response) -> Health:
    """Return 200 unless the engine is in ERROR."""
    info = service.engine.inspect()
    is_well = info.state != EngineState.ERROR.value
    response.status_code = 200 if is_well else 503
    return Health(
        status="ok" if is_well else "fail",
        version=__version__,
        state=info.state,
        model=info.model.name if info.model else None,
        error=info.error,
        uptime_s=round(time.monotonic() - service.started_s, 3),
        devices={one.name: one.device for one in info.predictors if one.device},
        jets=[JetHealth(number=jet.number, status=jet.status, silent_s=jet.silent_s) for jet in info.jets],
    )


@router.get(
    "/metrics",
    summary="Every number, for Prometheus",
    response_class=Response,
    responses={200: content("The text form of Prometheus.", "text/plain", example='engine_jets{status="ready"} 1.0')},
)
async def metrics_text(request: Request) -> Response:
    """Return the numbers of the engine and of its process, in base units."""
    body, content_type = metrics.render(request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": content_type})
