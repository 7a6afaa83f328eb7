"""A connection's transport, for answers that go on without end and to many clients at once.

An ASGI message costs some 30 us a client and event: a task is woken, a dictionary made, the bytes framed and copied.
Those who write the same to hundreds of clients frame it once and hand the same bytes to each transport, which costs
little more than the system call. Connections offer their outlet as an extension of the ASGI scope; head and end of the
answer go the usual way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

EXTENSION = "logmq.outlet"


class Outlet:
    """The transport of one connection."""

    __slots__ = ("_transport", "_wait_until_writable")

    def __init__(self, transport: asyncio.Transport, wait_until_writable: Callable[[], Awaitable[Any]]) -> None:
        """`wait_until_writable` returns when little waits to be sent, or the connection is lost."""
        self._transport = transport
        self._wait_until_writable = wait_until_writable

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the client has not taken yet."""
        return self._transport.get_write_buffer_size()

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._transport.is_closing()

    @property
    def client(self) -> str:
        """Whom it leads to."""
        peer = self._transport.get_extra_info("peername")
        return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) and len(peer) >= 2 else "unknown"

    def write(self, data: bytes) -> None:
        """Send bytes that are framed already, as soon as the client takes them. Never waits."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drained(self, timeout_s: float) -> bool:
        """Wait until little waits to be sent; False if the client took too little in that time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wait_until_writable()
        except TimeoutError:
            return False
        return True

    def abort(self) -> None:
        """Drop the connection, and what waits."""
        self._transport.abort()


def outlet_of(scope: MutableMapping[str, Any]) -> Outlet:
    """The outlet of the connection that a request or WebSocket came by."""
    return cast(Outlet, scope["extensions"][EXTENSION])
