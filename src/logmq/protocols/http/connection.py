"""One HTTP connection: uvicorn's protocol, with bounds on how large a request's head may be and how long it may take.

    first byte of a request -> head complete       within HTTP_HEAD_TIME_MAX_S, at most HTTP_HEAD_SIZE_MAX bytes
    answer complete -> first byte of the next      within HTTP_KEEP_ALIVE_S (uvicorn's timer)

Bodies have bounds of their own, in bodies.py: there they can be answered as any other error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, cast

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from logmq.limits import HTTP_HEAD_SIZE_MAX, HTTP_HEAD_TIME_MAX_S
from logmq.protocols.http.outlet import EXTENSION, Outlet
from logmq.protocols.http.problems import (
    MEDIA_TYPE,
    HeadTooLarge,
    HeadTooSlow,
    MalformedRequest,
    RequestProblem,
    problem_of,
)


class HttpConnection(HttpToolsProtocol):
    """Parses requests and runs the application for each."""

    def __init__(
        self, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop, now_ms: Callable[[], int]
    ) -> None:
        super().__init__(config, state, {}, loop)
        self._now_ms = now_ms
        self._head_size = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._refusal: RequestProblem = MalformedRequest("these bytes are no HTTP/1.1 request")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take over a transport whose first bytes are there already."""
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or was sent away."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request, or of several."""
        super().data_received(data)
        if self._head_timer is None or self.transport.is_closing():
            return
        self._head_size += len(data)
        if self._head_size > HTTP_HEAD_SIZE_MAX:
            self._refuse(_HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """See uvicorn."""
        super().on_message_begin()
        cast(Any, self.scope)["extensions"] = {EXTENSION: Outlet(self.transport, self.flow.drain)}
        if self._head_timer is None:
            self._begin_head()

    def on_headers_complete(self) -> None:
        """See uvicorn. What is raised here reaches the client by `send_400_response`."""
        self._end_head()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HTTP_HEAD_SIZE_MAX:
            self._refusal = _HEAD_TOO_LARGE
            raise self._refusal
        self._set_date()
        super().on_headers_complete()

    def _begin_head(self) -> None:
        self._head_size = 0
        self._head_timer = self.loop.call_later(HTTP_HEAD_TIME_MAX_S, self._refuse, _HEAD_TOO_SLOW)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _set_date(self) -> None:
        """Every answer says when it was made (RFC 9110, 6.6.1)."""
        date = formatdate(self._now_ms() // 1000, usegmt=True).encode()
        self.server_state.default_headers = [(b"date", date), (b"server", b"logmq")]

    def send_400_response(self, msg: str) -> None:
        """Uvicorn's answer to what it cannot parse, as a problem document."""
        self._refuse(self._refusal)

    def _refuse(self, refusal: RequestProblem) -> None:
        self._end_head()
        if self.transport.is_closing():
            return
        problem = problem_of(refusal)
        body = msgspec.json.encode(problem)
        head = (
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def abort(self) -> None:
        """Drop the client at once."""
        self.transport.abort()


_HEAD_TOO_LARGE = HeadTooLarge(f"request line and headers have more than {HTTP_HEAD_SIZE_MAX} bytes; send fewer")
_HEAD_TOO_SLOW = HeadTooSlow(f"the headers did not come within {HTTP_HEAD_TIME_MAX_S:g} seconds; closing")
