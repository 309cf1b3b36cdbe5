"""``/engine``: what runs now, and the verbs that change it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.log import get_logger
from engine.registry import assemble
from engine.runtime import EngineInfo, ModelInfo, ProfileInfo, Scaled, SlotInfo
from engine.server.documented import ANY_PROBLEM, problems
from engine.server.problem import NotLoaded
from engine.server.service import Service, ServiceOf, SlotPath
from engine.server.sourcing import stored_stream
from engine.streams import Stream, check_topics, given_stream, verify_descriptor

_log = get_logger(__name__)

router = APIRouter(prefix="/engine", tags=["engine"], responses=ANY_PROBLEM)


class ScaleRequest(BaseModel):
    """How many copies of the model to run; with 0 what comes in waits."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"jets": 4}})

    jets: int = Field(ge=0, le=1024)  # far more processes than any machine has cores


class LoadRequest(BaseModel):
    """Which model of the library to load."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "tf_sp500_lstm"}})

    name: str


class AttachRequest(BaseModel):
    """Which stream to attach: one of the library, or a descriptor or literal given here."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "rest"}})

    name: str | None = None
    descriptor: dict[str, Any] | str | None = None

    @model_validator(mode="after")
    def _is_one(self) -> AttachRequest:
        if (self.name is None) == (self.descriptor is None):
            msg = "give either 'name' or 'descriptor'"
            raise ValueError(msg)
        return self


@router.get("", summary="Inspect the engine")
async def inspect(service: ServiceOf) -> EngineInfo:
    """Return the state, the model, the slots, the jets and the latest rejected records."""
    return service.engine.inspect()


@router.get("/profile", summary="Where the time goes", responses=problems(404))
async def profile(service: ServiceOf) -> ProfileInfo:
    """Return what the predictors of the loaded model did, and the time in its action, in commits and in requests."""
    found = await service.engine.profile()
    if found is None:
        raise NotLoaded("No model is loaded", "Load one with PUT /engine/model.")
    return found


@router.post("/pause", summary="Pause", responses=problems(409))
async def pause(service: ServiceOf) -> EngineInfo:
    """Stop scoring; what comes in waits. Before the start it is remembered, and the engine starts paused."""
    await service.engine.pause()
    return service.engine.inspect()


@router.post("/unpause", summary="Go on", responses=problems(409))
async def unpause(service: ServiceOf) -> EngineInfo:
    """Go on scoring."""
    await service.engine.unpause()
    return service.engine.inspect()


@router.post("/reset", summary="Reset")
async def reset(service: ServiceOf) -> EngineInfo:
    """Let go of the model and of every stream, in any state."""
    await service.engine.reset()
    return service.engine.inspect()


@router.post("/scale", summary="Change the number of jets", responses=problems(400, 409))
async def scale(service: ServiceOf, request: ScaleRequest) -> Scaled:
    """Run so many copies of the model. `note` says so where some of them have nothing to do."""
    return await service.engine.scale(request.jets)


@router.get("/model", summary="Inspect the loaded model", responses=problems(404))
async def inspect_model(service: ServiceOf) -> ModelInfo:
    """Return the loaded model."""
    model = service.engine.inspect().model
    if model is None:
        raise NotLoaded("No model is loaded", "Load one with PUT /engine/model.")
    return model


@router.put("/model", summary="Load a model", responses=problems(400, 404, 409, 422, 500, 501))
async def load(service: ServiceOf, request: LoadRequest) -> EngineInfo:
    """Load a model of the library: put it together, build its environment if it needs one, and import it in a jet.

    The answer comes when the model is loaded. The engine starts when every slot has its stream.
    """
    model = await asyncio.to_thread(assemble, service.library, request.name)
    await service.engine.load(model)
    return service.engine.inspect()


@router.delete("/model", summary="Unload the model", responses=problems(409))
async def unload(service: ServiceOf) -> EngineInfo:
    """End the model's processes; their memory is given back."""
    await service.engine.unload()
    return service.engine.inspect()


@router.get("/streams", summary="List what is attached")
async def inspect_streams(service: ServiceOf) -> list[SlotInfo]:
    """Return the slots that have a stream."""
    return [slot for slot in service.engine.inspect().slots if slot.stream is not None]


@router.put("/streams/{slot}", summary="Attach a stream", responses=problems(400, 404, 409, 422, 501))
async def attach(service: ServiceOf, slot: SlotPath, request: AttachRequest) -> EngineInfo:
    """Attach a stream to a slot. Its schema and the model's have to fit.

    A topic has to be there, and the user has to be allowed to read or write it, as far as brokers answer: where none
    does, the stream is attached all the same, and `waits_for` says so.
    """
    stream = await asyncio.to_thread(_stream_of, service, slot, request)
    unknown = await asyncio.to_thread(check_topics, stream, slot, service.settings.secrets_dir)
    for reason in unknown:
        _log.warning("stream.unreached", slot=slot, stream=stream.name, reason=reason)
    await service.engine.attach(slot, stream)
    info = service.engine.inspect()
    return replace(info, waits_for=[*info.waits_for, *unknown])


@router.delete("/streams/{slot}", summary="Detach a stream", responses=problems(409))
async def detach(service: ServiceOf, slot: SlotPath) -> EngineInfo:
    """Take the stream off a slot."""
    await service.engine.detach(slot)
    return service.engine.inspect()


def _stream_of(service: Service, slot: int, request: AttachRequest) -> Stream:
    if request.name is not None:
        stream = stored_stream(service, request.name)
    else:
        stream = given_stream(request.descriptor or {}, service.library.schema, service.library.streams.read)
    verify_descriptor(stream.descriptor, slot)
    return stream
