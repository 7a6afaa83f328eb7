"""The words of a command: topics, partitions, offsets, counts, settings. Pure functions on bytes.

Numbers are ASCII digits only; what Python's `int` allows beyond that (signs, spaces, underscores) is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from logmq.errors import InvalidGroupName, InvalidSetting
from logmq.limits import CONSUME_COUNT_MAX, GROUP_NAME_SIZE_MAX, PARTITION_COUNT_MAX
from logmq.model import Format, TopicPartition, check_topic_name
from logmq.protocols.text.errors import (
    BadCount,
    BadLength,
    BadOffset,
    BadPartition,
    MissingArgument,
    UnexpectedArgument,
    show,
)
from logmq.protocols.text.requests import Edge, Start

OFFSET_MAX = (1 << 63) - 1
"""Offsets are 63 bits wide, as in the Kafka protocol."""

_OFFSET_DIGITS_MAX = 19
_EDGES = {b"earliest": Edge.EARLIEST, b"latest": Edge.LATEST}


def split_words(line: bytes, usage: str, required: Sequence[str], optional_count: int = 0) -> list[bytes]:
    """The words of a line, at least as many as `required` names and at most `optional_count` more.

    Raises: MissingArgument, UnexpectedArgument.
    """
    words = line.split()
    if len(words) < len(required):
        raise MissingArgument(required[len(words)], usage)
    if len(words) > len(required) + optional_count:
        raise UnexpectedArgument(words[len(required) + optional_count], usage)
    return words


def parse_topic(word: bytes) -> str:
    """A topic's name. Raises: InvalidTopicName."""
    return check_topic_name(word.decode("utf-8", "backslashreplace"))


def parse_partition(word: bytes) -> TopicPartition:
    """`topic` (its partition 0) or `topic/partition`. Raises: InvalidTopicName, BadPartition."""
    name, slash, index = word.partition(b"/")
    topic = parse_topic(name)
    if not slash:
        return TopicPartition(topic, 0)
    number = parse_number(index)
    if number is None or number >= PARTITION_COUNT_MAX:
        raise BadPartition(index, PARTITION_COUNT_MAX - 1)
    return TopicPartition(topic, number)


def parse_group(word: bytes) -> str:
    """A consumer group's name. Raises: InvalidGroupName."""
    try:
        name = word.decode()
    except UnicodeDecodeError:
        raise InvalidGroupName(word.decode("utf-8", "backslashreplace")) from None
    if not name.isprintable() or len(word) > GROUP_NAME_SIZE_MAX:
        raise InvalidGroupName(name)
    return name


def parse_number(word: bytes) -> int | None:
    """A decimal number of at most 19 digits; None if it is anything else."""
    return int(word) if word.isdigit() and len(word) <= _OFFSET_DIGITS_MAX else None


def parse_offset(word: bytes) -> int:
    """An offset. Raises: BadOffset."""
    number = parse_number(word)
    if number is not None and number <= OFFSET_MAX:
        return number
    if word.isdigit():
        raise BadOffset(word, f"the largest one is {OFFSET_MAX}")
    if word.startswith(b"-") and word[1:].isdigit():
        raise BadOffset(word, "offsets are not negative")
    raise BadOffset(word, "use a decimal number")


def parse_offsets(words: Sequence[bytes]) -> list[int] | None:
    """Many offsets at once; None if any of them is not a plain number of at most 18 digits."""
    if max(map(len, words)) >= _OFFSET_DIGITS_MAX or not b"".join(words).isdigit():
        return None
    try:
        return list(map(int, words))
    except ValueError:  # an empty word among them
        return None


def parse_start(word: bytes) -> Start:
    """An offset, `earliest` or `latest`. Raises: BadOffset."""
    edge = _EDGES.get(word.lower())
    if edge is not None:
        return edge
    if word[:1].isalpha():
        raise BadOffset(word, "use a decimal number, earliest or latest")
    return parse_offset(word)


def parse_count(word: bytes) -> int:
    """The number of messages that a CONSUME asks for. Raises: BadCount."""
    number = parse_number(word)
    if number is None or number > CONSUME_COUNT_MAX:
        raise BadCount(word, CONSUME_COUNT_MAX)
    return number


def parse_partition_count(word: bytes) -> int:
    """The number of partitions that a topic is to have; the broker knows how many it allows. Raises: BadCount."""
    number = parse_number(word)
    if number is None:
        raise BadCount(word, PARTITION_COUNT_MAX)
    return number


def parse_length(word: bytes) -> int:
    """The number of bytes that follow a WRITE. Raises: BadLength."""
    number = parse_number(word)
    if number is None:
        raise BadLength(word)
    return number


def parse_format(text: str) -> Format:
    """How a new topic's messages are to lie. Raises: InvalidSetting."""
    try:
        return Format(text.lower())
    except ValueError:
        raise InvalidSetting("format", f"{show(text.encode())} is not allowed; it takes plain or batch") from None


def parse_settings(words: Sequence[bytes]) -> dict[str, str]:
    """`setting=value` words, by setting; what they mean is the broker's matter. Raises: InvalidSetting."""
    settings: dict[str, str] = {}
    for word in words:
        name, equals, value = word.decode("utf-8", "backslashreplace").partition("=")
        if not equals or not name:
            raise InvalidSetting(show(word), "write it as setting=value")
        if name in settings:
            raise InvalidSetting(name, "it stands there twice")
        settings[name] = value
    return settings
