"""The routes that models, schemas, streams and attachments have in common.

No ``from __future__ import annotations`` here: the routes' parameters name the collection that the function is called
with, and the framework could not find it by its name.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel

from engine.registry import Asset, Collection
from engine.server.documented import ANY_PROBLEM, answers, content, problems, request_body
from engine.server.service import RawBody

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_VERSION = "The beginning of an earlier version's SHA-256; the current version without it."

Version = Annotated[str | None, Query(description=_VERSION, examples=["9f86d081"])]


class PutReply(BaseModel):
    """What became of an asset that was sent."""

    kind: str
    name: str
    sha256: str
    size_bytes: int
    modified: datetime
    outcome: Literal["created", "updated", "unchanged"]


def asset_router(
    prefix: str, plural: str, collection_of: Callable[..., Collection], media_type: str, example: str
) -> APIRouter:
    """Return the routes of one kind of asset.

    Parameters
    ----------
    prefix : str
        Their path, such as ``/models``.
    plural : str
        What they are called in sentences; the first word is also their tag.
    collection_of : callable
        A dependency of FastAPI that gives the collection.
    media_type : str
        That of the content.
    example : str
        A content, for the documentation.
    """
    router = APIRouter(prefix=prefix, tags=[plural], responses=ANY_PROBLEM)
    assets_of = Annotated[Collection, Depends(collection_of)]
    version_example = {
        "kind": plural.removesuffix("s"),
        "name": "price",
        "sha256": _SHA256,
        "size_bytes": 512,
        "modified": "2026-01-31T12:00:00Z",
    }

    def json_example(value: Any) -> dict[str, Any]:
        return {"content": {"application/json": {"example": value}}}

    @router.get("", summary=f"List the {plural}", responses={200: json_example([version_example])})
    def list_assets(assets: assets_of) -> list[Asset]:
        """Return the current version of each, by name."""
        return assets.list()

    @router.get(
        "/{name}",
        summary="Read the content",
        response_class=Response,
        responses=answers({200: content("The content as it was put.", media_type, example=example)}, 404),
    )
    def read(assets: assets_of, name: str, version: Version = None) -> Response:
        """Return the content of the current version, or of an earlier one. `ETag` is its SHA-256."""
        if assets.kind == "attachment":  # large, and kept as a file that never changes
            asset = assets.get(name, version)
            return FileResponse(assets.locate(asset), headers={"ETag": f'"{asset.sha256}"'}, media_type=media_type)
        body = assets.read(name, version)
        return Response(body, headers={"ETag": f'"{hashlib.sha256(body).hexdigest()}"'}, media_type=media_type)

    @router.put(
        "/{name}",
        summary="Put a new version",
        responses=answers(
            {
                200: json_example(version_example | {"outcome": "updated"}),
                201: {"model": PutReply, "description": "Created"}
                | json_example(version_example | {"outcome": "created"}),
            },
            400,
            413,
        ),
        openapi_extra=request_body("The content.", media_type, example=example),
    )
    def put(assets: assets_of, name: str, body: RawBody, response: Response) -> PutReply:
        """Store the body as the current version. Earlier versions stay readable by their SHA-256."""
        done = assets.put(name, body)
        response.status_code = 201 if done.outcome == "created" else 200
        asset = done.asset
        return PutReply(
            kind=asset.kind,
            name=asset.name,
            sha256=asset.sha256,
            size_bytes=asset.size_bytes,
            modified=asset.modified,
            outcome=done.outcome,
        )

    @router.delete("/{name}", summary="Remove it", status_code=204, responses=problems(404))
    def remove(assets: assets_of, name: str) -> None:
        """Take it out of the library; its versions stay in the history."""
        assets.remove(name)

    @router.get(
        "/{name}/history",
        summary="List its versions",
        responses=answers({200: json_example([version_example])}, 404),
    )
    def history(assets: assets_of, name: str) -> list[Asset]:
        """Return every version that the name has held, newest first."""
        return assets.history(name)

    return router
