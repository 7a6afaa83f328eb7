r"""LogMQ's text protocol as the generator speaks it (docs/text-protocol.md).

    PRODUCE bench xxxx\n             OK 104\n
    CONSUME bench 104\n              MESSAGE 104 4 xxxx\n
    CONSUME bench 104 1000\n         MESSAGE ...\n, up to 1,000 of them, END 8104\n
    FOLLOW bench 0\n                 MESSAGE ...\n without end

Answers are counted, not parsed: lines by their newline, good ones by the word they begin with. Only a received
piece in which the two differ is taken apart line by line, to see what was refused. Payloads hold no newline.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache

from logmq.client.load.wire import Exchange, WrongServer, count_error

_ALPHABET = b"abcdefghijklmnopqrstuvwxyz0123456789"
STAMP_SIZE = 20
"""A stamped payload begins with when it was sent: 19 digits of nanoseconds and a space."""


def payload(size: int) -> bytes:
    """`size` bytes of letters and digits, always the same."""
    return (_ALPHABET * (size // len(_ALPHABET) + 1))[:size]


@dataclass(frozen=True, slots=True)
class TextProduce:
    """PRODUCE of equally long messages; with `stamped` each begins with when it was sent."""

    topic: str
    message_size: int
    stamped: bool = False

    @property
    def streams(self) -> bool:
        """False: one answer a request."""
        return False

    def connect(self, client: int, depth: int) -> Exchange:
        """Open one producer."""
        prefix = b"PRODUCE %s " % self.topic.encode()
        if self.stamped:
            return _StampedProduce(prefix, payload(self.message_size - STAMP_SIZE) + b"\n")
        return _Produce(repeated(prefix + payload(self.message_size) + b"\n", depth), depth)


@dataclass(frozen=True, slots=True)
class TextConsume:
    """CONSUME through `[start, end)` of a log of equally long messages, over and over.

    `offset_step` is how far apart two messages' offsets lie. `batch` is how many messages one request asks for;
    0 asks without a count, as the specification has it.
    """

    topic: str
    message_size: int
    start: int
    end: int
    offset_step: int
    batch: int = 0

    @property
    def streams(self) -> bool:
        """False: one answer a request."""
        return False

    def by(self, batch: int) -> TextConsume:
        """The same, so many messages a request."""
        return replace(self, batch=batch)

    def connect(self, client: int, depth: int) -> Exchange:
        """Open one consumer; all of them begin at the start."""
        return _ConsumeMany(self) if self.batch else _ConsumeOne(self)


@dataclass(frozen=True, slots=True)
class TextFollow:
    """FOLLOW from `offset` on (`earliest`, `latest` or a number)."""

    topic: str
    message_size: int
    offset: str = "earliest"
    stamped: bool = False

    @property
    def streams(self) -> bool:
        """True: messages come as they become durable."""
        return True

    def connect(self, client: int, depth: int) -> Exchange:
        """Open one follower."""
        request = f"FOLLOW {self.topic} {self.offset}\n".encode()
        return _StampedFollow(request) if self.stamped else _Follow(request)


@cache
def repeated(request: bytes, count: int) -> memoryview:
    """The same request `count` times, held once for all connections of the process."""
    return memoryview(request * count)


class _Lines:
    """Counts answer lines of one good kind."""

    opening = b"PING\n"
    kind = b"OK "

    def __init__(self) -> None:
        self.message_count = 0
        self.errors: Counter[str] = Counter()
        self.sent_range_ns: tuple[int, int] | None = None
        self._tail = b""
        self._inner_kind = b"\n" + self.kind

    def opened(self, data: bytes) -> bool:
        """A broker that knows no PING answers with an error, which opens the exchange just as well."""
        if not data.endswith(b"\n"):
            return False
        if not data.startswith((b"PONG", b"ERR ")):
            raise WrongServer(f"it answered {data[:80]!r}, which is not LogMQ's text protocol")
        return True

    def receive(self, data: bytes) -> int:
        """Count whole lines; the beginning of an unfinished one is kept."""
        lines = self._whole_lines(data)
        count = lines.count(b"\n")
        good = lines.count(self._inner_kind) + lines.startswith(self.kind)
        if good != count:
            self._count_errors(lines)
        self.message_count += good
        return count

    def _whole_lines(self, data: bytes) -> bytes:
        if self._tail:
            data = self._tail + data
        end = data.rfind(b"\n") + 1
        self._tail = data[end:]
        return data[:end]

    def _count_errors(self, lines: bytes, *others: bytes) -> None:
        for line in lines.splitlines():
            if not line.startswith((self.kind, *others)):
                count_error(self.errors, line.decode("utf-8", "replace"))


class _Produce(_Lines):
    def __init__(self, requests: memoryview, depth: int) -> None:
        super().__init__()
        self._requests = requests
        self._request_size = len(requests) // depth

    def requests(self, count: int, now_ns: int) -> memoryview:
        """A slice of what was built once."""
        return self._requests[: count * self._request_size]


class _StampedProduce(_Lines):
    def __init__(self, prefix: bytes, rest: bytes) -> None:
        super().__init__()
        self._prefix = prefix
        self._rest = rest

    def requests(self, count: int, now_ns: int) -> bytes:
        """All of them with the same stamp, since they are sent together."""
        return (self._prefix + b"%019d " % now_ns + self._rest) * count


class _Consume(_Lines):
    kind = b"MESSAGE "

    def __init__(self, wire: TextConsume) -> None:
        super().__init__()
        self._topic = wire.topic
        self._start = self._next = wire.start
        self._end = wire.end
        self._step = wire.offset_step * max(wire.batch, 1)

    def _take_offsets(self, count: int) -> list[int]:
        """The offsets of the next `count` requests; behind the end it goes on at the start."""
        offsets: list[int] = []
        while len(offsets) < count:
            left = count - len(offsets)
            run = range(self._next, min(self._next + left * self._step, self._end), self._step)
            offsets.extend(run)
            self._next = self._start if run[-1] + self._step >= self._end else run[-1] + self._step
        return offsets


class _ConsumeOne(_Consume):
    def requests(self, count: int, now_ns: int) -> bytes:
        """One line an offset, joined in one go."""
        separator = f"\nCONSUME {self._topic} "
        lines = separator.join(map(str, self._take_offsets(count)))
        return f"{separator[1:]}{lines}\n".encode()


class _ConsumeMany(_Consume):
    def __init__(self, wire: TextConsume) -> None:
        super().__init__(wire)
        self._batch = wire.batch

    def requests(self, count: int, now_ns: int) -> bytes:
        """One line a batch."""
        lines = [f"CONSUME {self._topic} {offset} {self._batch}\n" for offset in self._take_offsets(count)]
        return "".join(lines).encode()

    def receive(self, data: bytes) -> int:
        """Messages are counted as such, an answer is whole with its END (or with an error)."""
        lines = self._whole_lines(data)
        count = lines.count(b"\n")
        messages = lines.count(self._inner_kind) + lines.startswith(self.kind)
        self.message_count += messages
        ends = lines.count(b"\nEND ") + lines.startswith(b"END ")
        if messages + ends != count:
            self._count_errors(lines, b"END ")
        return count - messages


class _Follow(_Lines):
    kind = b"MESSAGE "

    def __init__(self, request: bytes) -> None:
        super().__init__()
        self._request = request

    def requests(self, count: int, now_ns: int) -> bytes:
        """The one request there is."""
        return self._request


class _StampedFollow(_Follow):
    def receive(self, data: bytes) -> int:
        """Count messages and read the stamps of the first and the last one."""
        before = self._tail
        count = super().receive(data)
        self.sent_range_ns = None
        if count:
            lines = before + data
            end = len(lines) - len(self._tail)
            self.sent_range_ns = (_stamp(lines, 0), _stamp(lines, lines.rfind(b"\n", 0, end - 1) + 1))
        return count


def _stamp(lines: bytes, start: int) -> int:
    """The stamp in the message line that starts at `start`; 0 when there is none."""
    head = lines[start : start + 80].split(b" ", 4)
    return int(head[3]) if len(head) > 4 and head[3].isdigit() else 0
