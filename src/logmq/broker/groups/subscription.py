"""The topics in a consumer's join metadata.

    version i16 | topics: count i32, then each i16-length name | user data and more, by version

Groups of the protocol type `consumer` join with this (ConsumerProtocolSubscription.json in Kafka); others (Kafka
Connect's) join with bytes of their own. The broker looks into it only to know whether a group still reads a topic.
"""

from __future__ import annotations

import struct

CONSUMER = "consumer"

_HEAD = struct.Struct(">hi")
_LENGTH = struct.Struct(">h")


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
