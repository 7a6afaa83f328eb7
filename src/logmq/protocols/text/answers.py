"""From results to the lines that the client reads, and THE table from errors to codes.

    OK 208                      MESSAGE 208 11 hello-world           ERR UNKNOWN_TOPIC there is no topic 'x'; ...

Every answer is one line that begins with a word saying what it is. Only MESSAGE may span more, when its payload holds
newlines; its length says so. All functions are pure, and those on the hot path build many lines with one operation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from logmq import errors
from logmq.errors import LogMQError
from logmq.protocols.text import errors as text
from logmq.records.batches import CorruptBatch, InvalidBatch, UnsupportedMagic
from logmq.records.compression import CannotDecompress
from logmq.records.records import MalformedRecord

REASON_SIZE_MAX = 512
"""Characters of a reason; some repeat what the client sent."""

CODES: Mapping[type[LogMQError], str] = {
    LogMQError: "INTERNAL",
    errors.RequestError: "BAD_REQUEST",
    errors.InvalidTopicName: "BAD_TOPIC",
    errors.InvalidGroupName: "BAD_GROUP",
    errors.InvalidSetting: "BAD_SETTING",
    errors.InvalidPartitionCount: "BAD_PARTITION_COUNT",
    errors.UnknownTopic: "UNKNOWN_TOPIC",
    errors.UnknownPartition: "UNKNOWN_PARTITION",
    errors.TopicExists: "TOPIC_EXISTS",
    errors.InternalTopic: "INTERNAL_TOPIC",
    errors.UnknownGroup: "UNKNOWN_GROUP",
    errors.GroupHasMembers: "GROUP_HAS_MEMBERS",
    errors.MessageTooLarge: "MESSAGE_TOO_LARGE",
    errors.OffsetOutOfRange: "OUT_OF_RANGE",
    errors.RetriableError: "TRY_AGAIN",
    errors.NotLeader: "NOT_LEADER",
    errors.Throttled: "THROTTLED",
    errors.DiskFull: "DISK_FULL",
    errors.Unavailable: "UNAVAILABLE",
    errors.Damaged: "DAMAGED",
    # What only an idempotent producer's append can meet.
    errors.ProducerError: "INTERNAL",
    errors.OutOfOrderSequence: "INTERNAL",
    errors.ProducerFenced: "INTERNAL",
    # Batches that only other protocols bring, and `UnreadableBatch` stands for.
    CannotDecompress: "UNREADABLE",
    CorruptBatch: "UNREADABLE",
    InvalidBatch: "UNREADABLE",
    MalformedRecord: "UNREADABLE",
    UnsupportedMagic: "UNREADABLE",
    # No connection exists before the start has succeeded, so these cannot reach a client.
    errors.StartupError: "INTERNAL",
    errors.DirectoryInUse: "INTERNAL",
    errors.InvalidConfig: "INTERNAL",
    errors.UnreadableDirectory: "INTERNAL",
    text.CommandError: "BAD_REQUEST",
    text.UnknownCommand: "UNKNOWN_COMMAND",
    text.MissingArgument: "MISSING_ARGUMENT",
    text.UnexpectedArgument: "UNEXPECTED_ARGUMENT",
    text.BadOffset: "BAD_OFFSET",
    text.BadPartition: "BAD_PARTITION",
    text.BadCount: "BAD_COUNT",
    text.BadLength: "BAD_LENGTH",
    text.LineTooLong: "LINE_TOO_LONG",
    text.MessageLineTooLong: "MESSAGE_TOO_LARGE",
    text.MissingNewline: "MISSING_NEWLINE",
    text.UnfinishedLine: "UNFINISHED_LINE",
    text.RequestTooSlow: "TIMEOUT",
    text.IdleTooLong: "IDLE",
    text.TopicReplaced: "UNKNOWN_TOPIC",
    text.UnreadableBatch: "UNREADABLE",
}
"""The code of every error class; a test walks the classes, so that none is forgotten.

Errors that an engine keeps to itself have none: should one get here, it is as unexpected as it looks.
"""

CODE_MEANINGS: Mapping[str, str] = {
    "BAD_COUNT": "a count is not a number, or larger than allowed",
    "BAD_GROUP": "a group name is not 1 to 249 printable characters without spaces",
    "BAD_LENGTH": "the length of a WRITE is not a number",
    "BAD_OFFSET": "an offset is not a number from 0 to 9223372036854775807",
    "BAD_PARTITION": "what stands behind the slash is not a partition number",
    "BAD_PARTITION_COUNT": "a topic cannot have that many partitions",
    "BAD_REQUEST": "the request can never work, for a reason that has no code of its own",
    "BAD_SETTING": "there is no such setting, or its value is not allowed",
    "BAD_TOPIC": "a topic name is not 1 to 249 letters, digits, dots, underscores and hyphens",
    "DAMAGED": "the record no longer matches its checksum; the reason names the next readable offset",
    "DISK_FULL": "no room; nothing was stored, the same request may work later",
    "GROUP_HAS_MEMBERS": "the group has members, and only they may say how far it has come",
    "IDLE": "nothing came for too long; the connection is closed",
    "INTERNAL": "the broker failed in a way that it did not expect; its log says how",
    "INTERNAL_TOPIC": "topics that begin with `__` belong to the broker",
    "LINE_TOO_LONG": "the line is longer than a command can be; its rest was skipped",
    "MESSAGE_TOO_LARGE": "the message is larger than the topic's max.message.bytes; it was skipped",
    "MISSING_ARGUMENT": "the line ends too early; the reason names what is missing",
    "MISSING_NEWLINE": "no newline after the bytes of a WRITE; nothing was stored",
    "NOT_LEADER": "another broker leads the partition; nothing was stored",
    "OUT_OF_RANGE": "the offset lies before the first message that is kept; the reason names the range",
    "THROTTLED": "too much is waiting; nothing was stored, the reason says when to try again",
    "TIMEOUT": "the rest of a line or message did not come in time; the connection is closed",
    "TLS_REQUIRED": "this port takes clients with TLS alone (tls); the connection is closed",
    "TOO_MANY_CONNECTIONS": "the broker has all the connections it takes (connections_max); this one is closed",
    "TOPIC_EXISTS": "a topic of that name is there already",
    "TRY_AGAIN": "nothing was stored, the same request may work later",
    "UNAVAILABLE": "the outcome is unknown: the write may or may not survive; the broker is stopping",
    "UNEXPECTED_ARGUMENT": "the line goes on where it should end",
    "UNFINISHED_LINE": "the client closed in the middle of a line or message, which was not executed",
    "UNKNOWN_COMMAND": "the line does not begin with a command",
    "UNKNOWN_GROUP": "no group has this name",
    "UNKNOWN_PARTITION": "the topic has no such partition",
    "UNKNOWN_TOPIC": "no topic has this name",
    "UNREADABLE": "the messages cannot be shown as text; the reason names the next readable offset",
    "WRONG_PROTOCOL": "this port is for another protocol (listen); the connection is closed",
}
"""What each code means, as docs/text-protocol.md has it. TOO_MANY_CONNECTIONS, TLS_REQUIRED and WRONG_PROTOCOL are sent
before there is a parser, by the listener and the detector."""

OK = b"OK\n"
PONG = b"PONG\n"
BYE = b"BYE\n"
EOF = b"EOF\n"
NONE = b"NONE\n"
END = b"END\n"


def error_line(error: LogMQError) -> bytes:
    """`ERR <CODE> <reason>`."""
    reason = " ".join(str(error).split())
    if len(reason) > REASON_SIZE_MAX:
        reason = reason[: REASON_SIZE_MAX - 3] + "..."
    return f"ERR {code_of(error)} {reason}\n".encode("utf-8", "backslashreplace")


def code_of(error: LogMQError) -> str:
    """The code for an error: its class's, or that of the nearest class above which has one."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def acks(first_offset: int, offsets: Sequence[int]) -> bytes:
    """An `OK <offset>` line for each of `offsets`, which count from `first_offset`."""
    if len(offsets) == 1:
        return b"OK %d\n" % (first_offset + offsets[0])
    if isinstance(offsets, range):
        absolute = tuple(range(first_offset + offsets.start, first_offset + offsets.stop, offsets.step))
    else:
        absolute = tuple([first_offset + offset for offset in offsets])
    return b"OK %d\n" * len(absolute) % absolute


def messages(offsets: Sequence[int], payloads: Sequence[bytes]) -> bytes:
    """A `MESSAGE <offset> <length> <payload>` line for each message."""
    values: list[Any] = [None] * (3 * len(payloads))
    values[::3] = offsets
    values[1::3] = map(len, payloads)
    values[2::3] = payloads
    return b"MESSAGE %d %d %b\n" * len(payloads) % tuple(values)


def end(number: int) -> bytes:
    """`END <number>`: the last line of an answer of several lines."""
    return b"END %d\n" % number
