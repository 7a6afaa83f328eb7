"""Who may ask: what a browser could be made to do by a page of another site is refused before any handler sees it.

A request names its host, and a page of another site cannot change that: a host that the broker does not go by is a
name that somebody pointed at it (DNS rebinding). A request that a page of another site makes carries its `Origin`, and
in newer browsers `Sec-Fetch-Site`: one that changes something is refused, and so is one that a page embeds, for even a
search whose answer it cannot read keeps the broker busy. Answers are readable to pages of other sites only if
`http_allowed_origins` says so (CORS, the Fetch standard).

Programs that are no browsers send neither header and are let through: this is no access control.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from logmq.config import Config
from logmq.protocols.http.problems import CrossSite, RequestProblem, WrongHost, answer_error

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_ANY = "*"
_PREFLIGHT_AGE_S = 600
_EXPOSED = (
    "ETag, Location, Retry-After, LogMQ-Offset, LogMQ-Next-Offset, LogMQ-Partition, LogMQ-Timestamp,"
    " Stream-Next-Offset, Stream-Up-To-Date, Stream-Cursor, Stream-Closed"
)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/@\\]+", re.IGNORECASE | re.ASCII)
_HEADER_NAMES = re.compile(r"[A-Za-z0-9_-]+(?:, ?[A-Za-z0-9_-]+)*")


class Guard:
    """ASGI middleware around the application."""

    def __init__(self, app: ASGIApp, config: Config) -> None:
        self._app = app
        self._hosts = {host.lower() for host in (*config.http_allowed_hosts, config.host, *_own_names())}
        self._origins = {origin.lower().rstrip("/") for origin in config.http_allowed_origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it with a problem."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        allowed = origin is not None and self._is_allowed(origin)
        answering = _sender(send, origin if allowed else None, varies=bool(self._origins))
        try:
            self._check_host(headers.get("host"))
            if not allowed:
                _check_same_site(scope, headers, origin)
        except RequestProblem as problem:
            await answer_error(problem)(scope, receive, answering)
            return
        if allowed and _is_preflight(scope, headers):
            await _preflight(headers)(scope, receive, answering)
            return
        await self._app(scope, receive, answering)

    def _check_host(self, given: str | None) -> None:
        name = "" if given is None else _host_name(given)
        if given is None or _is_local(name) or name in self._hosts or _ANY in self._hosts:
            return
        raise WrongHost(f"this broker does not go by the name {name!r}; http_allowed_hosts takes names to allow")

    def _is_allowed(self, origin: str) -> bool:
        """Whether pages of the origin may use the API. `null`, of pages that have none, is nobody's name."""
        return _ORIGIN.fullmatch(origin) is not None and (origin.lower() in self._origins or _ANY in self._origins)


def _check_same_site(scope: Scope, headers: Headers, origin: str | None) -> None:
    """Raises: CrossSite, if a page of another site is behind the request."""
    changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
    if origin is not None and changes and not _is_own(origin, headers.get("host", "")):
        raise CrossSite(f"a page of {origin!r} may not do that here; http_allowed_origins takes origins to allow")
    # A link that is followed is a request of the other site, too, and shows nothing to it.
    if headers.get("sec-fetch-site") == "cross-site" and (changes or headers.get("sec-fetch-mode") != "navigate"):
        raise CrossSite("a page of another site may not use this; http_allowed_origins takes origins to allow")


def _is_own(origin: str, host: str) -> bool:
    """Whether the page came from here. The scheme may differ: TLS may end in front of the broker."""
    scheme, separator, authority = origin.partition("://")
    return scheme in {"http", "https"} and bool(separator) and authority.lower() == host.lower()


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


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    return scope["type"] == "http" and scope["method"] == "OPTIONS" and "access-control-request-method" in headers


def _preflight(headers: Headers) -> Response:
    """What a browser asks before it lets a page of another site send a request that is not simple."""
    asked = headers.get("access-control-request-headers", "")
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": asked if _HEADER_NAMES.fullmatch(asked) else "Content-Type",
            "Access-Control-Max-Age": str(_PREFLIGHT_AGE_S),
        },
    )


def _sender(send: Send, origin: str | None, *, varies: bool) -> Send:
    """`send`, with the headers that every answer has.

    `origin` is that of pages that may read it; `varies` says whether there are any such origins.
    """

    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Cache-Control", "no-store")
            headers.setdefault("Cross-Origin-Resource-Policy", "same-origin" if origin is None else "cross-origin")
            if varies:
                headers.add_vary_header("Origin")
            if origin is not None:
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Expose-Headers"] = _EXPOSED
        await send(message)

    return send_guarded
