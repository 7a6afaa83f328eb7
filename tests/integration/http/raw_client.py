"""The least HTTP client there can be: bytes as a test writes them, answers taken apart without a library's help."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

_RECEIVE_SIZE = 1 << 16
HOST = b"Host: localhost\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> Any:
        """The problem document that it is."""
        assert self.headers["content-type"] == "application/problem+json", self
        document = json.loads(self.body)
        assert (document["status"], document["type"]) == (
            self.status,
            f"urn:logmq:error:{document['code'].lower().replace('_', '-')}",
        )
        return document


class RawClient:
    """One connection."""

    def __init__(self, port: int, *, timeout_s: float = 20.0, receive_buffer_size: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer_size is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_size)
        self.socket.settimeout(timeout_s)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def send(self, data: bytes) -> Self:
        """Send bytes as they are; the broker may have stopped to take them."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)
        return self

    def end(self) -> Self:
        """Send nothing more."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def answer(self, *, to_head: bool = False) -> Answer:
        """The next answer. Raises: EOFError, when the connection ends before it."""
        while b"\r\n\r\n" not in self._received:
            self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
        status = int(line.split()[1])
        size = 0 if to_head or status in {100, 204, 304} else int(headers["content-length"])
        while len(self._received) < size:
            self._more()
        body, self._received = self._received[:size], self._received[size:]
        return Answer(status, headers, body)

    def ask(self, data: bytes) -> Answer:
        """Send bytes; returns the next answer."""
        return self.send(data).answer()

    def get(self, path: str) -> Answer:
        """A sound request."""
        return self.ask(f"GET {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n")

    def is_closed(self) -> bool:
        """Wait for the end of the connection; False if something else comes, or nothing."""
        try:
            self._more()
        except EOFError:
            return not self._received
        except TimeoutError:
            return False
        return False

    def _more(self) -> None:
        try:
            data = self.socket.recv(_RECEIVE_SIZE)
        except ConnectionResetError as error:
            raise EOFError("the connection was reset") from error
        if not data:
            raise EOFError(f"the connection ended behind {self._received[:200]!r}")
        self._received += data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()
