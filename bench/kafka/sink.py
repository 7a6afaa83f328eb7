"""A Kafka broker that does nothing: what a client reaches against it is the client's own ceiling.

What is produced is received and forgotten; what is fetched is one batch made beforehand, at whatever offset was asked
for. Topics are named `<word>-<size of a value>` and have one partition. Only what librdkafka asks is answered:

    Produce 3-7   Fetch 4   ListOffsets 1   Metadata 1   ApiVersions 0
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys
import threading
from functools import cache
from pathlib import Path

# Run as a script, Python looks for modules beside the script; they begin at the checkout.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from bench.kafka.batches import BASE_OFFSET_SIZE, batch
from bench.kafka.requests import receive, string

_PRODUCE, _FETCH, _LIST_OFFSETS, _METADATA, _API_VERSIONS = 0, 1, 2, 3, 18
_VERSIONS = ((_PRODUCE, 3, 7), (_FETCH, 4, 4), (_LIST_OFFSETS, 1, 1), (_METADATA, 1, 1), (_API_VERSIONS, 0, 0))
_UNSUPPORTED_VERSION = 35
_HIGH_WATERMARK = 1 << 40
_BATCH_SIZE = 1_000_000
_RECEIVE_SIZE = 1 << 20


@cache
def stored(size: int) -> bytes:
    """The batch that every fetch gets, without its base offset: about 1 MB."""
    return batch(size, max(_BATCH_SIZE // (size + 10), 1))[BASE_OFFSET_SIZE:]


class Connection:
    """One client, served by a thread of its own."""

    def __init__(self, connection: socket.socket, port: int) -> None:
        self._socket = connection
        self._port = port
        self._scratch = memoryview(bytearray(_RECEIVE_SIZE))

    def serve(self) -> None:
        """Answer until the client leaves."""
        try:
            while True:
                self._serve_one()
        except (EOFError, OSError):
            self._socket.close()

    def _serve_one(self) -> None:
        (size,) = struct.unpack(">i", receive(self._socket, 4))
        key, version, correlation_id = struct.unpack(">hhi", receive(self._socket, 8))
        if key == _PRODUCE:
            self._produce(size - 8, correlation_id)
            return
        body = receive(self._socket, size - 8)
        (client_id_size,) = struct.unpack_from(">h", body)
        body = body[2 + max(client_id_size, 0) :]
        if key == _FETCH:
            self._fetch(body, correlation_id)
        elif key == _LIST_OFFSETS:
            topic = _string(body, 8)
            self._answer(correlation_id, _topic(topic), struct.pack(">ihqq", 0, 0, -1, 0))
        elif key == _METADATA:
            self._answer(correlation_id, self._metadata(body))
        else:
            self._answer(correlation_id, _api_versions(_UNSUPPORTED_VERSION if version else 0))

    def _produce(self, size: int, correlation_id: int) -> None:
        (client_id_size,) = struct.unpack(">h", receive(self._socket, 2))
        receive(self._socket, max(client_id_size, 0) + 2 + 2 + 4 + 4)  # no transactional id, acks, timeout, topic count
        (topic_size,) = struct.unpack(">h", receive(self._socket, 2))
        topic = receive(self._socket, topic_size)
        left = size - 2 - max(client_id_size, 0) - 12 - 2 - topic_size
        while left:
            count = self._socket.recv_into(self._scratch, min(left, _RECEIVE_SIZE))
            if not count:
                raise EOFError
            left -= count
        answer = struct.pack(">ihqqq", 0, 0, 0, -1, 0)
        self._answer(correlation_id, _topic(topic), answer, struct.pack(">i", 0))

    def _fetch(self, body: bytes, correlation_id: int) -> None:
        topic = _string(body, 17 + 4)
        _, offset = struct.unpack_from(">iq", body, 17 + 4 + 2 + len(topic) + 4)
        records = stored(_size(topic))
        head = struct.pack(">ihqqi", 0, 0, _HIGH_WATERMARK, _HIGH_WATERMARK, 0)
        size = struct.pack(">i", BASE_OFFSET_SIZE + len(records))
        throttle = struct.pack(">i", 0)
        self._answer(correlation_id, throttle, _topic(topic), head, size, struct.pack(">q", offset), records)

    def _metadata(self, body: bytes) -> bytes:
        (count,) = struct.unpack_from(">i", body)
        topics, position = [], 4
        for _ in range(max(count, 0)):
            topics.append(_string(body, position))
            position += 2 + len(topics[-1])
        answer = struct.pack(">ii", 1, 1) + string(b"127.0.0.1") + struct.pack(">ihi", self._port, -1, 1)
        answer += struct.pack(">i", len(topics))
        partition = struct.pack(">ihiiiiii", 1, 0, 0, 1, 1, 1, 1, 1)
        for topic in topics:
            stored(_size(topic))  # made now, so that the first fetch need not wait for it
            answer += struct.pack(">h", 0) + string(topic) + b"\x00" + partition
        return answer

    def _answer(self, correlation_id: int, *parts: bytes) -> None:
        size = 4 + sum(map(len, parts))
        self._socket.sendall(b"".join((struct.pack(">ii", size, correlation_id), *parts)))


def _size(topic: bytes) -> int:
    return int(topic.rpartition(b"-")[2])


def _string(body: bytes, position: int) -> bytes:
    (size,) = struct.unpack_from(">h", body, position)
    return body[position + 2 : position + 2 + size]


def _topic(topic: bytes) -> bytes:
    """The head of an answer about one partition of one topic."""
    return struct.pack(">i", 1) + string(topic) + struct.pack(">i", 1)


def _api_versions(error: int) -> bytes:
    ranges = b"".join(struct.pack(">hhh", *each) for each in _VERSIONS)
    return struct.pack(">hi", error, len(_VERSIONS)) + ranges


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Connection(connection, port).serve, daemon=True).start()


if __name__ == "__main__":
    main()
