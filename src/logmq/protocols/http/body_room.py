"""Room for the bodies that are held whole, of all clients together: each may be large, and many may come at once.

Small ones need none, so that those who send them are served whatever others do. Room is taken as a body comes and given
back with the answer; whoever finds none is told to try again.
"""

from __future__ import annotations

from typing import cast

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from logmq.errors import Throttled
from logmq.limits import HTTP_BODIES_SIZE_MAX, HTTP_SMALL_BODY_SIZE

_KEY = "logmq.body_room"
_RETRY_AFTER_MS = 1000


class BodyRoom:
    """ASGI middleware: each request may claim some of the room."""

    def __init__(self, app: ASGIApp, size: int = HTTP_BODIES_SIZE_MAX) -> None:
        self._app = app
        self.left = size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, and have back what the request took."""
        claim = scope[_KEY] = Claim(self)
        try:
            await self._app(scope, receive, send)
        finally:
            claim.release()


class Claim:
    """What one request holds."""

    __slots__ = ("_held", "_room")

    def __init__(self, room: BodyRoom) -> None:
        self._room = room
        self._held = 0

    def grow(self, size: int) -> None:
        """Hold so many bytes. Raises: Throttled."""
        more = size - self._held
        if size <= HTTP_SMALL_BODY_SIZE or more <= 0:
            return
        if more > self._room.left:
            raise Throttled("the broker holds as many bytes of requests as it can", _RETRY_AFTER_MS)
        self._room.left -= more
        self._held = size

    def release(self) -> None:
        """Hold nothing any more."""
        self._room.left += self._held
        self._held = 0


def claim_of(request: HTTPConnection) -> Claim:
    """The request's claim."""
    return cast(Claim, request.scope[_KEY])
