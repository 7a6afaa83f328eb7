"""The application: routes from the table, errors as problem documents, the guard around all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from logmq.errors import LogMQError
from logmq.protocols.http.admission import admitted
from logmq.protocols.http.body_room import BodyRoom
from logmq.protocols.http.context import Context
from logmq.protocols.http.counting import count_unmatched, counted
from logmq.protocols.http.guard import Guard
from logmq.protocols.http.operations import Endpoint
from logmq.protocols.http.paths import Paths, route_path
from logmq.protocols.http.problems import UNEXPECTED, answer_error, answer_problem, problem_of_status
from logmq.protocols.http.routes import OPERATIONS, ROUTES


def make_app(context: Context) -> ASGIApp:
    """The application for a broker."""
    app = Starlette(
        routes=[*_routes(), *ROUTES],
        exception_handlers={
            LogMQError: _on_error,
            HTTPException: _on_status,
            ClientDisconnect: _on_disconnect,
            Exception: _on_unexpected,
        },
    )
    app.router.redirect_slashes = False
    app.router.default = _nothing_here
    app.state.context = context
    return Guard(Paths(BodyRoom(app)), context.config)


def _routes() -> list[BaseRoute]:
    """A route for each path, so that a method that it does not take is told those that it takes."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for operation in OPERATIONS:
        checked = replace(operation, endpoint=admitted(operation))
        by_path.setdefault(operation.path, {})[operation.method] = counted(checked)
    return [
        Route(route_path(path), _by_method(endpoints), methods=list(endpoints)) for path, endpoints in by_path.items()
    ]


def _by_method(endpoints: Mapping[str, Endpoint]) -> Endpoint:
    if len(endpoints) == 1:
        return next(iter(endpoints.values()))

    async def endpoint(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return endpoint


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    """There is no route for the path, neither for a request nor for a WebSocket."""
    if scope["type"] == "websocket":
        await answer_problem(problem_of_status(HTTPException(404)))(scope, receive, send)
        return
    raise HTTPException(404)


async def _on_error(_: Request, error: Exception) -> Response:
    return answer_error(cast(LogMQError, error))


async def _on_status(request: Request, error: Exception) -> Response:
    """There is nothing at the path, or not by this method. OPTIONS asks which methods there are."""
    status = cast(HTTPException, error)
    allowed = sorted({"OPTIONS", *(status.headers or {}).get("Allow", "OPTIONS").split(", ")})
    if request.method == "OPTIONS" and (status.status_code == _NOT_ALLOWED or request.scope["path"] == "*"):
        return Response(status_code=204, headers={"Allow": ", ".join(allowed)})
    headers = {"Allow": ", ".join(allowed)} if status.status_code == _NOT_ALLOWED else None
    problem = problem_of_status(status)
    count_unmatched(request, problem)
    return answer_problem(problem, headers)


async def _on_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=_CLIENT_GONE)


async def _on_unexpected(_: Request, __: Exception) -> Response:
    return answer_problem(UNEXPECTED)  # uvicorn logs the error, which goes on to it


_NOT_ALLOWED = 405
_CLIENT_GONE = 499
"""Nobody reads it; the number is nginx's."""
