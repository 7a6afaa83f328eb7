"""Which partition a record goes to when its producer does not say: the same that Kafka's clients would choose.

Records of one key stay in one partition, in order, whoever sends them. Source: Kafka's BuiltInPartitioner and
Utils.murmur2.
"""

from __future__ import annotations

import struct

from logmq.limits import HTTP_TURNS_KEPT_MAX

_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_MASK = 0xFFFFFFFF
_NOT_NEGATIVE = 0x7FFFFFFF


class Partitioner:
    """Chooses partitions. Keys decide alone; requests without keys take turns."""

    def __init__(self) -> None:
        self._turns: dict[str, int] = {}

    def of_key(self, key: bytes, partition_count: int) -> int:
        """The partition of a key."""
        return (murmur2(key) & _NOT_NEGATIVE) % partition_count

    def next_turn(self, topic: str, partition_count: int) -> int:
        """The partition of all records without a key of one request."""
        if partition_count == 1:
            return 0
        turn = self._turns.pop(topic, -1) + 1
        if len(self._turns) >= HTTP_TURNS_KEPT_MAX:
            del self._turns[next(iter(self._turns))]
        self._turns[topic] = turn
        return turn % partition_count


class Choice:
    """The partitions of one request's records: its records without a key stay together."""

    __slots__ = ("_count", "_default", "_partitioner", "_topic", "_turn")

    def __init__(self, partitioner: Partitioner, topic: str, partition_count: int, default: int | None = None) -> None:
        """`default` is the partition of records that name none, whatever their keys."""
        self._partitioner = partitioner
        self._topic = topic
        self._count = partition_count
        self._default = 0 if default is None and partition_count == 1 else default
        self._turn: int | None = None

    @property
    def default(self) -> int | None:
        """The partition of all records that name none, if it is one whatever their keys."""
        return self._default

    def of(self, key: bytes | None) -> int:
        """The partition of a record that names none."""
        if self._default is not None:
            return self._default
        if key is not None:
            return self._partitioner.of_key(key, self._count)
        if self._turn is None:
            self._turn = self._partitioner.next_turn(self._topic, self._count)
        return self._turn


def murmur2(data: bytes) -> int:
    """The 32-bit MurmurHash2 of `data`, little-endian, with Kafka's seed; not negative."""
    size = len(data)
    mixed = _SEED ^ size
    whole = size & ~3
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        scrambled = word * _MULTIPLIER & _MASK
        scrambled = (scrambled ^ scrambled >> 24) * _MULTIPLIER & _MASK
        mixed = mixed * _MULTIPLIER & _MASK ^ scrambled
    if whole < size:
        mixed = (mixed ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    mixed = (mixed ^ mixed >> 13) * _MULTIPLIER & _MASK
    return mixed ^ mixed >> 15
