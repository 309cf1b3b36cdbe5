"""``/streams``: descriptors, what they mean, and the first records behind them."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel

from engine.registry import Collection
from engine.server.documented import problems, request_body
from engine.server.problem import RequestInvalid
from engine.server.routes.assets import asset_router
from engine.server.service import RawBody, Service, ServiceOf
from engine.server.sourcing import stored_stream
from engine.streams import Stream, given_stream, sample, verify_source

_DESCRIPTOR = '{"Transport": {"Type": "file", "Path": "prices.jsons"}, "Encoding": "json", "Envelope": "delimited"}'

Count = Annotated[int, Query(ge=1, le=10_000, description="How many records at most.")]
SlotNumber = Annotated[int | None, Query(ge=0, description="Even slots are inputs, odd ones outputs.")]


class DescriptorReply(BaseModel):
    """A descriptor with every default filled in, what a person should know about it, and what it was found to reach."""

    descriptor: dict[str, Any]
    notes: list[str]
    found: str | None = None


class SampleReply(BaseModel):
    """Raw records, each in base64."""

    records: list[str]


def _streams(service: ServiceOf) -> Collection:
    return service.library.streams


router = asset_router("/streams", "streams", _streams, "application/json", _DESCRIPTOR)


@router.post("/{name}/verify", summary="Check a stream descriptor", responses=problems(400, 404, 409, 501))
def verify(service: ServiceOf, name: str, slot: SlotNumber = None) -> DescriptorReply:
    """Return the descriptor with every default filled in; with `slot`, check that it may be attached there.

    The brokers of a Kafka stream are really asked whether its topic is there and may be read or written.
    """
    verified = verify_source(service.library.streams.read(name), name, slot, service.settings.secrets_dir)
    return DescriptorReply(**verified._asdict())


@router.get("/{name}/sample", summary="Read the first records of a stream", responses=problems(400, 404, 501))
def sample_stored(service: ServiceOf, name: str, count: Count = 10) -> SampleReply:
    """Open the stream on its own, beside any that is attached, and return its first records."""
    return _sample(service, stored_stream(service, name), count)


@router.post(
    "/sample",
    summary="Read the first records of a stream that is not in the library",
    responses=problems(400, 501),
    openapi_extra=request_body("A descriptor, or a literal.", "text/plain", example="file:/data/prices.jsons"),
)
def sample_given(service: ServiceOf, body: RawBody, count: Count = 10) -> SampleReply:
    """As above, for the descriptor or the literal in the body."""
    try:
        text = body.decode()
    except UnicodeDecodeError as exc:
        raise RequestInvalid("body", f"is not UTF-8 text: {exc}") from exc
    return _sample(service, given_stream(text, service.library.schema, service.library.streams.read), count)


def _sample(service: Service, stream: Stream, count: int) -> SampleReply:
    records = sample(stream, count, secrets=service.settings.secrets_dir)
    return SampleReply(records=[base64.b64encode(record).decode() for record in records])
