"""The HTTP application: routes, errors and documentation put together."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from engine import __version__
from engine.errors import EngineError, Signal
from engine.registry import Library
from engine.runtime import Engine
from engine.server.front import Front
from engine.server.problem import MethodNotAllowed, RequestInvalid, RouteNotFound, problem_response
from engine.server.route_index import RouteIndex
from engine.server.routes import attachments, control, models, offsets, records, rejects, schemas, state, streams, watch
from engine.server.service import Service
from engine.settings import Settings

_ROUTERS = [
    module.router
    for module in (records, control, state, rejects, models, schemas, streams, offsets, attachments, watch)
]
_ABOUT = """Records go in, scores come out. Put a model and its schemas and streams into the library, load the model,
attach a stream to each of its slots; then score records one at a time with `/score`, or hand them to `/input/{slot}`
and fetch what came of them from `/output/{slot}`.

Every error is a problem document (RFC 9457): its `type` names the error, its `detail` is a sentence, and the error's
own fields are members beside them."""


def build_app(engine: Engine, library: Library, settings: Settings, *, is_local_only: bool) -> Front:
    """Return the application.

    Parameters
    ----------
    engine : Engine
        Lives on the event loop that will run the application.
    library : Library
        Where models, schemas and streams come from.
    settings : Settings
        Of them the limits.
    is_local_only : bool
        Answer only what was meant for this machine.
    """
    service = Service(engine, library, settings)
    framework = FastAPIOffline(
        title="Streaming scoring engine",
        version=__version__,
        description=_ABOUT,
        redoc_url=None,
        exception_handlers={
            EngineError: _explain,
            Signal: _explain,
            RequestValidationError: _explain_invalid,
            HTTPException: _explain_refused,
            Exception: _explain,  # logged by Front
        },
    )
    framework.state.service = service
    for router in _ROUTERS:
        framework.include_router(router)

    @framework.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    return Front(service, framework, is_local_only=is_local_only)


async def _explain(_request: Request, exc: Exception) -> Response:
    return problem_response(exc)


async def _explain_invalid(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)  # noqa: S101 - what it is registered for
    error = exc.errors()[0]
    path = ".".join(str(step) for step in error["loc"])
    reason = error["msg"].removeprefix("Value error, ")
    return problem_response(RequestInvalid(path, reason[:1].lower() + reason[1:]))


async def _explain_refused(request: Request, exc: Exception) -> Response:
    """Turn the framework's own refusals, which say little, into ours."""
    assert isinstance(exc, HTTPException)  # noqa: S101 - what it is registered for
    if isinstance(exc.__cause__, EngineError):  # met while the framework read a body
        return problem_response(exc.__cause__)
    app: FastAPI = request.app
    path = request.url.path
    routes = RouteIndex(app.openapi()["paths"])
    if exc.status_code == HTTPStatus.NOT_FOUND:
        return problem_response(RouteNotFound(path, routes.nearest(path)))
    if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return problem_response(MethodNotAllowed(request.method, path, routes.methods(path)))
    return problem_response(RequestInvalid("body", str(exc.detail).rstrip(".").lower()))
