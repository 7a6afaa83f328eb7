"""Paths as they are routed: percent-encoded, so that a name may have a slash in it, and without a slash at the end.

/groups/billing/            /groups/billing            a slash at the end changes nothing
/groups/eu%2Fbilling        the group eu/billing, where decoding first would make another path of it
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

from logmq.protocols.http.problems import InvalidInput

_NAME = re.compile(r"\{(\w+)\}")


class Segment(Convertor[str]):
    """One part of a path, decoded."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        """Raises: InvalidInput."""
        try:
            return unquote(value, errors="strict")
        except UnicodeDecodeError:
            raise InvalidInput(f"{value[:80]!r} in the path is no UTF-8 when it is decoded") from None

    def to_string(self, value: str) -> str:
        """The text as a part of a path."""
        return quote(value, safe="")


register_url_convertor("segment", Segment())


def route_path(path: str) -> str:
    """The path of an operation as a route has it: its `{names}` are segments."""
    return _NAME.sub(r"{\1:segment}", path)


class Paths:
    """ASGI middleware: lets requests be routed by their path as it was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the module."""
        if scope["type"] in {"http", "websocket"}:
            path = scope["raw_path"].decode("ascii") if scope.get("raw_path") else quote(scope["path"])
            scope = {**scope, "path": path[:-1] if len(path) > 1 and path.endswith("/") else path}
        await self._app(scope, receive, send)
