"""Commands of the text protocol as bytes: pure functions, one a command.

What could break out of its line is refused here: topic and group names are checked, and a payload that a line cannot
hold (it has a newline, or ends in `\\r`, which a line would lose) travels as a WRITE with its length in front.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from logmq.errors import InvalidGroupName, InvalidPartitionCount, InvalidSetting
from logmq.limits import GROUP_NAME_SIZE_MAX
from logmq.model import check_topic_name

PING = b"PING\n"
TOPICS = b"TOPICS\n"
GROUPS = b"GROUPS\n"

Offset = int | str
"""An offset, or `earliest` or `latest`."""


def produce(topic: str, partition: int, payloads: Sequence[bytes]) -> bytes:
    """Store payloads in order; one answer each."""
    target = _target(topic, partition)
    prefix = b"PRODUCE " + target + b" "
    if not any(b"\n" in payload or payload.endswith(b"\r") for payload in payloads):
        return prefix + (b"\n" + prefix).join(payloads) + b"\n" if payloads else b""
    return b"".join(
        b"WRITE %b %d\n%b\n" % (target, len(payload), payload)
        if b"\n" in payload or payload.endswith(b"\r")
        else b"%b%b\n" % (prefix, payload)
        for payload in payloads
    )


def batches(payloads: Iterable[bytes], size_max: int, count_max: int) -> Iterator[list[bytes]]:
    """Cut payloads into runs of about `size_max` bytes and `count_max` payloads at most, at least one each."""
    batch: list[bytes] = []
    size = 0
    for payload in payloads:
        batch.append(payload)
        size += len(payload)
        if size >= size_max or len(batch) >= count_max:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def consume(topic: str, partition: int, offset: Offset, count: int | None = None) -> bytes:
    """Read the first message at or after an offset, or up to `count` messages from there on."""
    counted = b"" if count is None else b" %d" % count
    return b"CONSUME %b %b%b\n" % (_target(topic, partition), _offset(offset), counted)


def follow(topic: str, partition: int, offset: Offset) -> bytes:
    """Read messages from an offset on as they become durable, until a line is sent."""
    return b"FOLLOW %b %b\n" % (_target(topic, partition), _offset(offset))


def create(topic: str, partition_count: int | None, settings: Mapping[str, str | int]) -> bytes:
    """Create a topic."""
    words = ["CREATE", check_topic_name(topic)]
    if partition_count is not None:
        words.append(str(_partition_count(partition_count)))
    return _line(words + _assignments(settings))


def alter(topic: str, partition_count: int | None, settings: Mapping[str, str | int]) -> bytes:
    """Change a topic's settings (`default` takes one back) and let it have more partitions."""
    words = ["ALTER", check_topic_name(topic)]
    if partition_count is not None:
        words.append(f"partitions={_partition_count(partition_count)}")
    return _line(words + _assignments(settings))


def describe(topic: str) -> bytes:
    """Show a topic's settings and partitions."""
    return _line(["DESCRIBE", check_topic_name(topic)])


def drop(topic: str) -> bytes:
    """Delete a topic with all its messages."""
    return _line(["DROP", check_topic_name(topic)])


def commit(group: str, topic: str, partition: int, offset: int) -> bytes:
    """Keep how far a group has read."""
    return b"COMMIT %b %b %b\n" % (_group(group), _target(topic, partition), _offset(offset))


def committed(group: str, topic: str, partition: int) -> bytes:
    """Ask how far a group has read."""
    return b"COMMITTED %b %b\n" % (_group(group), _target(topic, partition))


def group(name: str) -> bytes:
    """Show how far a group has read."""
    return b"GROUP %b\n" % _group(name)


def forget(group: str) -> bytes:
    """Delete a group with all that it committed."""
    return b"FORGET %b\n" % _group(group)


def _line(words: list[str]) -> bytes:
    return " ".join(words).encode() + b"\n"


def _target(topic: str, partition: int) -> bytes:
    check_topic_name(topic)
    if partition < 0:
        raise ValueError(f"a partition is counted from 0, not {partition}")
    return topic.encode() if partition == 0 else b"%b/%d" % (topic.encode(), partition)


def _offset(offset: Offset) -> bytes:
    if isinstance(offset, str) and offset not in {"earliest", "latest"}:
        raise ValueError(f"an offset is a number, 'earliest' or 'latest', not {offset!r}")
    return str(offset).encode()


def _group(group: str) -> bytes:
    encoded = group.encode(errors="replace")
    if not 1 <= len(encoded) <= GROUP_NAME_SIZE_MAX or not group.isprintable() or " " in group:
        raise InvalidGroupName(group)
    return encoded


def _partition_count(count: int) -> int:
    if count < 1:
        raise InvalidPartitionCount(count, "a topic has at least one")
    return count


def _assignments(settings: Mapping[str, str | int]) -> list[str]:
    for name, value in settings.items():
        if not _is_word(name) or "=" in name:
            raise InvalidSetting(name, "a setting's name is one word without '='")
        if not _is_word(str(value)):
            raise InvalidSetting(name, f"{value!r} is not one word")
    return [f"{name}={value}" for name, value in settings.items()]


def _is_word(text: str) -> bool:
    return bool(text) and text.isprintable() and " " not in text
