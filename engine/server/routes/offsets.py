"""``/streams/offsets``: where a consumer group stands in the topic of a stream, shown and moved."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from engine.runtime.seeking import find_reading, seek_offsets
from engine.server.documented import ANY_PROBLEM, problems
from engine.server.service import Service, ServiceOf
from engine.server.sourcing import stored_stream
from engine.streams import Stream, given_stream

router = APIRouter(prefix="/streams", tags=["streams"], responses=ANY_PROBLEM)

_EXAMPLE: dict[str, Any] = {"stream": "prices", "to": "earliest", "state": "clear", "model": "average"}


class SeekRequest(BaseModel):
    """Whose offsets, and where to; without `to` they stay where they are."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    stream: str | dict[str, Any] = Field(description="A name of the library, a literal, or a descriptor.")
    to: str | None = Field(
        default=None,
        description="`earliest`, `latest`, `group`, `state`, an offset, or a time such as ISO 8601 has it.",
    )
    state: Literal["keep", "clear"] | None = Field(
        default=None, description="What becomes of the state that belongs to the offsets."
    )
    group: str | None = Field(default=None, description="Without it the stream's Group, or the model's name.")
    model: str | None = Field(default=None, description="Whose state; needed where a group keeps that of several.")
    slot: int | None = Field(default=None, ge=0, description="The input slot that has the stream.")
    partition: int | None = Field(default=None, ge=0, description="The only partition that is shown, or moved.")


class PartitionReply(BaseModel):
    """One partition: its first offset and the one behind its last record, where the group goes on, and the state."""

    partition: int
    first: int
    last: int
    offset: int | None
    lag: int | None
    state_offset: int | None


class StandingReply(BaseModel):
    """Where a group stands, who is in it, and which topic keeps the state."""

    topic: str
    group: str
    members: list[str]
    model: str | None
    changelog: str | None
    partitions: list[PartitionReply]


@router.post("/offsets", summary="Show or move a group's offsets", responses=problems(400, 404, 409, 501))
def seek(service: ServiceOf, request: SeekRequest) -> StandingReply:
    """Return where the group of a Kafka stream stands, after it was moved where that is asked for.

    The state that was committed with the offsets moves with them in one transaction. While engines are in the group it
    is refused.
    """
    reading = find_reading(
        _stream(service, request.stream),
        service.settings.secrets_dir,
        group=request.group,
        model=request.model,
        slot=request.slot,
        partition=request.partition,
    )
    is_kept = None if request.state is None else request.state == "keep"
    standing = seek_offsets(reading, request.to, service.library, is_kept=is_kept)
    return StandingReply.model_validate(standing.as_json())


def _stream(service: Service, source: str | dict[str, Any]) -> Stream:
    if isinstance(source, str) and ":" not in source:
        return stored_stream(service, source)
    return given_stream(source, service.library.schema, service.library.streams.read)
