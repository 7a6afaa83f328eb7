"""The least client there can be: a socket, lines, and a deadline for every wait. It knows nothing of `logmq.client`."""

from __future__ import annotations

import select
import selectors
import socket
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Self

_RECEIVE_SIZE = 1 << 18


class LineClient:
    """One connection. What the broker sends is read only when a test asks for it."""

    def __init__(self, port: int, *, timeout_s: float = 30.0, receive_buffer_size: int | None = None) -> None:
        """Connect. A small `receive_buffer_size` makes the broker feel early that nobody reads."""
        self._socket = socket.socket()
        if receive_buffer_size is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_size)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(("127.0.0.1", port))
        except OSError:
            self._socket.close()
            raise
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._timeout_s = timeout_s
        self._received = b""
        self._position = 0

    # -- sending -----------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def send_some(self, data: bytes | memoryview) -> int:
        """Send as much as there is room for without waiting; returns how much that was."""
        self._socket.setblocking(False)
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        finally:
            self._socket.settimeout(self._timeout_s)

    def await_writable(self, timeout_s: float) -> None:
        """Wait until there is room to send, or the connection is gone, or the time is over."""
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        poll.poll(timeout_s * 1000)

    def end(self) -> None:
        """Close the sending side."""
        self._socket.shutdown(socket.SHUT_WR)

    # -- receiving ---------------------------------------------------------------------------------------------------

    def _more(self) -> bool:
        chunk = self._socket.recv(_RECEIVE_SIZE)
        self._received = self._received[self._position :] + chunk
        self._position = 0
        return bool(chunk)

    def take(self) -> None:
        """Take over what the broker has sent so far, without waiting for more."""
        self._socket.setblocking(False)
        try:
            self._received = self._received[self._position :] + self._socket.recv(_RECEIVE_SIZE)
            self._position = 0
        except BlockingIOError:
            pass
        finally:
            self._socket.settimeout(self._timeout_s)

    def line(self) -> bytes:
        """The next line without its newline. Raises: EOFError when the broker closes, TimeoutError."""
        while (newline := self._received.find(b"\n", self._position)) < 0:
            if not self._more():
                raise EOFError(f"the broker closed the connection after {self._received[self._position :]!r}")
        line = self._received[self._position : newline]
        self._position = newline + 1
        return line

    def lines(self, count: int) -> list[bytes]:
        """The next lines without their newlines."""
        return [self.line() for _ in range(count)]

    def exactly(self, size: int) -> bytes:
        """The next bytes, whatever they are. Raises: EOFError, TimeoutError."""
        while len(self._received) - self._position < size:
            if not self._more():
                raise EOFError
        data = self._received[self._position : self._position + size]
        self._position += size
        return data

    def rest(self) -> bytes:
        """Everything up to the end of the connection, be it orderly or not."""
        parts = [self._received[self._position :]]
        self._received, self._position = b"", 0
        try:
            while chunk := self._socket.recv(_RECEIVE_SIZE):
                parts.append(chunk)
        except ConnectionResetError:
            pass
        return b"".join(parts)

    # -- both --------------------------------------------------------------------------------------------------------

    def ask(self, command: bytes) -> bytes:
        """Send a line and return the next one."""
        self.send(command + b"\n")
        return self.line()

    def produce(self, topic: bytes, payload: bytes) -> int:
        """Append a message; returns its offset. Raises: AssertionError."""
        answer = self.ask(b"PRODUCE %b %b" % (topic, payload))
        assert answer.startswith(b"OK "), answer
        return int(answer[3:])

    def message(self) -> tuple[int, bytes]:
        """The next MESSAGE, whose payload may hold newlines: its offset and payload. Raises: AssertionError."""
        word = self.exactly(len(b"MESSAGE "))
        if word != b"MESSAGE ":
            raise AssertionError(word + self.line())
        offset, size = int(self._word()), int(self._word())
        payload = self.exactly(size)
        assert self.exactly(1) == b"\n"
        return offset, payload

    def _word(self) -> bytes:
        word = b""
        while (byte := self.exactly(1)) != b" ":
            word += byte
        return word

    def exchange(self, chunks: Sequence[bytes], answer_count: int) -> list[bytes]:
        """Send chunks one by one while reading what comes meanwhile; returns that many lines.

        Raises: EOFError when the broker closes before, TimeoutError when nothing moves.
        """
        received = [self._received[self._position :]]
        count = received[0].count(b"\n")
        waiting = [memoryview(chunk) for chunk in reversed(chunks)]
        self._socket.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while count < answer_count:
                ready = selector.select(self._timeout_s)
                if not ready:
                    raise TimeoutError(f"{count} of {answer_count} lines came")
                if ready[0][1] & selectors.EVENT_WRITE:
                    self._send_next(waiting)
                    if not waiting:
                        selector.modify(self._socket, selectors.EVENT_READ)
                if ready[0][1] & selectors.EVENT_READ:
                    chunk = self._socket.recv(_RECEIVE_SIZE)
                    if not chunk:
                        raise EOFError(f"the broker closed the connection after {count} lines")
                    received.append(chunk)
                    count += chunk.count(b"\n")
        self._socket.settimeout(self._timeout_s)
        self._received, self._position = b"".join(received), 0
        return self.lines(answer_count)

    def _send_next(self, waiting: list[memoryview]) -> None:
        sent = self._socket.send(waiting[-1])
        waiting[-1] = waiting[-1][sent:]
        if not waiting[-1]:
            waiting.pop()

    # -- the end -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close in order."""
        self._socket.close()

    def reset(self) -> None:
        """Break the connection off, as a crashed client's machine does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
