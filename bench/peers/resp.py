r"""Redis streams as the generator speaks them (RESP 2).

    *5\r\n$4\r\nXADD\r\n$5\r\nbench\r\n$1\r\n*\r\n$1\r\nv\r\n$100\r\n....\r\n        $15\r\n1690000000000-0\r\n
    XREAD COUNT 1000 STREAMS bench <last id>                                       an array of entries

An acknowledgement is two lines, the first one begins with `$`; an error is one line that begins with `-`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from logmq.client.load.text import payload, repeated
from logmq.client.load.wire import Exchange, WrongServer, count_error

_FIELD = b"\r\n*2\r\n$1\r\nv\r\n$"
_ID_SIZE_MAX = 64


def command(*words: bytes) -> bytes:
    """A command as RESP has it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


@dataclass(frozen=True, slots=True)
class RedisAdd:
    """XADD of equally long values."""

    key: str
    message_size: int

    @property
    def streams(self) -> bool:
        """False: one answer a request."""
        return False

    def connect(self, client: int, depth: int) -> Exchange:
        """Open one producer."""
        request = command(b"XADD", self.key.encode(), b"*", b"v", payload(self.message_size))
        return _Add(request, depth)


@dataclass(frozen=True, slots=True)
class RedisRead:
    """XREAD through a stream, `batch` entries a request, over and over; one request at a time."""

    key: str
    message_size: int
    batch: int

    @property
    def streams(self) -> bool:
        """False: one answer a request."""
        return False

    def connect(self, client: int, depth: int) -> Exchange:
        """Open one reader. Which id comes next is in the answer, so the depth can only be 1."""
        assert depth == 1
        return _Read(self)


class _Talk:
    opening = b"PING\r\n"

    def __init__(self) -> None:
        self.message_count = 0
        self.errors: Counter[str] = Counter()
        self.sent_range_ns: tuple[int, int] | None = None
        self._tail = b""

    def opened(self, data: bytes) -> bool:
        """PONG."""
        if not data.endswith(b"\n"):
            return False
        if data != b"+PONG\r\n":
            raise WrongServer(f"it answered {data[:80]!r}")
        return True


class _Add(_Talk):
    def __init__(self, request: bytes, depth: int) -> None:
        super().__init__()
        self._requests = repeated(request, depth)
        self._request_size = len(request)

    def requests(self, count: int, now_ns: int) -> memoryview:
        """A slice of what was built once."""
        return self._requests[: count * self._request_size]

    def receive(self, data: bytes) -> int:
        """Count pairs of lines; they may be cut anywhere."""
        data = self._tail + data
        end = data.rfind(b"\n") + 1
        last_line = data.rfind(b"\n", 0, max(end - 1, 0)) + 1
        if data.startswith(b"$", last_line):  # the first line of a pair without its second
            end = last_line
        self._tail = data[end:]
        lines = data[:end]
        good = lines.count(b"$")
        self.message_count += good
        return good + (self._count_errors(lines) if lines.startswith(b"-") or b"\n-" in lines else 0)

    def _count_errors(self, lines: bytes) -> int:
        errors = [line for line in lines.splitlines() if line.startswith(b"-")]
        for line in errors:
            count_error(self.errors, line.decode("utf-8", "replace"))
        return len(errors)


class _Read(_Talk):
    def __init__(self, wire: RedisRead) -> None:
        super().__init__()
        self._head = [b"XREAD", b"COUNT", b"%d" % wire.batch, b"STREAMS", wire.key.encode()]
        self._key = wire.key.encode()
        self._entry_end = len(b"%d\r\n" % wire.message_size) + wire.message_size + 2
        self._last_id = b"0"

    def requests(self, count: int, now_ns: int) -> bytes:
        """From the last id on."""
        return command(*self._head, self._last_id)

    def receive(self, data: bytes) -> int:
        """An answer is whole when it has as many entries as its head says; the empty one begins anew."""
        data = self._tail = self._tail + data
        if data.startswith((b"*-1\r\n", b"-")):
            if data.startswith(b"-"):
                count_error(self.errors, data.decode("utf-8", "replace").strip())
            self._last_id, self._tail = b"0", b""
            return 1
        head = data.split(b"\r\n", 5)
        if len(head) < 6:
            return 0
        expected = int(head[4][1:])
        last = data.rfind(_FIELD)
        if last < 0 or len(data) - last - len(_FIELD) < self._entry_end or data.count(_FIELD) < expected:
            return 0
        self._last_id = data[max(last - _ID_SIZE_MAX, 0) : last].rpartition(b"\n")[2]
        self.message_count += expected
        self._tail = b""
        return 1
