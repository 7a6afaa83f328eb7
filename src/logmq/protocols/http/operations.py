"""How a call of the HTTP API is described: enough to route it and to document it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from logmq.protocols.http.bodies import Query

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. `body` and `answer` are types that msgspec can describe; None where there is none, or not in JSON."""

    method: str
    path: str
    """With `{names}` for its variable parts."""
    endpoint: Endpoint
    summary: str
    subject: str
    """What it is about, for the order of the documentation."""
    query: type[Query] | None = None
    body: Any = None
    body_types: tuple[str, ...] = ("application/json",)
    answer: Any = None
    answer_types: tuple[str, ...] = ("application/json",)
    status: int = 200
    statuses: tuple[int, ...] = ()
    """Others that its answers may have."""
    problems: tuple[int, ...] = ()
    """Statuses of the problem documents it may answer with, besides 400 where it has inputs."""
