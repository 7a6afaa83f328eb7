"""A connection whose protocol is still being loaded.

What HTTP needs takes some 130 ms to import, in which the event loop would serve nobody. So a thread imports it when the
first HTTP client comes, and that client waits here; those of other protocols notice stops of a few milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast


class Waiting(asyncio.Protocol):
    """Keeps what has come in and reads no more of it. `on_end` is called once, when it goes on or is lost."""

    def __init__(self, on_end: Callable[[Waiting], None]) -> None:
        self._on_end = on_end
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """What was read before the wait began."""
        self._received += data

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._transport = None
        self._on_end(self)

    def go_on(self, protocol: asyncio.Protocol) -> None:
        """Pass everything on to the protocol that was waited for."""
        transport, self._transport = self._transport, None
        self._on_end(self)
        if transport is None or transport.is_closing():
            return
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        transport.resume_reading()
        protocol.data_received(self._received)

    def close(self) -> None:
        """Drop the client: what it waits for will not come."""
        if self._transport is not None:
            self._transport.close()
