"""The few requests that the measurements build by hand, the oldest versions that say what is asked.

    size i32 | api key i16 | version i16 | correlation id i32 | client id string | body         a request
    size i32 | correlation id i32 | body                                                        its answer

Source: https://kafka.apache.org/protocol.html
"""

from __future__ import annotations

import socket
import struct

from bench.kafka.batches import batch
from logmq.client.address import Address

_CLIENT_ID = b"bench"
_TIMEOUT_S = 30.0
_ACKS_ALL = -1
_PRODUCE, _METADATA, _API_VERSIONS = 0, 3, 18


def string(value: bytes) -> bytes:
    """A string with its length."""
    return struct.pack(">h", len(value)) + value


def request(key: int, version: int, body: bytes) -> bytes:
    """A whole request with its size; the correlation id is 1."""
    head = struct.pack(">hhi", key, version, 1) + string(_CLIENT_ID)
    return struct.pack(">i", len(head) + len(body)) + head + body


def api_versions() -> bytes:
    """ApiVersions 0."""
    return request(_API_VERSIONS, 0, b"")


def metadata(topic: str) -> bytes:
    """Metadata 1 of one topic."""
    return request(_METADATA, 1, struct.pack(">i", 1) + string(topic.encode()))


def produce(topic: str, size: int) -> bytes:
    """Produce 7, acks=all: one record of `size` bytes into partition 0."""
    records = batch(size, 1)
    body = struct.pack(">hhi", -1, _ACKS_ALL, 10_000)
    body += struct.pack(">i", 1) + string(topic.encode())
    body += struct.pack(">iii", 1, 0, len(records)) + records
    return request(_PRODUCE, 7, body)


def ask(address: Address, asked: bytes) -> bytes:
    """Send one request on a connection of its own; the answer's body. Raises: OSError, EOFError."""
    with socket.create_connection((address.host, address.port), _TIMEOUT_S) as connection:
        return ask_on(connection, asked)


def ask_on(connection: socket.socket, asked: bytes) -> bytes:
    """Send one request on an open connection; the answer's body. Raises: OSError, EOFError."""
    connection.sendall(asked)
    (size,) = struct.unpack(">i", receive(connection, 4))
    return receive(connection, size)[4:]


def receive(connection: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes. Raises: EOFError if the other side closes before."""
    received = bytearray()
    while len(received) < size:
        data = connection.recv(size - len(received))
        if not data:
            raise EOFError("the broker closed the connection")
        received += data
    return bytes(received)
