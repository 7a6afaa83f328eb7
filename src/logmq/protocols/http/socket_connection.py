"""One WebSocket: uvicorn's protocol, with an outlet, and ended by its handler when the broker stops."""

from __future__ import annotations

from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from logmq.limits import HTTP_SOCKET_CLOSE_TIME_MAX_S
from logmq.protocols.http.outlet import EXTENSION, Outlet


class SocketConnection(WebSocketsSansIOProtocol):
    """Parses messages and runs the application for the connection."""

    def handle_connect(self, event: Any) -> None:
        """See uvicorn. The application starts in the next turn of the loop."""
        super().handle_connect(event)
        if not self.close_sent:
            cast(Any, self.scope)["extensions"][EXTENSION] = SocketOutlet(self)

    async def send(self, message: Any) -> None:
        """See uvicorn, which takes a handshake that was answered with a refusal for one that was forgotten."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True

    def shutdown(self) -> None:
        """The broker stops: handlers see that themselves and say goodbye with the code that means it."""
        if not self.handshake_complete:
            super().shutdown()

    def close(self, code: int, reason: str) -> None:
        """Say goodbye behind all that waits. A client that does not take it, or does not answer, is dropped in time."""
        if self.close_sent or self.transport.is_closing():
            return
        self.stop_keepalive()
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(HTTP_SOCKET_CLOSE_TIME_MAX_S, self.transport.abort)


class SocketOutlet(Outlet):
    """The outlet of a WebSocket."""

    __slots__ = ("_connection",)

    def __init__(self, connection: SocketConnection) -> None:
        super().__init__(connection.transport, connection.writable.wait)
        self._connection = connection

    def close(self, code: int, reason: str) -> None:
        """See `SocketConnection.close`."""
        self._connection.close(code, reason)
