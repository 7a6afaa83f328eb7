"""POSTs of records as the load generator sends them: prebuilt, the answers counted.

POST /topics/bench/records  {"records": [...]}      HTTP/1.1 200 OK ... content-length: n ... {"offsets": [...]}
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass

from logmq.client.load.text import payload, repeated
from logmq.client.load.wire import Exchange, WrongServer, count_error

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HttpProduce:
    """Append equally long records in JSON, so many a request; a request of one is a record alone."""

    topic: str
    message_size: int
    record_count: int = 1

    @property
    def streams(self) -> bool:
        """False: one answer a request."""
        return False

    def connect(self, client: int, depth: int) -> Exchange:
        """Open one producer."""
        return _Produce(self, depth)

    def request(self) -> bytes:
        """One request."""
        record = {"value": payload(self.message_size).decode()}
        body = json.dumps(record if self.record_count == 1 else {"records": [record] * self.record_count}).encode()
        head = f"POST /topics/{self.topic}/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class _Produce:
    opening = b"GET /topics?limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def __init__(self, wire: HttpProduce, depth: int) -> None:
        request = wire.request()
        self._requests = repeated(request, depth)
        self._request_size = len(request)
        self._record_count = wire.record_count
        self._tail = b""
        self.message_count = 0
        self.errors: Counter[str] = Counter()
        self.sent_range_ns: tuple[int, int] | None = None

    def opened(self, data: bytes) -> bool:
        """A whole answer."""
        if data and not b"HTTP/1.1 200".startswith(data[:12]):
            raise WrongServer(f"it answered {data[:60]!r}")
        end = _end(data, 0)
        return end is not None and end <= len(data)

    def requests(self, count: int, now_ns: int) -> memoryview:
        """A slice of what was built once."""
        return self._requests[: count * self._request_size]

    def receive(self, data: bytes) -> int:
        """Count whole answers."""
        data = self._tail + data
        start = count = 0
        while (end := _end(data, start)) is not None and end <= len(data):
            if data.startswith(b"HTTP/1.1 200", start):
                self.message_count += self._record_count
            else:
                count_error(self.errors, data[start:end].partition(b"\r\n\r\n")[2].decode(errors="replace"))
            start = end
            count += 1
        self._tail = data[start:]
        return count


def _end(data: bytes, start: int) -> int | None:
    """Where the answer at `start` ends; None while its head is not whole."""
    head_end = data.find(b"\r\n\r\n", start)
    if head_end < 0:
        return None
    length = _LENGTH.search(data, start, head_end)
    return head_end + 4 + (int(length[1]) if length else 0)
