"""One connection of a load: moves bytes between a non-blocking socket, an exchange and a window."""

from __future__ import annotations

import select
import socket
import ssl
from collections import deque
from collections.abc import Callable

from logmq.client.address import Address
from logmq.client.errors import CannotConnect
from logmq.client.load.tls_socket import connect
from logmq.client.load.window import Window
from logmq.client.load.wire import Exchange, WrongServer, count_error
from logmq.client.tls import explain

_OPENING_TIMEOUT_S = 10.0
_RECEIVE_SIZE_ONE = 4096
_RECEIVE_SIZE_MANY = 256 * 1024
"""Receiving allocates this much each time: little where one short answer is expected."""


class Client:
    """A connected client. `watch` is asked to be told when the socket can be written to again, or no more."""

    __slots__ = ("_exchange", "_now_ns", "_receive_size", "_socket", "_unsent", "_watch", "_window", "closed")

    def __init__(
        self,
        address: Address,
        exchange: Exchange,
        depth: int,
        watch: Callable[[int, int], None],
        now_ns: Callable[[], int],
    ) -> None:
        """Connect and open the exchange; returns when the server has answered.

        Raises:
            CannotConnect: nobody listens there, or does not answer in time.
            WrongServer: it speaks something else.
        """
        self._exchange = exchange
        self._watch = watch
        self._now_ns = now_ns
        self._receive_size = _RECEIVE_SIZE_ONE if depth == 1 else _RECEIVE_SIZE_MANY
        self._unsent: deque[memoryview] = deque()
        self._window: Window | None = None
        self.closed = False
        try:
            self._socket = connect(address, _OPENING_TIMEOUT_S)
            try:
                self._open()
            except BaseException:
                self._socket.close()
                raise
        except OSError as error:
            words = explain(error) if isinstance(error, ssl.SSLError) else error.strerror or str(error)
            raise CannotConnect(str(address), words) from error

    def _open(self) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(self._exchange.opening)
        received = b""
        while not self._exchange.opened(received):
            data = self._socket.recv(_RECEIVE_SIZE_ONE)
            if not data:
                raise WrongServer("it closed the connection at once")
            received += data
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    @property
    def message_count(self) -> int:
        """Messages stored or received so far."""
        return self._exchange.message_count

    @property
    def exchange(self) -> Exchange:
        """What was said."""
        return self._exchange

    def begin(self, window: Window, now_ns: int) -> None:
        """Send the first requests."""
        self._window = window
        self.push(now_ns)

    def push(self, now_ns: int) -> None:
        """Send what the window lets through."""
        if not self.closed and self._window is not None:
            count = self._window.take(now_ns)
            if count:
                self._send(self._exchange.requests(count, now_ns))

    def readable(self) -> bool:
        """Take in answers and send what they make room for; False when nothing will ever be awaited again."""
        window = self._window
        assert window is not None
        try:
            data = self._socket.recv(self._receive_size)
        except BlockingIOError:
            return True
        except OSError as error:
            return self._lost(error.strerror or str(error))
        if not data:
            return self._lost("closed by the server")
        answers = self._exchange.receive(data)
        if answers:
            now_ns = self._now_ns()
            window.answered(answers, now_ns)
            count = window.take(now_ns)
            if count:
                self._send(self._exchange.requests(count, now_ns))
            else:
                return not window.finished
        return True

    def writable(self) -> bool:
        """Go on sending; returns as `readable`."""
        while self._unsent:
            piece = self._unsent[0]
            try:
                sent = self._socket.send(piece)
            except BlockingIOError:
                return True
            except OSError as error:
                return self._lost(error.strerror or str(error))
            if sent < len(piece):
                self._unsent[0] = piece[sent:]
                return True
            self._unsent.popleft()
        self._watch(self.fileno(), select.EPOLLIN)
        return True

    def _send(self, data: bytes | memoryview) -> None:
        if self._unsent:
            self._unsent.append(memoryview(data))
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the next read says what happened
        if sent < len(data):
            self._unsent.append(memoryview(data)[sent:])
            self._watch(self.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _lost(self, reason: str) -> bool:
        if self._window is None or not self._window.finished:
            count_error(self._exchange.errors, f"connection lost: {reason}")
        self.close()
        return False

    def stop(self) -> bool:
        """Ask nothing more; whether answers are still awaited."""
        if self._window is None:
            return False
        self._window.stop()
        return not self.closed and not self._window.finished

    @property
    def unanswered(self) -> int:
        """Requests without an answer."""
        return 0 if self._window is None else self._window.unanswered

    def close(self) -> None:
        """Close the connection."""
        if not self.closed:
            self.closed = True
            self._unsent.clear()
            self._socket.close()
