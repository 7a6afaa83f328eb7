"""The checkpoint: where each log began and ended at some commit whose bytes are all synced in their own files.

From there on recovery follows the journal; older journal files may be used again. Numbers are little-endian:

    header   magic "LMQCHKPT" | version u32 | log count u32 | commit u64 | timestamp ms u64
    log      log id u64 | log start offset u64 | base offset of the last segment u64 | end offset u64
             | end position in that segment u64 | timestamp ms of the last append u64 | producer count u64
             then for each log as many producers as it has
    producer producer id i64 | epoch i16 | batch count u16, then for each of its last batches
             base sequence i32 | last sequence i32 | first offset u64 | next offset u64 | timestamp ms u64
    trailer  crc32c u32 of all before

It is written beside the old one and renamed over it, so there is always a whole one. Should it be damaged all the
same, the ends of the logs are read from their indexes, which have an entry for every checkpoint.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from crc32c import crc32c

from logmq.storage.engine import Appended
from logmq.storage.local.files import Files
from logmq.storage.local.names import CHECKPOINT, CHECKPOINT_NEW
from logmq.storage.producers import Remembered

_HEADER = struct.Struct("<8sIIQQ")
_MAGIC = b"LMQCHKPT"
_VERSION = 2
_LOG = struct.Struct("<QQQQQQQ")
_PRODUCER = struct.Struct("<qhH")
_BATCH = struct.Struct("<iiQQQ")
_TRAILER = struct.Struct("<I")
assert _HEADER.size == 32
assert _LOG.size == 56


class LogCheckpoint(NamedTuple):
    """Where one log begins and ends."""

    log_start_offset: int
    base_offset: int
    end_offset: int
    end_position: int
    last_append_ms: int
    producers: tuple[tuple[int, int, tuple[Remembered, ...]], ...] = ()
    """Producer id, epoch and last batches."""


class Checkpoint(NamedTuple):
    """All logs, by log id, as they were at `commit`."""

    commit: int
    timestamp_ms: int
    logs: Mapping[int, LogCheckpoint]


EMPTY = Checkpoint(0, 0, {})


def encode(checkpoint: Checkpoint) -> bytes:
    """The bytes of a checkpoint file."""
    header = _HEADER.pack(_MAGIC, _VERSION, len(checkpoint.logs), checkpoint.commit, checkpoint.timestamp_ms)
    logs = [_LOG.pack(log_id, *log[:-1], len(log.producers)) for log_id, log in checkpoint.logs.items()]
    producers = [_encode_producer(*producer) for log in checkpoint.logs.values() for producer in log.producers]
    body = b"".join((header, *logs, *producers))
    return body + _TRAILER.pack(crc32c(body))


def _encode_producer(producer_id: int, epoch: int, batches: tuple[Remembered, ...]) -> bytes:
    remembered = [_BATCH.pack(first, last, *appended) for first, last, appended in batches]
    return b"".join((_PRODUCER.pack(producer_id, epoch, len(batches)), *remembered))


def decode(data: bytes) -> Checkpoint | None:
    """Read a checkpoint file's bytes; None if they are damaged."""
    body = data[: -_TRAILER.size]
    if len(body) < _HEADER.size or crc32c(body) != _TRAILER.unpack_from(data, len(body))[0]:
        return None
    magic, version, log_count, commit, timestamp_ms = _HEADER.unpack_from(body)
    position = _HEADER.size + log_count * _LOG.size
    if magic != _MAGIC or version != _VERSION or len(body) < position:
        return None
    logs: dict[int, LogCheckpoint] = {}
    for log_id, *fields, producer_count in _LOG.iter_unpack(body[_HEADER.size : position]):
        producers = []
        for _ in range(producer_count):
            producer, position = _decode_producer(body, position)
            producers.append(producer)
        logs[log_id] = LogCheckpoint._make((*fields, tuple(producers)))
    return Checkpoint(commit, timestamp_ms, logs)


def _decode_producer(body: bytes, position: int) -> tuple[tuple[int, int, tuple[Remembered, ...]], int]:
    producer_id, epoch, batch_count = _PRODUCER.unpack_from(body, position)
    position += _PRODUCER.size
    end = position + batch_count * _BATCH.size
    batches = [
        Remembered(first, last, Appended(*appended))
        for first, last, *appended in _BATCH.iter_unpack(body[position:end])
    ]
    return (producer_id, epoch, tuple(batches)), end


def write(files: Files, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint. Durability: the new one survives a power cut when it returns, else the old one.

    Raises: OSError (the old one is still there), SyncFailed.
    """
    file = files.create(CHECKPOINT_NEW)
    data = encode(checkpoint)
    file.truncate(0)
    file.write_at(0, [data])
    file.sync()
    files.rename(CHECKPOINT_NEW, CHECKPOINT)
    files.sync_names()


def read(files: Files) -> Checkpoint | None:
    """The checkpoint, `EMPTY` if there never was one; None if it is damaged. Raises: OSError."""
    try:
        file = files.open(CHECKPOINT)
    except FileNotFoundError:
        return EMPTY
    return decode(file.read_at(0, file.size()))
