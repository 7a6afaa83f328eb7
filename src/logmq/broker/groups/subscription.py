"""The topics in a consumer's join metadata, and the partitions that its leader gave it.

    joining    version i16 | topics: count i32, then each i16-length name | user data i32-length
               | from version 1 on what it owns, as below | more, by version
    assigned   version i16 | topics: count i32, then each i16-length name, count i32, i32 numbers | user data

Groups of the protocol type `consumer` speak so (ConsumerProtocolSubscription.json, ConsumerProtocolAssignment.json in
Kafka); others (Kafka Connect's) have bytes of their own. The broker looks into them to know whether a group still
reads a topic, to show who reads what, and where it assigns itself (consumer_classic.py).
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable

from logmq.model import TopicPartition

CONSUMER = "consumer"

_HEAD = struct.Struct(">hi")
_LENGTH = struct.Struct(">h")
_COUNT = struct.Struct(">i")


def subscribed_topics(metadata: bytes) -> frozenset[str] | None:
    """The topics that a consumer wants; None where the bytes are no subscription."""
    try:
        topics, _ = _topics(metadata)
    except (struct.error, ValueError):
        return None
    return frozenset(topics)


def owned_partitions(metadata: bytes) -> list[TopicPartition]:
    """The partitions that a consumer still owns when it joins (from version 1 on); none where it does not say so."""
    try:
        (version,) = _LENGTH.unpack_from(metadata)
        _, position = _topics(metadata)
        (length,) = _COUNT.unpack_from(metadata, position)  # of the user data, -1 for none
        return _partitions(metadata, position + _COUNT.size + max(0, length)) if version >= 1 else []
    except (struct.error, ValueError):
        return []


def assigned_partitions(assignment: bytes) -> list[TopicPartition]:
    """The partitions that a consumer was given; none where the bytes are no assignment."""
    return read_assignment(assignment) or []


def read_assignment(assignment: bytes) -> list[TopicPartition] | None:
    """The partitions that a consumer was given; None where the bytes are no assignment. No bytes are no partitions."""
    try:
        return _partitions(assignment, _LENGTH.size) if assignment else []
    except (struct.error, ValueError):
        return None


def encode_assignment(partitions: Iterable[TopicPartition]) -> bytes:
    """These partitions as a consumer is given them."""
    by_topic: dict[str, list[int]] = defaultdict(list)
    for one in sorted(partitions):
        by_topic[one.topic].append(one.index)
    parts = [_HEAD.pack(0, len(by_topic))]
    for topic, numbers in by_topic.items():
        name = topic.encode()
        parts += (_LENGTH.pack(len(name)), name, struct.pack(f">{1 + len(numbers)}i", len(numbers), *numbers))
    return b"".join([*parts, _COUNT.pack(-1)])


def _topics(metadata: bytes) -> tuple[list[str], int]:
    """The topics of a subscription, and the position behind them. Raises: struct.error, ValueError."""
    version, count = _HEAD.unpack_from(metadata)
    position = _HEAD.size
    if version < 0 or not 0 <= count <= len(metadata) // _LENGTH.size:
        raise ValueError(f"{count} topics of version {version}")
    topics = []
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(metadata, position)
        position += _LENGTH.size + length
        if length < 0 or position > len(metadata):
            raise ValueError(f"a name of {length} bytes")
        topics.append(metadata[position - length : position].decode())
    return topics, position


def _partitions(data: bytes, position: int) -> list[TopicPartition]:
    """The topics with their partitions that begin at `position`. Raises: struct.error, ValueError."""
    partitions: list[TopicPartition] = []
    (count,) = _COUNT.unpack_from(data, position)
    position += _COUNT.size
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(data, position)
        end = position + _LENGTH.size + max(0, length)
        name = data[position + _LENGTH.size : end].decode()
        (number,) = _COUNT.unpack_from(data, end)
        position = end + _COUNT.size * (1 + number)
        if not end < position <= len(data):
            raise ValueError(f"{number} partitions")
        partitions += [
            TopicPartition(name, index) for index in struct.unpack_from(f">{number}i", data, end + _COUNT.size)
        ]
    return partitions
