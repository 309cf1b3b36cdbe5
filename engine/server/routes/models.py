"""``/models``: scripts, and what is known of them without running them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from engine.registry import Collection, assemble
from engine.script import ScriptSummary, summarize
from engine.server.documented import problems
from engine.server.routes.assets import asset_router
from engine.server.service import ServiceOf

_SCRIPT = """# engine.schema.0: double
# engine.schema.1: double

def action(price):
    return price * 2
"""

Strict = Annotated[bool, Query(description="Take a note, such as on a mistyped annotation, for an error.")]


def _models(service: ServiceOf) -> Collection:
    return service.library.models


router = asset_router("/models", "models", _models, "text/x-python", _SCRIPT)


@router.post("/{name}/verify", summary="Check a model without running it", responses=problems(400, 404, 501))
def verify(service: ServiceOf, name: str, strict: Strict = False) -> ScriptSummary:
    """Read the script's annotations and hooks, and look up the schemas that it names."""
    return summarize(assemble(service.library, name, is_strict=strict).script)
