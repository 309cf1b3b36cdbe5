"""``/engine/rejects``: records that were not scored, kept until somebody looks at them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from engine.server.documented import ANY_PROBLEM, problems
from engine.server.service import ServiceOf
from engine.state.json_rejects import reject_fields

N_REJECTS = 100
"""As many as are returned when nobody says how many: each may hold a long record."""

router = APIRouter(prefix="/engine/rejects", tags=["engine"], responses=ANY_PROBLEM)

After = Annotated[int, Query(ge=0, description="Leave out those up to this number.")]
Limit = Annotated[int, Query(ge=1, le=10_000, description="At most so many.")]
Numbers = Annotated[list[int] | None, Query(description="Which ones; all of them without.")]


class RejectReply(BaseModel):
    """A record that was not scored, or an output that was not written. `value` is the record in base64.

    `topic`, `partition` and `offset` say where it is, if it was read from a topic.
    """

    number: int
    time: str
    slot: int
    seq_no: int
    position: int | None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    stage: str
    error: str
    reason: str
    traceback: str
    value: str


class ReplayRequest(BaseModel):
    """Which rejects to feed back in; all of them for null."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"numbers": [1, 2]}})

    numbers: list[int] | None = Field(default=None)


class ReplayReply(BaseModel):
    """How many records were fed back in."""

    replayed: int


@router.get("", summary="List the rejects")
async def read_rejects(service: ServiceOf, after: After = 0, limit: Limit = N_REJECTS) -> list[RejectReply]:
    """Return the reject log, oldest first. Ask again with the last one's number as `after` for more."""
    return [RejectReply(**reject_fields(reject)) for reject in service.engine.rejected(after, limit)]


@router.delete("", summary="Forget rejects", status_code=204)
async def drop_rejects(service: ServiceOf, number: Numbers = None) -> None:
    """Remove rejects from the log for good."""
    await service.engine.drop_rejects(number)


@router.post("/replay", summary="Feed rejects back in", responses=problems(409, 501))
async def replay(service: ServiceOf, request: ReplayRequest) -> ReplayReply:
    """Hand records to their slots again, as if they came now; they leave the log when they are scored.

    Records of a topic are refused: produce them to it again.
    """
    return ReplayReply(replayed=await service.engine.replay(request.numbers))
