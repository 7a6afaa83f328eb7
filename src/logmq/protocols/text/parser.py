"""From received bytes to requests, wherever the chunks are cut. No I/O, no clock.

    parser.feed(chunk)
    while (request := parser.next_request()) is not None: ...

Requests are taken one by one from the chunk, not all at once: what a client sends faster than it is answered stays the
bytes that it is, instead of becoming ten times as many bytes of objects. Memory is bounded by the chunk, and by the
longest line or message that is allowed while it is unfinished. What is too long is refused as soon as that is known,
and the rest of it is skipped without being stored.

    LINES --"WRITE t 5"--> BODY --5 bytes and a newline--> LINES
      |                      `--no newline---.
      `--line too long-----------------> SKIP_LINE --newline--> LINES
      `--WRITE refused--> SKIP_BODY --all bytes--^
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from logmq.errors import LogMQError, MessageTooLarge
from logmq.limits import COMMAND_LINE_SIZE_MAX
from logmq.model import TopicPartition
from logmq.protocols.text.arguments import parse_partition
from logmq.protocols.text.commands import Announced, parse_line
from logmq.protocols.text.errors import LineTooLong, MessageLineTooLong, MissingNewline, UnfinishedLine
from logmq.protocols.text.requests import Blank, Invalid, Produce, Request
from logmq.protocols.text.runs import REACH_MIN, take_consumes, take_produces


class _Mode(Enum):
    LINES = "lines"
    BODY = "body"
    SKIP_BODY = "skip body"
    SKIP_LINE = "skip line"


_LINES = _Mode.LINES
_BLANK = Blank()


class Parser:
    """One connection's parser.

    `message_size_max` says how many bytes a message of a topic may have; it is asked only when a line or message is
    long, so that a topic's own limit may be above or below what is usual.
    """

    __slots__ = (
        "_begun_count", "_data", "_last", "_left", "_message_size_max", "_mode", "_pending", "_position", "_reach",
        "_single_until", "_target",
    )  # fmt: skip

    def __init__(self, message_size_max: Callable[[str], int]) -> None:
        self._message_size_max = message_size_max
        self._mode = _LINES
        self._data = b""
        """What was received and not yet taken apart, from `_position` on; `_last` is its last newline."""
        self._position = 0
        self._last = -1
        self._pending: bytearray | None = None
        """The beginning of an unfinished line or body; there is no `_data` as long as there is this."""
        self._begun_count = 0
        self._target: TopicPartition | None = None
        """Where the body goes that is being received."""
        self._left = 0
        """Its size; of a refused body, the bytes that are still to come."""
        self._reach = REACH_MIN
        self._single_until = 0
        """Up to here CONSUME lines are taken one by one, because not all of their run were plain."""

    @property
    def has_input(self) -> bool:
        """Whether `next_request` would find something that it has not looked at yet."""
        return self._position < len(self._data)

    @property
    def is_busy(self) -> bool:
        """Whether what comes next belongs to something that has begun, instead of beginning a line."""
        return self._pending is not None or self._mode is not _LINES

    @property
    def awaits_body(self) -> bool:
        """Whether a WRITE line has come but not all of its bytes."""
        return self._mode is _Mode.BODY

    @property
    def pending_size(self) -> int:
        """Bytes kept of a line or body that is unfinished."""
        return 0 if self._pending is None else len(self._pending)

    @property
    def begun_count(self) -> int:
        """Goes up with each line or body that begins and is not finished in the same chunk."""
        return self._begun_count

    def feed(self, chunk: bytes) -> None:
        """Take over received bytes."""
        if self._pending is not None:
            if not self._is_finished_by(chunk):
                self._pending += chunk
                return
            chunk = b"".join((self._pending, chunk))
            self._pending = None
        elif self._position < len(self._data):
            chunk = self._data[self._position :] + chunk
        self._data = chunk
        self._position = self._single_until = 0
        self._last = chunk.rfind(b"\n")

    def next_request(self) -> Request | None:
        """The next request; None until there is a whole one."""
        while self._position < len(self._data):
            request = self._next_line() if self._mode is _LINES else self._next_of_body()
            if request is not None:
                return request
        if self._pending is not None and len(self._pending) > COMMAND_LINE_SIZE_MAX and self._mode is _LINES:
            return self._refuse_pending(len(self._pending))
        return None

    def end(self) -> Request | None:
        """The client has closed its side: an error if that was in the middle of something."""
        unfinished = self._pending is not None or self._mode is _Mode.BODY
        self._pending = None
        return Invalid(UnfinishedLine()) if unfinished else None

    # -- lines -------------------------------------------------------------------------------------------------------

    def _next_line(self) -> Request | None:
        data, position, last = self._data, self._position, self._last
        if position > last:
            self._set_aside()
            return None
        request: Request | None
        first = data[position]
        if first in b"Pp" and data[position + 1] in b"Rr":
            request, self._position, self._reach = take_produces(data, position, last, self._reach, self._line_size_max)
            if request is not None:
                return request
        elif first in b"Cc" and position >= self._single_until:
            request, end, self._reach = take_consumes(data, position, last, self._reach)
            if request is not None:
                self._position = end
                return request
            self._single_until = end
        return self._single_line(data.find(b"\n", self._position))

    def _single_line(self, newline: int) -> Request | None:
        """The line that ends at `newline`, by the grammar; None after a WRITE that was in order."""
        start = self._position
        self._position = newline + 1
        if newline - start > COMMAND_LINE_SIZE_MAX:
            error = self._too_long(self._data[start : start + COMMAND_LINE_SIZE_MAX], newline - start)
            if error is not None:
                return Invalid(error)
        line = self._data[start:newline].removesuffix(b"\r")
        if not line or line.isspace():
            return _BLANK
        try:
            parsed = parse_line(line)
        except LogMQError as error:
            return Invalid(error.with_traceback(None))  # which would keep the chunk alive
        return self._begin_body(parsed) if isinstance(parsed, Announced) else parsed

    def _set_aside(self) -> None:
        """Keep what is unfinished until more comes."""
        self._pending = bytearray(memoryview(self._data)[self._position :])
        self._begun_count += 1
        self._data = b""
        self._position = 0
        self._last = -1

    def _is_finished_by(self, chunk: bytes) -> bool:
        if self._mode is _Mode.BODY:
            return self.pending_size + len(chunk) > self._left
        return b"\n" in chunk

    def _refuse_pending(self, size: int) -> Request | None:
        assert self._pending is not None
        error = self._too_long(bytes(self._pending[:COMMAND_LINE_SIZE_MAX]), size)
        if error is None:
            return None
        self._pending = None
        self._mode = _Mode.SKIP_LINE
        return Invalid(error)

    def _too_long(self, head: bytes, size: int) -> LogMQError | None:
        """What is wrong with a line of more than COMMAND_LINE_SIZE_MAX bytes, by its beginning and its size so far."""
        word, _, rest = head.partition(b" ")
        if word.upper() != b"PRODUCE":
            return LineTooLong(COMMAND_LINE_SIZE_MAX)
        try:
            partition = parse_partition(rest.partition(b" ")[0])
        except LogMQError as error:
            return error.with_traceback(None)
        if size > self._line_size_max(partition):
            return MessageLineTooLong(self._message_size_max(partition.topic))
        return None

    def _line_size_max(self, partition: TopicPartition) -> int:
        return COMMAND_LINE_SIZE_MAX + self._message_size_max(partition.topic)

    # -- bodies ------------------------------------------------------------------------------------------------------

    def _begin_body(self, announced: Announced) -> Request | None:
        error, self._left = announced.target, announced.length
        if isinstance(error, TopicPartition):
            limit = self._message_size_max(error.topic)
            if announced.length <= limit:
                self._target = error
                self._mode = _Mode.BODY
                self._begun_count += 1
                return None
            error = MessageTooLarge(announced.length, limit)
        self._mode = _Mode.SKIP_BODY
        return Invalid(error)

    def _next_of_body(self) -> Request | None:
        if self._mode is _Mode.BODY:
            return self._take_body()
        if self._mode is _Mode.SKIP_BODY:
            skipped = min(self._left, len(self._data) - self._position)
            self._left -= skipped
            self._position += skipped
            if self._left == 0:
                self._mode = _Mode.SKIP_LINE
        else:
            self._skip_line()
        return None

    def _skip_line(self) -> None:
        newline = self._data.find(b"\n", self._position)
        if newline < 0:
            self._position = len(self._data)
        else:
            self._position = newline + 1
            self._mode = _LINES

    def _take_body(self) -> Request | None:
        start, end = self._position, self._position + self._left
        behind = self._data[end : end + 2]
        if behind in {b"", b"\r"}:
            self._set_aside()
            return None
        if behind[:1] != b"\n" and behind != b"\r\n":
            self._position = end
            self._mode = _Mode.SKIP_LINE
            return Invalid(MissingNewline(self._left))
        assert self._target is not None
        self._position = self._data.index(b"\n", end) + 1
        self._mode = _LINES
        return Produce([self._target], [[self._data[start:end]]], None, self._position - start)
