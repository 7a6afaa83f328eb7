"""Produce requests of one record each, as the load generator sends them: prebuilt, the answers counted.

Every answer has the same length, since the topic has; its error code stands at a fixed place:

    size i32 | correlation id i32 | 1 i32 | topic string | 1 i32 | partition i32 | error i16 | ...
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass

from bench.kafka import requests
from logmq.client.load.text import repeated
from logmq.client.load.wire import Exchange, WrongServer, count_error


@dataclass(frozen=True, slots=True)
class KafkaProduce:
    """Append equally long records to partition 0 of a topic that exists, one a request."""

    topic: str
    message_size: int

    @property
    def streams(self) -> bool:
        """False: one answer a request."""
        return False

    def connect(self, client: int, depth: int) -> Exchange:
        """Open one producer."""
        return _Produce(self, depth)


class _Produce:
    opening = requests.api_versions()

    def __init__(self, wire: KafkaProduce, depth: int) -> None:
        request = requests.produce(wire.topic, wire.message_size)
        self._requests = repeated(request, depth)
        self._request_size = len(request)
        self._error_position = 4 + 4 + 4 + 2 + len(wire.topic) + 4 + 4
        self._tail = b""
        self.message_count = 0
        self.errors: Counter[str] = Counter()
        self.sent_range_ns: tuple[int, int] | None = None

    def opened(self, data: bytes) -> bool:
        """The answer to ApiVersions, whole and without an error."""
        if len(data) < 10 or len(data) < 4 + int.from_bytes(data[:4], "big"):
            return False
        (error,) = struct.unpack_from(">h", data, 8)
        if error:
            raise WrongServer(f"it answered ApiVersions with error {error}")
        return True

    def requests(self, count: int, now_ns: int) -> memoryview:
        """A slice of what was built once."""
        return self._requests[: count * self._request_size]

    def receive(self, data: bytes) -> int:
        """Count whole answers."""
        data = self._tail + data
        start = count = 0
        while len(data) - start >= 4:
            end = start + 4 + int.from_bytes(data[start : start + 4], "big")
            if end > len(data):
                break
            (error,) = struct.unpack_from(">h", data, start + self._error_position)
            if error:
                count_error(self.errors, f"error {error}")
            else:
                self.message_count += 1
            start = end
            count += 1
        self._tail = data[start:]
        return count
