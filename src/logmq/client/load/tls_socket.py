"""A socket with TLS that behaves like one without: what cannot go on at once raises BlockingIOError.

TLS comes in records of 16 KiB, and what was received but not taken is not seen by epoll. So each call goes on until
the socket beneath has no more, or no more room.
"""

from __future__ import annotations

import socket
import ssl

from logmq.client.address import Address


def connect(address: Address, timeout_s: float) -> socket.socket | TlsSocket:
    """A connected socket, blocking for up to `timeout_s` at a time. Raises: OSError."""
    plain = socket.create_connection((address.host, address.port), timeout=timeout_s)
    if address.tls is None:
        return plain
    try:
        return TlsSocket(address.tls.context().wrap_socket(plain, server_hostname=address.host))
    except BaseException:
        plain.close()
        raise


class TlsSocket:
    """The few calls of a socket that a load needs."""

    def __init__(self, beneath: ssl.SSLSocket) -> None:
        self._socket = beneath
        self.fileno = beneath.fileno
        self.close = beneath.close
        self.setsockopt = beneath.setsockopt
        self.setblocking = beneath.setblocking
        self.sendall = beneath.sendall

    def recv(self, size: int) -> bytes:
        """What is there; at most `size` bytes and what one record holds beyond. Raises: BlockingIOError, OSError."""
        try:
            data = self._socket.recv(size)
        except ssl.SSLWantReadError:
            raise BlockingIOError from None
        if not data or self._socket.gettimeout() != 0:
            return data
        pieces, received = [data], len(data)
        while received < size or self._socket.pending():
            try:
                piece = self._socket.recv(size)
            except ssl.SSLWantReadError:
                break
            if not piece:
                break  # the end is seen again by the next call
            pieces.append(piece)
            received += len(piece)
        return b"".join(pieces)

    def send(self, data: bytes | memoryview) -> int:
        """Send as much as there is room for; returns how many bytes. Raises: BlockingIOError, OSError."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._socket.send(rest) :]
        except ssl.SSLWantWriteError:
            if len(rest) == len(data):
                raise BlockingIOError from None
        return len(data) - len(rest)
