"""One HTTP connection: uvicorn's protocol, with bounds on what a client may send, and on how it may leave.

    first byte of a request -> head complete       within HTTP_HEAD_TIME_MAX_S, so many bytes and headers
    answer complete -> first byte of the next      within HTTP_KEEP_ALIVE_S (uvicorn's timer)
    answer written -> taken by the client          something of it within `slow_reader_timeout_ms`

Requests are parsed a few kilobytes at a time, and no further while one waits for its turn: whoever sends thousands at
once keeps bytes waiting, not requests. What cannot be parsed is answered in its turn, behind what was asked before, and
ends the connection. Bodies have bounds of their own, in bodies.py: there they can be answered as any other error.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import httptools
import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from logmq.limits import (
    HTTP_FEED_SIZE,
    HTTP_HALF_CLOSED_S,
    HTTP_HEAD_SIZE_MAX,
    HTTP_HEAD_TIME_MAX_S,
    HTTP_HEADER_COUNT_MAX,
    HTTP_LINGER_S,
    HTTP_URL_SIZE_MAX,
)
from logmq.protocols.http.heads import authority_of, check_head, has_body, without_upgrade
from logmq.protocols.http.outlet import EXTENSION, Outlet
from logmq.protocols.http.problems import (
    MEDIA_TYPE,
    HeadTooLarge,
    HeadTooSlow,
    MalformedRequest,
    RequestProblem,
    UrlTooLong,
    WrongVersion,
    problem_of,
)
from logmq.protocols.http.turns import Flow, Turn, answer

_log = logging.getLogger(__name__)


class HttpConnection(HttpToolsProtocol):
    """Parses requests and runs the application for each, one after another."""

    flow: Flow

    def __init__(
        self,
        config: Config,
        state: ServerState,
        loop: asyncio.AbstractEventLoop,
        now_ms: Callable[[], int],
        slow_reader_timeout_s: float,
    ) -> None:
        super().__init__(config, state, {}, loop)
        self._now_ms = now_ms
        self._slow_reader_timeout_s = slow_reader_timeout_s
        self._in_head = True
        self._head_size = 0
        """Bytes of URL, headers and trailers of the request that is parsed."""
        self._silent_size = 0
        """Bytes since the parser last told of something: a name or a value that does not end."""
        self._told = False
        self._unfed = b""
        """What came behind requests that wait for their turn."""
        self._running: RequestResponseCycle | None = None
        """The request that is being answered, or was last."""
        self._refusal: RequestProblem | None = None
        """What the bytes behind the last request are answered with, in their turn."""
        self._half_closed = False
        self._lingering = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None
        self._leave_timer: asyncio.TimerHandle | None = None

    # -- the connection ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take over a transport whose first bytes are there already."""
        super().connection_made(transport)
        self.flow = Flow(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or was sent away."""
        self._unfed = b""
        self._cancel_timers()
        if self._running is not None and not self._running.response_complete:
            self._disconnect(self._running)
        super().connection_lost(exc)

    def _cancel_timers(self) -> None:
        self._unset_keepalive_if_required()
        for timer in (self._head_timer, self._reader_timer, self._leave_timer):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request, or of several."""
        if self._refusal is not None or self._lingering:
            return
        if self._unfed:
            self._unfed += data  # at most what was on its way when reading was stopped
        else:
            self._take(data)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends nothing more. What it has asked for is answered, if it still takes it.

        It may as well have gone: a half-closed connection and a closed one look alike until something is written. Who
        ends its side of a stream that has nothing for it has gone.
        """
        running = self._running
        if self._lingering or running is None or running.response_complete or running.more_body:
            return False
        if running.response_started and not self.transport.get_write_buffer_size():
            return False
        self._half_closed = True
        self._leave_timer = self.loop.call_later(HTTP_HALF_CLOSED_S, self._leave)
        return True

    def _leave(self) -> None:
        """Take a client for gone that has sent its end, unless it is still taking bytes."""
        if self.transport.get_write_buffer_size():
            self._leave_timer = self.loop.call_later(HTTP_HALF_CLOSED_S, self._leave)
        else:
            self.transport.abort()

    def shutdown(self) -> None:
        """The broker stops: finish what has begun."""
        if self._is_idle:
            self._close()
        else:
            self.cycle.keep_alive = False

    @property
    def _is_idle(self) -> bool:
        return (self._running is None or self._running.response_complete) and not self.pipeline

    # -- parsing -----------------------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._feed(data)
        if self._is_idle and self._head_timer is None and self._refusal is None and not self.transport.is_closing():
            self._await_request()  # it was empty lines

    def _await_request(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _feed(self, data: bytes) -> None:
        for position in range(0, len(data), HTTP_FEED_SIZE):
            if self.pipeline:
                self._unfed = data[position:]
                self.flow.hold()
                return
            if not self._parse(data[position : position + HTTP_FEED_SIZE]):
                return

    def _parse(self, data: bytes) -> bool:
        """Whether the following bytes are for the parser, too."""
        self._told = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(_refusal_of(error, self.parser.get_method()))
            return False
        self._silent_size = 0 if self._told else self._silent_size + len(data)
        if self._silent_size > HTTP_HEAD_SIZE_MAX:
            self._refuse(_HEAD_TOO_LARGE)
        return self._refusal is None

    def on_message_begin(self) -> None:
        """See uvicorn."""
        super().on_message_begin()
        cast(Any, self.scope)["extensions"] = {EXTENSION: Outlet(self.transport, self.flow.drain)}
        if self._head_timer is None:
            self._begin_head()
        self._told = self._in_head = True
        self._head_size = 0

    def on_url(self, url: bytes) -> None:
        """See uvicorn. What is raised in these callbacks ends parsing and reaches the client."""
        super().on_url(url)
        if len(self.url) > HTTP_URL_SIZE_MAX:
            raise UrlTooLong(f"the URL has more than {HTTP_URL_SIZE_MAX} bytes; shorten it")
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """See uvicorn. Trailers of a body are counted and forgotten: they must not pass for headers."""
        self._count(len(name) + len(value))
        if self._in_head:
            super().on_header(name, value)
            if len(self.headers) > HTTP_HEADER_COUNT_MAX:
                raise HeadTooLarge(f"the request has more than {HTTP_HEADER_COUNT_MAX} headers; send fewer")

    def on_headers_complete(self) -> None:
        """See uvicorn."""
        self._end_head()
        self._in_head = False
        if self.parser.should_upgrade() and not self._should_upgrade() and self.parser.get_method() != b"CONNECT":
            return  # it is parsed anew, see `_upgrade`
        check_head(self.parser.get_method(), self.parser.get_http_version(), self.url, self.headers)
        authority = authority_of(self.url)
        if authority is not None:  # it counts instead of Host (RFC 9112, 3.2.2)
            self.headers[:] = [(b"host", authority), *(each for each in self.headers if each[0] != b"host")]
        self._set_date()
        super().on_headers_complete()
        if not self.parser.should_upgrade():
            turn = Turn(self.transport, partial(self._end_answer, self.cycle))
            self.cycle.transport = cast(asyncio.Transport, turn)

    def on_body(self, body: bytes) -> None:
        """See uvicorn."""
        self._told = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See uvicorn."""
        self._told = True
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _upgrade(self, rest: bytes) -> bool:
        """Pass the connection to a WebSocket; a wish for any other protocol is ignored (RFC 9110, 7.8).

        The parser takes such a request for one without a body, so that another one parses it without the wish. HTTP
        clients of Java wish for HTTP/2 with each first request, those with bodies as well.
        """
        if not self._should_upgrade():
            method, version = self.parser.get_method(), self.parser.get_http_version()
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            head = without_upgrade(method, self.url, version, self.headers)
            return self._parse(head) and (not rest or self._parse(rest))
        if has_body(self.headers):
            self._refuse(MalformedRequest("the handshake of a WebSocket has no body"))
        elif self._is_idle:
            self._cancel_timers()
            self.handle_websocket_upgrade()
        else:
            self._refuse(MalformedRequest("a WebSocket cannot begin before earlier requests are answered"))
        return False

    def _count(self, size: int) -> None:
        self._told = True
        self._head_size += size
        if self._head_size > HTTP_HEAD_SIZE_MAX:
            raise _HEAD_TOO_LARGE

    def _begin_head(self) -> None:
        self._head_timer = self.loop.call_later(HTTP_HEAD_TIME_MAX_S, self._refuse, _HEAD_TOO_SLOW)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    # -- answering ---------------------------------------------------------------------------------------------------

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, partial(answer, app, cycle))

    def _set_date(self) -> None:
        """Every answer says when it was made (RFC 9110, 6.6.1)."""
        date = formatdate(self._now_ms() // 1000, usegmt=True).encode()
        self.server_state.default_headers = [(b"date", date), (b"server", b"logmq")]

    def on_response_complete(self) -> None:
        """Go on with the next request, or with what came behind the last one."""
        if self._lingering:
            return
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._unfed and not self.pipeline:
            rest, self._unfed = self._unfed, b""
            self.flow.release()
            self._take(rest)
        if not self._is_idle:
            return
        if self._refusal is not None:
            self._write_refusal(self._refusal)
        elif self._half_closed:
            self._close()

    def _end_answer(self, cycle: RequestResponseCycle) -> None:
        """An answer is complete, or cannot be completed, and ends the connection.

        Where the client is still sending it is given time to read the answer: to close would reset the connection.
        """
        if cycle.more_body and cycle.response_complete:
            self._linger()
        else:
            self._close()

    # -- refusing and leaving ----------------------------------------------------------------------------------------

    def _refuse(self, refusal: RequestProblem) -> None:
        """Read no further; say why when all that was asked before is answered, and close."""
        self._end_head()
        if self.transport.is_closing() or self._refusal is not None:
            return
        self._refusal = refusal
        self.flow.hold()
        broken = self.cycle
        if broken is not None and broken.more_body and not broken.response_complete:
            if self.pipeline and self.pipeline[0][0] is broken:
                self.pipeline.popleft()
            else:
                self._disconnect(broken)
                if broken.response_started:
                    self._close()
                else:
                    self._write_refusal(refusal)
                return
        if self._is_idle:
            self._write_refusal(refusal)

    def _disconnect(self, cycle: RequestResponseCycle) -> None:
        """Tell a handler that nothing more comes from the client, and send nothing more of it."""
        cycle.disconnected = True
        cycle.message_event.set()

    def _write_refusal(self, refusal: RequestProblem) -> None:
        problem = problem_of(refusal)
        body = msgspec.json.encode(problem)
        head = (
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
            f"date: {formatdate(self._now_ms() // 1000, usegmt=True)}\r\nserver: logmq\r\n"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            "x-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self._linger()

    def _linger(self) -> None:
        """End our side, and let the client's bytes go by until it ends its own, or for a while."""
        if self._half_closed or self.transport.is_closing() or not self.transport.can_write_eof():
            self._close()
            return
        self._unset_keepalive_if_required()
        self._lingering = True
        self.transport.write_eof()
        self.flow.release()
        self._leave_timer = self.loop.call_later(HTTP_LINGER_S, self._close)

    def _close(self) -> None:
        """Close once the client has what was written, if it takes it."""
        self.transport.close()
        if self._reader_timer is None and self.transport.get_write_buffer_size():
            self._watch_reader()

    def timeout_keep_alive_handler(self) -> None:
        """See uvicorn."""
        if not self.transport.is_closing():
            self._close()

    # -- clients that do not read ------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        """The client takes less than is written to it."""
        super().pause_writing()
        if self._reader_timer is None:
            self._watch_reader()

    def resume_writing(self) -> None:
        """The client has taken most of it."""
        super().resume_writing()
        if self._reader_timer is not None and not self.transport.is_closing():
            self._reader_timer.cancel()
            self._reader_timer = None

    def _watch_reader(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._reader_timer = self.loop.call_later(self._slow_reader_timeout_s, self._check_reader, waiting)

    def _check_reader(self, waited: int) -> None:
        self._reader_timer = None
        waiting = self.transport.get_write_buffer_size()
        if 0 < waiting < waited:
            self._watch_reader()
        elif waiting:
            _log.info(
                "dropped a client that does not read its answers",
                extra={"peer": self.client, "waiting_bytes": waiting},
            )
            self.transport.abort()


def _refusal_of(error: httptools.HttpParserError, method: bytes) -> RequestProblem:
    """What to tell a client of bytes that the parser, or one of its callbacks, did not take."""
    if isinstance(error, httptools.HttpParserCallbackError):
        cause = error.__context__
        if isinstance(cause, RequestProblem):
            return cause
        if not isinstance(cause, httptools.HttpParserError | ValueError):
            _log.error("a request could not be taken in an unexpected way", exc_info=cause)
        return MalformedRequest("the URL of the request is none")
    if method == b"PRI":
        return WrongVersion("HTTP/2 is not spoken here; use HTTP/1.1")
    return MalformedRequest(f"these bytes are no HTTP/1.1 request: {str(error) or type(error).__name__}")


_HEAD_TOO_LARGE = HeadTooLarge(f"request line and headers have more than {HTTP_HEAD_SIZE_MAX} bytes; send fewer")
_HEAD_TOO_SLOW = HeadTooSlow(f"the headers did not come within {HTTP_HEAD_TIME_MAX_S:g} seconds; closing")
