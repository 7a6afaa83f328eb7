"""From an accepted socket to a transport, where clients may come with TLS: the first byte tells.

It is looked at and left in the socket (MSG_PEEK), because the loop's own TLS wants the handshake from its beginning.
"""

from __future__ import annotations

import asyncio
import logging
import socket

from logmq.limits import TLS_CLOSE_TIME_MAX_S, TLS_HANDSHAKE_TIME_MAX_S, TLS_HANDSHAKES_MAX
from logmq.protocols.detect import TLS_FIRST_BYTE
from logmq.protocols.peer import principal_of
from logmq.server.tls import Tls

_log = logging.getLogger(__name__)


class Handshakes:
    """Makes transports, with TLS or without. What goes wrong in a handshake ends its own connection and no other."""

    def __init__(
        self,
        tls: Tls,
        *,
        silence_s: float,
        timeout_s: float = TLS_HANDSHAKE_TIME_MAX_S,
        count_max: int = TLS_HANDSHAKES_MAX,
    ) -> None:
        """Who is silent for `silence_s` is dropped (0: never)."""
        self._tls = tls
        self._silence_s = silence_s or None
        self._timeout_s = timeout_s
        self._count_max = count_max
        self._loop = asyncio.get_running_loop()
        self._under_way: dict[asyncio.Task[None], None] = {}
        """The oldest first."""

    def __len__(self) -> int:
        return len(self._under_way)

    async def connect(self, accepted: socket.socket, protocol: asyncio.Protocol) -> None:
        """Give `protocol` its transport, once it is known which. Raises: OSError."""
        first = await peek(self._loop, accepted, self._silence_s)
        if first == TLS_FIRST_BYTE:
            # A task of its own: when it is cancelled to make room, that is an error of this connection like any other.
            await self._shaken(self._loop.create_task(self._shake(accepted, protocol)), accepted)
        else:
            await self._loop.connect_accepted_socket(lambda: protocol, accepted)

    async def _shaken(self, handshake: asyncio.Task[None], accepted: socket.socket) -> None:
        peer = _peer(accepted)
        if len(self._under_way) >= self._count_max:
            oldest = next(iter(self._under_way))
            del self._under_way[oldest]
            oldest.cancel()
        self._under_way[handshake] = None
        try:
            await asyncio.wait([handshake])
        finally:
            self._under_way.pop(handshake, None)
            handshake.cancel()
        if handshake.cancelled():
            error: BaseException | None = ConnectionAbortedError("dropped, since too many others were under way")
        else:
            error = handshake.exception()
        if error is None:
            self._tls.metrics.handshakes += 1
            return
        self._tls.metrics.failures += 1
        _log.info("a TLS handshake failed", extra={"reason": str(error) or "the client ended it", "peer": peer})
        raise error

    async def _shake(self, accepted: socket.socket, protocol: asyncio.Protocol) -> None:
        transport, _ = await self._loop.connect_accepted_socket(
            lambda: protocol,
            accepted,
            ssl=self._tls.context,
            ssl_handshake_timeout=self._timeout_s,
            ssl_shutdown_timeout=TLS_CLOSE_TIME_MAX_S,
        )
        if _log.isEnabledFor(logging.DEBUG):
            peer = str(transport.get_extra_info("peername"))
            cipher, version, _ = transport.get_extra_info("cipher") or ("", "", 0)
            facts = {"peer": peer, "version": version, "cipher": cipher, "principal": principal_of(transport)}
            _log.debug("a client has come with TLS", extra=facts)


async def peek(loop: asyncio.AbstractEventLoop, accepted: socket.socket, timeout_s: float | None) -> bytes:
    """The first byte that comes, which stays in the socket; empty if the client has ended its side without one.

    Raises: OSError; among them TimeoutError, if none comes in time.
    """
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                return accepted.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                await _readable(loop, accepted.fileno())


async def _readable(loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, _finish, readable)
    try:
        await readable
    finally:
        loop.remove_reader(descriptor)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _peer(accepted: socket.socket) -> str:
    try:
        return str(accepted.getpeername())
    except OSError:
        return "gone"
