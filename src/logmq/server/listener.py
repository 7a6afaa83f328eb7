"""Accepting connections: so many at once and no more, and never spinning when the process runs out of descriptors."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

_log = logging.getLogger(__name__)

_BACKLOG = 1024
_ACCEPTS_A_TURN = 128
_PAUSE_S = 1.0
_OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_REFUSAL = b"ERR TOO_MANY_CONNECTIONS the broker has all the connections it takes (connections_max); try again later\n"

Connect = Callable[[socket.socket, asyncio.Protocol], Awaitable[None]]
"""Gives a protocol its transport. Raises: OSError."""


def bind(host: str, port: int) -> socket.socket:
    """A socket that clients can already connect to; they wait until it is accepted from. Raises: OSError."""
    family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    listening = socket.socket(family, kind, number)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


class Listener:
    """One listening socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
        self._loop = loop
        self._socket = listening
        self._make_protocol: Callable[[], asyncio.Protocol] = asyncio.Protocol
        self._is_full: Callable[[], bool] = bool
        self._on_refused: Callable[[], None] = lambda: None
        self._connect_socket: Connect = self._connect_plain
        self._connecting: set[asyncio.Task[None]] = set()
        self._resume: asyncio.TimerHandle | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; the port that the system chose where none was asked for."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    def start(
        self,
        make_protocol: Callable[[], asyncio.Protocol],
        is_full: Callable[[], bool],
        on_refused: Callable[[], None],
        connect: Connect | None = None,
    ) -> None:
        """Begin to accept; `is_full` says whether there are as many connections as there may be, and `on_refused` is
        called for each one that is turned away because of that. `connect` makes transports where it takes more than
        to make them."""
        self._make_protocol = make_protocol
        self._is_full = is_full
        self._on_refused = on_refused
        self._connect_socket = connect or self._connect_plain
        self._listen()

    def _listen(self) -> None:
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def close(self) -> None:
        """Accept nobody any more, and drop those without a transport yet. Connections that are open stay open."""
        for task in self._connecting:
            task.cancel()
        if self._socket.fileno() < 0:
            return
        if self._resume is not None:
            self._resume.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_A_TURN):
            try:
                accepted, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_DESCRIPTORS:
                    raise
                self._pause(error)
                return
            self._admit(accepted)

    def _pause(self, error: OSError) -> None:
        """The waiting connection would make the socket readable again at once: look away for a moment."""
        _log.error("cannot accept connections for a moment", extra={"reason": error.strerror})
        self._loop.remove_reader(self._socket.fileno())
        self._resume = self._loop.call_later(_PAUSE_S, self._listen)

    def _admit(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        if self._is_full():
            self._on_refused()
            with suppress(OSError):
                accepted.send(_REFUSAL)
            accepted.close()
            return
        with suppress(OSError):  # not on a Unix socket
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Who follows a silent topic may be long gone.
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        protocol = self._make_protocol()  # here already, so that it counts: one turn may accept many
        task = self._loop.create_task(self._connect(accepted, protocol))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, accepted: socket.socket, protocol: asyncio.Protocol) -> None:
        try:
            await self._connect_socket(accepted, protocol)
        except (OSError, asyncio.CancelledError) as error:
            accepted.close()
            protocol.connection_lost(error if isinstance(error, OSError) else None)  # so that it no longer counts

    async def _connect_plain(self, accepted: socket.socket, protocol: asyncio.Protocol) -> None:
        await self._loop.connect_accepted_socket(lambda: protocol, accepted)
