"""What the cluster engine stores, byte by byte.

In the key store, under the cluster's prefix:

    brokers/<incarnation>     there while that process lives
    lanes/<lane>              the lane's head (`Head`), which only a transaction changes
    topics/<name>, counters   see meta.py

In the object store:

    wal/<incarnation>/<number>         what was appended to any of the incarnation's lanes in one commit
    checkpoints/<incarnation>/<number> all lanes as they were at one moment (`Checkpoint`)
    segments/<incarnation>/<number>    bytes of one log, moved together from many commits
    packs/<incarnation>/<number>       the same of many logs of which there is little
    cluster                            whose objects these are, see identity.py

A name is used once: an incarnation is a start of a process, and it counts. An object of `wal/`:

    +------+-------------+------------+------------------+----------------------------------+
    | LMQ1 | header size | header crc | header, msgpack: | the bytes of each log's records, |
    |      | u32         | u32        | list of Section  | one after another                |
    +------+-------------+------------+------------------+----------------------------------+

A lane's log is what the chain head -> object -> previous object -> ... -> checkpoint says, and nothing else.
Integers are big-endian, checksums are CRC32C.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from crc32c import crc32c

from logmq.storage.producers import Remembered

LANE_COUNT = 64
"""Partitions are spread over so many lanes by their logs' ids; fixed for the life of a cluster."""

_MAGIC = b"LMQ1"
_PREFIX = struct.Struct(">4sII")
PREFIX_SIZE = _PREFIX.size

BROKERS = "brokers/"
LANES = "lanes/"
TOPICS = "topics/"
COUNTERS = "counters"
WAL = "wal/"
CHECKPOINTS = "checkpoints/"
SEGMENTS = "segments/"
PACKS = "packs/"

T = TypeVar("T")


class Head(msgspec.Struct, frozen=True, array_like=True):
    """Where a lane's log ends, and who may make it longer."""

    term: int
    """How often the lane changed hands."""
    owner: str
    """The incarnation that may commit."""
    number: int = 0
    """How many commits the lane has had."""
    object: str | None = None
    """Where the last of them is."""
    checkpoint: str | None = None


class Extent(msgspec.Struct, frozen=True, array_like=True):
    """Records of one log that lie together in an object: `[first_offset, next_offset)`."""

    first_offset: int
    next_offset: int
    object: str
    position: int
    size: int
    crc: int
    timestamp_ms: int


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """What a commit appended to one log. `position` counts from the end of the header."""

    log_id: int
    first_offset: int
    next_offset: int
    position: int
    size: int
    crc: int
    timestamp_ms: int


class ProducerMark(msgspec.Struct, frozen=True, array_like=True):
    """A batch of an idempotent producer, so that it is known when it comes again."""

    log_id: int
    producer_id: int
    epoch: int
    base_sequence: int
    record_count: int
    first_offset: int
    next_offset: int
    timestamp_ms: int


class Section(msgspec.Struct, array_like=True):
    """One lane's part of a commit. `previous` is the object with the lane's commit before."""

    lane: int
    number: int
    previous: str | None
    pieces: list[Piece] = []
    marks: list[ProducerMark] = []
    trims: dict[int, int] = {}
    """New log start offsets, by log id."""
    drops: list[int] = []
    """Logs that are gone."""


class LogSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """A log at a checkpoint."""

    log_id: int
    start_offset: int
    next_offset: int
    last_append_ms: int
    extents: list[Extent]
    producers: list[tuple[int, int, list[Remembered]]]


class LaneSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """A lane after its commit `number`."""

    lane: int
    number: int
    logs: list[LogSnapshot]


class Checkpoint(msgspec.Struct, frozen=True, array_like=True):
    """All lanes at one moment."""

    lanes: list[LaneSnapshot]


class MalformedObject(Exception):
    """An object does not hold what its name says, or its checksum does not match."""


_HEAD = msgspec.msgpack.Decoder(Head)
_SECTIONS = msgspec.msgpack.Decoder(list[Section])
_CHECKPOINT = msgspec.msgpack.Decoder(Checkpoint)


def lane_of(log_id: int) -> int:
    """Which lane a log belongs to: ids are given out one by one, so that they spread evenly."""
    return log_id % LANE_COUNT


def head_key(lane: int) -> str:
    """The key of a lane's head."""
    return f"{LANES}{lane:04d}"


def encode_head(head: Head) -> bytes:
    """A head as the value of its key."""
    return msgspec.msgpack.encode(head)


def decode_head(value: bytes) -> Head:
    """The head in a key's value."""
    return _HEAD.decode(value)


def encode_object(sections: Sequence[Section], body: Sequence[bytes | memoryview]) -> tuple[bytes, int]:
    """An object of `wal/`, and where its body begins."""
    header = msgspec.msgpack.encode(list(sections))
    data = b"".join((_PREFIX.pack(_MAGIC, len(header), crc32c(header)), header, *body))
    return data, PREFIX_SIZE + len(header)


def header_size(start: bytes) -> int:
    """How long the header is of the object that begins with `start`. Raises: MalformedObject."""
    if len(start) < PREFIX_SIZE or start[:4] != _MAGIC:
        raise MalformedObject("not an object of the log")
    return int(_PREFIX.unpack_from(start)[1])


def decode_header(start: bytes) -> tuple[list[Section], int]:
    """The sections of an object, and where its body begins. Raises: MalformedObject."""
    size = header_size(start)
    header = start[PREFIX_SIZE : PREFIX_SIZE + size]
    if len(header) != size or crc32c(header) != _PREFIX.unpack_from(start)[2]:
        raise MalformedObject("the header does not match its checksum")
    return _SECTIONS.decode(header), PREFIX_SIZE + size


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """A checkpoint with its checksum before it."""
    body = msgspec.msgpack.encode(checkpoint)
    return crc32c(body).to_bytes(4, "big") + body


def decode_checkpoint(data: bytes) -> Checkpoint:
    """The checkpoint in an object. Raises: MalformedObject."""
    if len(data) < 4 or crc32c(data[4:]) != int.from_bytes(data[:4], "big"):
        raise MalformedObject("the checkpoint does not match its checksum")
    return _CHECKPOINT.decode(data[4:])
