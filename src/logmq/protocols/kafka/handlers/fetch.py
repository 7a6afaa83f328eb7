"""Fetch (1): committed batches as they are stored, waited for as long as the client says.

The response is packed by hand (see produce.py); the records in it are not looked at. Fetch sessions (KIP-227) are refused:
session id 0 tells a client to send full requests.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any, NamedTuple

from logmq.errors import LogMQError, OffsetOutOfRange, UnknownTopic
from logmq.limits import MIB
from logmq.model import Bounds, Format, TopicPartition
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.dispatch import Answer
from logmq.protocols.kafka.errors import code_of
from logmq.protocols.kafka.framing import Frame, respond
from logmq.protocols.kafka.messages import read_request
from logmq.protocols.kafka.packing import compact_string, string, uvarint
from logmq.protocols.kafka.plain import as_batch
from logmq.protocols.kafka.topic_ids import NO_ID, name_of
from logmq.storage.engine import Chunk

_FLEXIBLE = 12
_IDS_SINCE = 13
_SIZE_MAX = 64 * MIB
_I32 = struct.Struct(">i")
_I16 = struct.Struct(">h")
_PARTITION = struct.Struct(">ihqqq")
_NO_BOUNDS = Bounds(-1, -1, -1, -1)


class Wanted(NamedTuple):
    """A partition of a fetch request."""

    partition: TopicPartition
    offset: int
    size_max: int
    error: LogMQError | None


class Fetched(NamedTuple):
    """What is answered for it."""

    records: bytes
    bounds: Bounds
    error: LogMQError | None


def handle_frame(frame: Frame, context: Context) -> Answer:
    """Answer at once where the page cache has enough, else wait."""
    request = read_request(frame.key, frame.version, frame.data, frame.position)
    return _fetch(frame, request, context)


async def _fetch(frame: Frame, request: Any, context: Context) -> bytes:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + request.max_wait.total_seconds()
    wanted = [[_wanted(topic, one, context) for one in topic.partitions] for topic in request.topics]
    flat = [one for topic in wanted for one in topic]
    while True:
        fetched = await _read_all(flat, min(getattr(request, "max_bytes", _SIZE_MAX), _SIZE_MAX), context)
        size = sum(len(one.records) for one in fetched)
        left = deadline - loop.time()
        if size >= request.min_bytes or left <= 0 or any(one.error for one in fetched) or not flat:
            return _pack(frame, request, wanted, fetched)
        await _wait_for_more(flat, fetched, left, context)


def _wanted(topic: Any, one: Any, context: Context) -> Wanted:
    name = getattr(topic, "topic", None)
    error: LogMQError | None = None
    if name is None:
        name = name_of(getattr(topic, "topic_id", NO_ID), context.broker)
        if name is None:
            name, error = "", UnknownTopic("")
    return Wanted(TopicPartition(name, one.partition), one.fetch_offset, one.partition_max_bytes, error)


async def _read_all(wanted: list[Wanted], size_max: int, context: Context) -> list[Fetched]:
    """Read partition after partition until `size_max` bytes are there; the first record comes whatever its size."""
    fetched: list[Fetched] = []
    left = size_max
    for one in wanted:
        fetched.append(await _read(one, max(0, min(one.size_max, left)), left == size_max, context))
        left -= len(fetched[-1].records)
    return fetched


async def _read(wanted: Wanted, size_max: int, at_least_one: bool, context: Context) -> Fetched:
    if wanted.error is not None:
        return Fetched(b"", _NO_BOUNDS, wanted.error)
    broker = context.broker
    try:
        bounds = broker.bounds(wanted.partition)
        if wanted.offset > bounds.high_watermark or wanted.offset < bounds.log_start_offset:
            raise OffsetOutOfRange(wanted.offset, bounds.log_start_offset, bounds.high_watermark)
        if wanted.offset == bounds.high_watermark or (size_max <= 0 and not at_least_one):
            return Fetched(b"", bounds, None)
        chunk = broker.read_nowait(wanted.partition, wanted.offset, size_max)
        if chunk is None:
            chunk = await broker.read(wanted.partition, wanted.offset, size_max)
        return Fetched(_records(wanted, chunk, context), bounds, None)
    except LogMQError as error:
        return Fetched(b"", _NO_BOUNDS, error)


def _records(wanted: Wanted, chunk: Chunk, context: Context) -> bytes:
    if not chunk.data or context.broker.topic(wanted.partition.topic).format is Format.BATCH:
        return chunk.data
    return as_batch(chunk, context.clock.now_ms())


async def _wait_for_more(wanted: list[Wanted], fetched: list[Fetched], timeout_s: float, context: Context) -> None:
    """Until any of the partitions has more than was there, or the time is over."""
    waits = [
        asyncio.ensure_future(context.broker.wait(one.partition, have.bounds.high_watermark, timeout_s))
        for one, have in zip(wanted, fetched, strict=True)
    ]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


def _pack(frame: Frame, request: Any, wanted: list[list[Wanted]], fetched: list[Fetched]) -> bytes:
    """The response in the request's version."""
    version = frame.version
    flexible = version >= _FLEXIBLE
    parts = [_I32.pack(0)]
    if version >= 7:
        parts += (_I16.pack(0), _I32.pack(0))  # error, session id
    parts.append(_count(len(wanted), flexible))
    results = iter(fetched)
    for topic, partitions in zip(request.topics, wanted, strict=True):
        if version >= _IDS_SINCE:
            parts.append(topic.topic_id.bytes if topic.topic_id is not None else NO_ID.bytes)
        else:
            parts.append(compact_string(topic.topic) if flexible else string(topic.topic))
        parts.append(_count(len(partitions), flexible))
        for one in partitions:
            _pack_partition(parts, version, one.partition.index, next(results))
        if flexible:
            parts.append(b"\x00")
    if flexible:
        parts.append(b"\x00")
    return respond(frame, b"".join(parts))


def _pack_partition(parts: list[bytes], version: int, index: int, fetched: Fetched) -> None:
    flexible = version >= _FLEXIBLE
    records, bounds, error = fetched
    code = 0 if error is None else code_of(error).value
    fixed = _PARTITION.pack(index, code, bounds.high_watermark, bounds.last_stable_offset, bounds.log_start_offset)
    parts.append(fixed if version >= 5 else fixed[:-8])
    parts.append(_count(0, flexible))  # aborted transactions
    if version >= 11:
        parts.append(_I32.pack(-1))  # preferred read replica
    parts.append(_count(len(records), flexible))
    parts.append(records)
    if flexible:
        parts.append(b"\x00")


def _count(count: int, flexible: bool) -> bytes:
    return uvarint(count + 1) if flexible else _I32.pack(count)
