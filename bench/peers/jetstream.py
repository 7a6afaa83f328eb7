r"""NATS JetStream as the generator speaks it.

    PUB bench _INBOX.load7 100\r\n....\r\n        MSG _INBOX.load7 1 28\r\n{"stream":"bench","seq":12}\r\n

Each client has an inbox of its own, to which acknowledgements come. A refusal is such a message with an "error" in it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from logmq.client.load.text import payload, repeated
from logmq.client.load.wire import Exchange, WrongServer, count_error

CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"lang":"bench","version":"1","protocol":1}\r\n'


@dataclass(frozen=True, slots=True)
class JetStreamPublish:
    """Publish equally long messages to a stream's subject."""

    subject: str
    message_size: int

    @property
    def streams(self) -> bool:
        """False: one answer a request."""
        return False

    def connect(self, client: int, depth: int) -> Exchange:
        """Open one publisher."""
        return _Publish(self, client, depth)


class _Publish:
    def __init__(self, wire: JetStreamPublish, client: int, depth: int) -> None:
        inbox = b"_INBOX.load%d" % client
        self.opening = CONNECT + b"SUB %s 1\r\nPING\r\n" % inbox
        self.message_count = 0
        self.errors: Counter[str] = Counter()
        self.sent_range_ns: tuple[int, int] | None = None
        body = payload(wire.message_size)
        request = b"PUB %s %s %d\r\n%s\r\n" % (wire.subject.encode(), inbox, len(body), body)
        self._requests = repeated(request, depth)
        self._request_size = len(request)
        self._tail = b""

    def opened(self, data: bytes) -> bool:
        """INFO comes first, PONG when the subscription is there."""
        if b"-ERR" in data:
            raise WrongServer(f"it answered {data[-80:]!r}")
        return b"PONG\r\n" in data

    def requests(self, count: int, now_ns: int) -> memoryview:
        """A slice of what was built once."""
        return self._requests[: count * self._request_size]

    def receive(self, data: bytes) -> int:
        """Count the JSON lines."""
        data = self._tail + data
        end = data.rfind(b"\n") + 1
        self._tail = data[end:]
        lines = data[:end]
        count = lines.count(b"\n{") + lines.startswith(b"{")
        refused = lines.count(b'{"error"')
        if refused or b"-ERR" in lines:
            self._count_errors(lines)
        self.message_count += count - refused
        return count

    def _count_errors(self, lines: bytes) -> None:
        for line in lines.splitlines():
            if line.startswith((b'{"error"', b"-ERR")):
                count_error(self.errors, line.decode("utf-8", "replace"))
