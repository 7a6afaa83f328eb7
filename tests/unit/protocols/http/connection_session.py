"""One HTTP connection: a transport in memory, time that is moved by hand, and an application that a test writes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, cast

from tests.unit.protocols.text_session import FakeTransport, ManualTime
from uvicorn.config import Config as UvicornConfig
from uvicorn.server import ServerState

from logmq.limits import HTTP_KEEP_ALIVE_S
from logmq.protocols.http.connection import HttpConnection

SLOW_READER_TIMEOUT_S = 60.0


class HalfOpenTransport(FakeTransport):
    """A transport that can end its own side, and knows how much the client has not taken."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def get_write_buffer_size(self) -> int:
        return self.unread if self.room is not None else 0

    def take(self, count: int) -> None:
        """The client reads some of it, which is too little to go on writing."""
        self.unread -= count


class HttpConnectionSession:
    """A client of one connection."""

    def __init__(self, app: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        self.time = ManualTime()
        self.transport = HalfOpenTransport()
        self.state = ServerState()
        config = UvicornConfig(
            cast(Any, app), ws="none", lifespan="off", log_config=None, access_log=False, server_header=False,
            timeout_keep_alive=HTTP_KEEP_ALIVE_S,
        )  # fmt: skip
        config.load()
        self.connection = HttpConnection(config, self.state, self.time.loop, self.time.now_ms, SLOW_READER_TIMEOUT_S)
        self.transport.set_protocol(self.connection)
        self.connection.connection_made(self.transport)

    def send(self, data: bytes) -> None:
        """Some bytes of the client."""
        self.connection.data_received(data)

    async def ask(self, data: bytes) -> bytes:
        """Send bytes; returns what is answered to them in a few turns of the loop."""
        before = len(self.transport.written)
        self.send(data)
        await turns()
        return bytes(self.transport.written[before:])

    @property
    def statuses(self) -> list[int]:
        """The statuses of all answers so far."""
        return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", self.transport.written)]


async def turns(count: int = 30) -> None:
    """Give others their turn, so that what could happen has happened."""
    for _ in range(count):
        await asyncio.sleep(0)


def request(path: str = "/", *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    """A request as a client sends it."""
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", *headers]
    if body:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
