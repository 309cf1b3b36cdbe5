"""``/schemas``: Avro schemas, and records checked against them."""

from __future__ import annotations

from engine.registry import Collection
from engine.schema import Verdict, verify_records
from engine.server.documented import problems, request_body
from engine.server.records import LINES_TYPE
from engine.server.routes.assets import asset_router
from engine.server.service import RawBody, ServiceOf


def _schemas(service: ServiceOf) -> Collection:
    return service.library.schemas


router = asset_router("/schemas", "schemas", _schemas, "application/json", '{"type": "array", "items": "double"}')


@router.post(
    "/{name}/verify",
    summary="Check records against a schema",
    responses=problems(400, 404),
    openapi_extra=request_body("One record a line, as JSON.", LINES_TYPE, example='1.5\n"abc"'),
)
def verify(service: ServiceOf, name: str, body: RawBody) -> list[Verdict]:
    """Return a verdict on each line: `ok`, `json` where it is not JSON at all, or `fail`, and why."""
    lines = body.split(b"\n")
    return list(verify_records(service.library.schema(name), lines[:-1] if not lines[-1] else lines))
