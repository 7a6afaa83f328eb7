"""The topics in a consumer's join metadata, and the partitions that its leader gave it.

    joining    version i16 | topics: count i32, then each i16-length name | user data and more, by version
    assigned   version i16 | topics: count i32, then each i16-length name, count i32, i32 numbers | user data

Groups of the protocol type `consumer` speak so (ConsumerProtocolSubscription.json, ConsumerProtocolAssignment.json in
Kafka); others (Kafka Connect's) have bytes of their own. The broker looks into them only to know whether a group still
reads a topic, and to show who reads what.
"""

from __future__ import annotations

import struct

from logmq.model import TopicPartition

CONSUMER = "consumer"

_HEAD = struct.Struct(">hi")
_LENGTH = struct.Struct(">h")
_COUNT = struct.Struct(">i")


def subscribed_topics(metadata: bytes) -> frozenset[str] | None:
    """The topics that a consumer wants; None where the bytes are no subscription."""
    topics = set()
    try:
        version, count = _HEAD.unpack_from(metadata)
        position = _HEAD.size
        if version < 0 or not 0 <= count <= len(metadata) // _LENGTH.size:
            return None
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(metadata, position)
            position += _LENGTH.size + length
            if length < 0 or position > len(metadata):
                return None
            topics.add(metadata[position - length : position].decode())
    except (struct.error, UnicodeDecodeError):
        return None
    return frozenset(topics)


def assigned_partitions(assignment: bytes) -> list[TopicPartition]:
    """The partitions that a consumer was given; none where the bytes are no assignment."""
    partitions: list[TopicPartition] = []
    try:
        _, count = _HEAD.unpack_from(assignment)
        position = _HEAD.size
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(assignment, position)
            end = position + _LENGTH.size + max(0, length)
            name = assignment[position + _LENGTH.size : end].decode()
            (number,) = _COUNT.unpack_from(assignment, end)
            position = end + _COUNT.size * (1 + number)
            if not end < position <= len(assignment):
                return []
            numbers = struct.unpack_from(f">{number}i", assignment, end + _COUNT.size)
            partitions += [TopicPartition(name, index) for index in numbers]
    except (struct.error, UnicodeDecodeError):
        return []
    return partitions
