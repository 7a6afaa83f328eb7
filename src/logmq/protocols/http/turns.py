"""A connection's transport, as its parts see it: reading can be held up, and each answer has its turn to write.

    application --> uvicorn's cycle --> Turn --> transport

How an answer ends the connection is the connection's business, which the turn only tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Flow(FlowControl):
    """Flow control that can be told not to read whoever asks for it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._held = False

    def hold(self) -> None:
        """Read nothing until `release`."""
        self._held = True
        if not self._transport.is_closing():
            self.pause_reading()

    def release(self) -> None:
        """Read again."""
        self._held = False
        self.resume_reading()

    def resume_reading(self) -> None:
        """See uvicorn."""
        if not self._held:
            super().resume_reading()


class Turn:
    """The transport as an answer sees it.

    Head and body go out by one system call where the whole body follows at once: that is a tenth of what a small
    request costs, and wakes the client once.
    """

    __slots__ = ("_end", "_expects_body", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport, end: Callable[[], None]) -> None:
        self._transport = transport
        self._end = end
        self._expects_body = False
        self._head = b""

    def expect_body(self, start: Any) -> None:
        """This is the message that begins the answer: if it knows the length, the body is at hand."""
        self._expects_body = any(name == b"content-length" for name, _ in start["headers"])

    def write(self, data: bytes) -> None:
        """Write a part of the answer, or keep it until the next one."""
        if self._expects_body:
            self._expects_body = False
            self._head = data
            return
        if self._head:
            data, self._head = self._head + data, b""
        self._transport.write(data)

    def is_closing(self) -> bool:
        """Whether nothing more can be written."""
        return self._transport.is_closing()

    def close(self) -> None:
        """The answer ends the connection."""
        self._end()


async def answer(app: Any, cycle: RequestResponseCycle, scope: Any, receive: Any, send: Callable[[Any], Any]) -> None:
    """Run the application on a request whose cycle has a `Turn`.

    An answer that does not wait for the rest of its request ends the connection: a client that did not send the rest,
    because the answer told it so, would not agree with us where its next request begins.
    """
    turn = cast(Turn, cycle.transport)

    async def send_announcing(message: Any) -> None:
        if cycle.more_body and not cycle.response_started:
            cycle.keep_alive = False
        if message["type"] == "http.response.start" and scope["method"] != "HEAD":
            turn.expect_body(message)
        await send(message)

    await app(scope, receive, send_announcing)
