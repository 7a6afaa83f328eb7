r"""Answers of the text protocol: bytes in, values out, no I/O.

    OK 42\n                          PRODUCE, WRITE
    OK\n                             CREATE, ALTER, DROP, COMMIT, FORGET
    MESSAGE 42 5 he\no!\n            CONSUME, FOLLOW: the payload by its length, it may hold newlines
    EOF\n                            CONSUME at or beyond the end
    TOPIC, SETTING, PARTITION        the lines of TOPICS and DESCRIBE
    GROUP, OFFSET t/0 5 7 2          the lines of GROUPS and GROUP
    MEMBER 10.0.0.7 app id, READS t/0
    END 47\n                         what ends an answer of many lines
    OFFSET 42\n, NONE\n              COMMITTED
    PONG\n                           PING
    ERR UNKNOWN_TOPIC why\n          in place of any of them

Lines of TOPIC, SETTING, PARTITION and OFFSET with a partition may grow more words at their end; those are passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from logmq.client.errors import ProtocolViolation
from logmq.limits import GIB

LINE_SIZE_MAX = 64 * 1024
"""No line but a MESSAGE is nearly as long; more without a newline means that no broker is speaking."""

MESSAGE_SIZE_MAX = GIB
"""The most that a broker can be set to take; a larger length is not a broker's."""

_MESSAGE_HEAD_SIZE_MAX = 64
"""`MESSAGE `, two numbers of at most 20 digits and their spaces."""

_NEWLINE = 0x0A


class Message(NamedTuple):
    """A message and the offset at which it is stored."""

    offset: int
    payload: bytes

    @property
    def next_offset(self) -> int:
        """Where to read on and what to commit: reading means the first message at or after an offset."""
        return self.offset + 1


class Ok(NamedTuple):
    """Done; for a message stored, where."""

    offset: int | None


class End(NamedTuple):
    """The end of an answer of many lines: the next offset, or the number of things listed."""

    number: int


class Failure(NamedTuple):
    """`ERR`: refused, and why."""

    code: str
    reason: str


class CommittedOffset(NamedTuple):
    """How far a group has read, None if it never said."""

    offset: int | None


class EndOfLog(NamedTuple):
    """Nothing is stored at or after the offset yet."""


class Pong(NamedTuple):
    """The broker is alive."""


class Goodbye(NamedTuple):
    """The broker closes the connection."""


@dataclass(frozen=True, slots=True)
class TopicSummary:
    """One line of TOPICS."""

    name: str
    partition_count: int
    format: str


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A setting that holds for a topic; `origin` is `topic` if it was set for it, `default` if not."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class PartitionSummary:
    """A partition: offsets `[log_start_offset, high_watermark)` can be read; what it takes on disk."""

    index: int
    log_start_offset: int
    high_watermark: int
    size_bytes: int
    segment_count: int


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """One line of GROUPS; `state` is Kafka's word."""

    name: str
    state: str
    member_count: int


@dataclass(frozen=True, slots=True)
class MemberLine:
    """A member of a group; `ReadsLine`s of its partitions follow. A space in its client id comes as an underscore."""

    member_id: str
    client_id: str
    host: str


@dataclass(frozen=True, slots=True)
class ReadsLine:
    """A partition that the member of the last `MemberLine` reads."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class GroupOffset:
    """How far a group has read in a partition, and how much there is behind that: bytes or, in `batch`, messages."""

    topic: str
    partition: int
    offset: int
    high_watermark: int
    lag: int


Reply = (
    Message
    | Ok
    | End
    | Failure
    | CommittedOffset
    | EndOfLog
    | Pong
    | Goodbye
    | TopicSummary
    | SettingValue
    | PartitionSummary
    | GroupSummary
    | MemberLine
    | ReadsLine
    | GroupOffset
)


class ReplyParser:
    """Cuts the bytes of a connection into replies, wherever the network cut them.

    Bytes wait until the message they belong to is complete, so a large one is put together once, not once a chunk.
    """

    __slots__ = ("_pieces", "_size", "_wanted")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._wanted = 1

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are complete with `data`, in order.

        Raises:
            ProtocolViolation: the bytes are not those of a broker; the parser is of no use after that.
        """
        self._pieces.append(data)
        self._size += len(data)
        if self._size < self._wanted:
            return []
        whole = data if len(self._pieces) == 1 else b"".join(self._pieces)
        replies, position, wanted = _parse(whole)
        self._pieces = [whole[position:]] if position < len(whole) else []
        self._size = len(whole) - position
        self._wanted = wanted
        return replies


def _parse(data: bytes) -> tuple[list[Reply], int, int]:
    """Returns the replies, the position behind them, and how many bytes from there on the next one needs."""
    replies: list[Reply] = []
    position, end = 0, len(data)
    runs = True
    while position < end:
        if data.startswith(b"MESSAGE ", position):
            position, wanted = _messages(data, position, replies)
            if wanted:
                return replies, position, wanted
            continue
        if runs and data.startswith(b"OK ", position):
            run_end = data.rfind(b"\n", position)
            runs = _ok_run(data, position, run_end, replies)
            if runs:
                position = run_end + 1
                continue
        newline = data.find(b"\n", position)
        if newline < 0:
            _check_line_size(end - position)
            return replies, position, end - position + 1
        replies.append(_line(data[position:newline]))
        position = newline + 1
    return replies, position, 1


def _messages(data: bytes, position: int, replies: list[Reply]) -> tuple[int, int]:
    """Parse the run of MESSAGE answers at `position`; returns where it ends, and the bytes wanted there or 0."""
    append, find, end = replies.append, data.find, len(data)
    while data.startswith(b"MESSAGE ", position):
        first = find(b" ", position + 8)
        second = find(b" ", first + 1) if first >= 0 else -1
        if second < 0 or second - position > _MESSAGE_HEAD_SIZE_MAX:
            if end - position > _MESSAGE_HEAD_SIZE_MAX:
                raise _violation(data[position : position + 80])
            return position, end - position + 1
        try:
            offset, size = int(data[position + 8 : first]), int(data[first + 1 : second])
        except ValueError:
            raise _violation(data[position : position + 80]) from None
        newline = second + 1 + size
        if not 0 <= size <= MESSAGE_SIZE_MAX or (newline < end and data[newline] != _NEWLINE):
            raise _violation(data[position : position + 80])
        if newline >= end:
            return position, newline + 1 - position
        append(Message(offset, data[second + 1 : newline]))
        position = newline + 1
    return position, 0


def _ok_run(data: bytes, position: int, run_end: int, replies: list[Reply]) -> bool:
    """Take the lines up to `run_end` for one run of `OK <offset>`, which is quick; False if they are not."""
    if run_end < 0:
        return False
    try:
        offsets = list(map(int, data[position + 3 : run_end].split(b"\nOK ")))
    except ValueError:
        return False
    replies.extend(map(Ok, offsets))
    return True


def _line(line: bytes) -> Reply:
    _check_line_size(len(line))
    words = line.decode(errors="replace").rstrip("\r").split(" ")
    try:
        return _LINES[words[0]](words)
    except (KeyError, ValueError, IndexError, TypeError):
        raise _violation(line) from None


def _ok(words: list[str]) -> Reply:
    return Ok(int(words[1]) if len(words) > 1 else None)


def _offset(words: list[str]) -> Reply:
    if len(words) == 2:
        return CommittedOffset(int(words[1]))
    topic, _, partition = words[1].partition("/")
    return GroupOffset(topic, int(partition), *map(int, words[2:5]))


def _reads(words: list[str]) -> Reply:
    topic, _, partition = words[1].partition("/")
    return ReadsLine(topic, int(partition))


_LINES: dict[str, Callable[[list[str]], Reply]] = {
    "OK": _ok,
    "ERR": lambda words: Failure(words[1], " ".join(words[2:])),
    "EOF": lambda words: EndOfLog(),
    "END": lambda words: End(int(words[1])),
    "TOPIC": lambda words: TopicSummary(words[1], int(words[2]), words[3]),
    "SETTING": lambda words: SettingValue(words[1], words[2], words[3]),
    "PARTITION": lambda words: PartitionSummary(*map(int, words[1:6])),
    "OFFSET": _offset,
    "GROUP": lambda words: GroupSummary(" ".join(words[3:]), words[1], int(words[2])),
    "MEMBER": lambda words: MemberLine(" ".join(words[3:]), words[2], words[1]),
    "READS": _reads,
    "NONE": lambda words: CommittedOffset(None),
    "PONG": lambda words: Pong(),
    "BYE": lambda words: Goodbye(),
}


def _check_line_size(size: int) -> None:
    if size > LINE_SIZE_MAX:
        raise ProtocolViolation(f"a line of more than {LINE_SIZE_MAX} bytes came: this is not a LogMQ broker")


def _violation(line: bytes) -> ProtocolViolation:
    return ProtocolViolation(f"{line[:80]!r} is not an answer of a LogMQ broker")
