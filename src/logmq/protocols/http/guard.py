"""Who may ask: what a browser could be made to do by a page of another site is refused before any handler sees it.

A request names its host, and a page of another site cannot change that: a host that the broker does not go by is a
name that somebody pointed at it (DNS rebinding). A request of a page of another site carries its `Origin`: one that
changes something is refused. Answers to other sites' pages are readable to them only if `http_allowed_origins` says so
(CORS, the Fetch standard).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from logmq.config import Config
from logmq.protocols.http.problems import CrossSite, RequestProblem, WrongHost, answer_error

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ANY = "*"
_PREFLIGHT_AGE_S = 600
_EXPOSED = "Location, Retry-After, LogMQ-Offset, LogMQ-Next-Offset, LogMQ-Partition, LogMQ-Timestamp"


class Guard:
    """ASGI middleware around the application."""

    def __init__(self, app: ASGIApp, config: Config) -> None:
        self._app = app
        self._hosts = {host.lower() for host in (*config.http_allowed_hosts, config.host, *_own_names())}
        self._origins = {origin.lower().rstrip("/") for origin in config.http_allowed_origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it with a problem."""
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        try:
            self._check_host(headers.get("host"))
            allowed = self._check_origin(scope, headers, origin)
        except RequestProblem as problem:
            await answer_error(problem)(scope, receive, send)
            return
        if allowed and scope["type"] == "http" and "access-control-request-method" in headers:
            await _preflight(headers)(scope, receive, _sender(send, origin))
            return
        await self._app(scope, receive, _sender(send, origin if allowed else None))

    def _check_host(self, given: str | None) -> None:
        name = "" if given is None else _host_name(given)
        if given is None or _is_local(name) or name in self._hosts or _ANY in self._hosts:
            return
        raise WrongHost(f"this broker does not go by the name {name!r}; http_allowed_hosts takes names to allow")

    def _check_origin(self, scope: Scope, headers: Headers, origin: str | None) -> bool:
        """Whether pages of the origin may read the answer. Raises: CrossSite."""
        if origin is None:
            return False
        if origin.lower() in self._origins or _ANY in self._origins:
            return True
        host = headers.get("host", "")
        own = origin.partition("://")[2].lower() == host.lower()
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if changes and not own:
            raise CrossSite(f"a page of {origin!r} may not do that here; http_allowed_origins takes origins to allow")
        return False


def _own_names() -> Iterable[str]:
    name = socket.gethostname()
    return (name, f"{name}.local")


def _host_name(given: str) -> str:
    """The name in a Host header, without port and brackets."""
    if given.startswith("["):
        return given[1:].partition("]")[0].lower()
    return given.partition(":")[0].lower().rstrip(".")


def _is_local(name: str) -> bool:
    """Whether nobody elsewhere can have given the broker this name: an address, or a name without a dot."""
    if "." not in name and ":" not in name:
        return True
    if name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _preflight(headers: Headers) -> Response:
    """What a browser asks before it lets a page of another site send a request that is not simple."""
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
            "Access-Control-Allow-Headers": headers.get("access-control-request-headers", "Content-Type"),
            "Access-Control-Max-Age": str(_PREFLIGHT_AGE_S),
        },
    )


def _sender(send: Send, origin: str | None) -> Send:
    """`send`, with the headers that every answer has; `origin` is that of pages that may read it."""

    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Cross-Origin-Resource-Policy", "same-origin" if origin is None else "cross-origin")
            if origin is not None:
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Expose-Headers"] = _EXPOSED
                headers.add_vary_header("Origin")
        await send(message)

    return send_guarded
