"""All HTTP connections of a broker: made when the first one comes, drained when it stops."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

from uvicorn.config import Config as UvicornConfig
from uvicorn.server import ServerState

from logmq.broker.broker import Broker
from logmq.clock import Clock
from logmq.config import Config
from logmq.limits import HTTP_KEEP_ALIVE_S, HTTP_SOCKET_MESSAGE_SIZE_MAX
from logmq.protocols.http.app import make_app
from logmq.protocols.http.connection import HttpConnection
from logmq.protocols.http.context import Context
from logmq.protocols.http.socket_connection import SocketConnection

_DRAIN_POLL_S = 0.02


class HttpService:
    """What connections share. Connections that became WebSockets count as long as they are open."""

    def __init__(self, broker: Broker, config: Config, clock: Clock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._context = Context(broker, config, clock)
        self._state = ServerState()
        self._uvicorn = UvicornConfig(
            cast(Any, make_app(self._context)),
            http=HttpConnection,
            ws=SocketConnection,
            ws_per_message_deflate=False,
            ws_max_size=HTTP_SOCKET_MESSAGE_SIZE_MAX,
            lifespan="off",
            log_config=None,
            log_level="warning",  # on `info` each WebSocket is a line
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=HTTP_KEEP_ALIVE_S,
        )
        self._uvicorn.load()
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # else a line or two for each WebSocket

    def __len__(self) -> int:
        return len(self._state.connections)

    def new(self) -> HttpConnection:
        """A protocol for a connection whose client speaks HTTP."""
        return HttpConnection(
            self._uvicorn,
            self._state,
            self._loop,
            self._clock.now_ms,
            self._context.config.slow_reader_timeout_ms / 1000,
        )

    async def drain(self) -> None:
        """Answer what was begun, end streams, and close; returns when all connections are gone."""
        self._context.stopping.set()
        for connection in list(self._state.connections):
            connection.shutdown()
        while self._state.connections:  # noqa: ASYNC110 - uvicorn tells nobody when a connection ends
            await asyncio.sleep(_DRAIN_POLL_S)

    def abort(self) -> None:
        """Drop all clients at once."""
        for connection in list(self._state.connections):
            cast(HttpConnection, connection).transport.abort()
