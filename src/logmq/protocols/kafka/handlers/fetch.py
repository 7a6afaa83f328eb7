"""Fetch (1): committed batches as they are stored, waited for as long as the client says.

The response is packed by hand (see produce.py); the records in it are not looked at, and go to the transport as they
were read:

    throttle time i32 | error i16, session id i32 (v7+) | topics array: name (id from v13 on)
      | partitions array: index i32 | error i16 | high watermark i64 | last stable offset i64
        | log start offset i64 (v5+) | aborted transactions array | preferred replica i32 (v11+)
        | records nullable bytes | tags (v12+)
      | tags (v12+)
    | tags (v12+); arrays, strings and bytes are compact from v12 on

Fetch sessions (KIP-227) are not kept: session id 0 tells a client to send full requests.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError, OffsetOutOfRange
from logmq.limits import KIB, MIB
from logmq.model import Bounds, Format, TopicPartition
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.counting import count_error
from logmq.protocols.kafka.dispatch import LARGE_REQUEST_SIZE, Answer, read_in_thread
from logmq.protocols.kafka.errors import check_epoch, code_of
from logmq.protocols.kafka.framing import Frame, response_header
from logmq.protocols.kafka.messages import read_request
from logmq.protocols.kafka.packing import compact_string, string, uvarint
from logmq.protocols.kafka.plain import as_batch
from logmq.protocols.kafka.topic_ids import NO_ID, TopicNames
from logmq.records import batches
from logmq.storage.engine import Chunk

_KEY = 1
_FLEXIBLE = 12
_IDS_SINCE = 13
_I32 = struct.Struct(">i")
_I16 = struct.Struct(">h")
_PARTITION = struct.Struct(">ihqqq")
_NO_BOUNDS = Bounds(-1, -1, -1, -1)
_READ_COMMITTED = 1
_NO_SESSION = 0
_NEW_SESSIONS = frozenset({-1, 0})
_TURN_PARTITION_COUNT = 1000
"""Partitions read in one go, before other clients get their turn."""

_LARGE_PIECE_SIZE = 64 * KIB
"""A piece from this size on is cheaper to send by itself than to copy."""

RESPONSE_SIZE_MAX = 16 * MIB
"""Bytes of records in one response, give or take one batch, whatever the client asks for: a thousand consumers that
do not read hold no more than 16 GiB, and a consumer is not faster for larger ones."""


class Wanted(NamedTuple):
    """A partition of a fetch request; `epoch` is the leader's that the client knows, -1 for any."""

    partition: TopicPartition
    offset: int
    size_max: int
    epoch: int


class Fetched(NamedTuple):
    """What is answered for it; `more` if there is more to read already."""

    records: bytes
    bounds: Bounds
    code: ErrorCode
    more: bool = False


def handle_frame(frame: Frame, context: Context) -> Answer:
    """Answer once there is enough, or the client has waited for as long as it wanted to."""
    if len(frame.data) > LARGE_REQUEST_SIZE:
        return _fetch_large(frame, context)
    return _fetch(frame, read_request(frame.key, frame.version, frame.data, frame.position), context)


async def _fetch_large(frame: Frame, context: Context) -> list[bytes]:
    return await _fetch(frame, await read_in_thread(frame), context)


async def _fetch(frame: Frame, request: Any, context: Context) -> list[bytes]:
    code = _session_error(request)
    if code is not ErrorCode.none:
        count_error(_KEY, code, context)
        return _pack(frame, code, (), iter(()))
    wanted = _wanted(request, context)
    size_max = min(getattr(request, "max_bytes", RESPONSE_SIZE_MAX), RESPONSE_SIZE_MAX)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + request.max_wait.total_seconds()
    committed_only = request.isolation_level == _READ_COMMITTED
    while True:
        fetched = await _read_all(wanted, size_max, committed_only, context)
        size = sum([len(one.records) for one in fetched])
        left_s = deadline - loop.time()
        # Where there is more than fits, waiting adds nothing, even if min_bytes are more than may come at a time.
        full_or_failed = any(one.more or one.code is not ErrorCode.none for one in fetched)
        if size >= request.min_bytes or left_s <= 0 or full_or_failed or not wanted:
            return _pack(frame, code, request.topics, iter(fetched))
        try:
            await context.broker.wait_any(_ends(wanted, fetched), left_s)
        except LogMQError:  # a topic was dropped, or the broker stops: the next look is the last
            deadline = loop.time()


def _session_error(request: Any) -> ErrorCode:
    """A session that was never given out is not known, whatever its epoch."""
    if getattr(request, "session_id", _NO_SESSION) != _NO_SESSION:
        return ErrorCode.fetch_session_id_not_found
    if getattr(request, "session_epoch", -1) not in _NEW_SESSIONS:
        return ErrorCode.invalid_fetch_session_epoch
    return ErrorCode.none


def _wanted(request: Any, context: Context) -> list[Wanted | ErrorCode]:
    """All partitions in order; an error for those of topics whose id nobody has."""
    names = TopicNames(context.broker)
    wanted: list[Wanted | ErrorCode] = []
    for topic in request.topics:
        name = names.find(topic.topic_id or NO_ID) if hasattr(topic, "topic_id") else topic.topic
        if name is None:
            wanted += [ErrorCode.unknown_topic_id] * len(topic.partitions)
            continue
        for one in topic.partitions:
            epoch = getattr(one, "current_leader_epoch", -1)
            wanted.append(Wanted(TopicPartition(name, one.partition), one.fetch_offset, one.partition_max_bytes, epoch))
    return wanted


async def _read_all(
    wanted: list[Wanted | ErrorCode], size_max: int, committed_only: bool, context: Context
) -> list[Fetched]:
    """Read partition after partition until `size_max` bytes are there; the first batch comes whatever its size."""
    fetched: list[Fetched] = []
    left = size_max
    for number, one in enumerate(wanted):
        if isinstance(one, ErrorCode):
            count_error(_KEY, one, context)
            fetched.append(Fetched(b"", _NO_BOUNDS, one))
            continue
        at_least_one = left == size_max
        read = await _read(one, max(0, min(one.size_max, left)), at_least_one, committed_only, context)
        fetched.append(read)
        left -= len(read.records)
        if number % _TURN_PARTITION_COUNT == _TURN_PARTITION_COUNT - 1:
            await asyncio.sleep(0)
    return fetched


async def _read(wanted: Wanted, size_max: int, at_least_one: bool, committed_only: bool, context: Context) -> Fetched:
    broker = context.broker
    try:
        bounds = broker.bounds(wanted.partition)
        check_epoch(wanted.epoch, bounds.leader_epoch)
        if not bounds.log_start_offset <= wanted.offset <= bounds.high_watermark:
            raise OffsetOutOfRange(wanted.offset, bounds.log_start_offset, bounds.high_watermark)
        end = bounds.last_stable_offset if committed_only else bounds.high_watermark
        if wanted.offset >= end:
            return Fetched(b"", bounds, ErrorCode.none)
        if size_max <= 0 and not at_least_one:
            return Fetched(b"", bounds, ErrorCode.none, more=True)
        chunk = broker.read_nowait(wanted.partition, wanted.offset, size_max)
        if chunk is None:
            chunk = await broker.read(wanted.partition, wanted.offset, size_max)
        return Fetched(_records(wanted, chunk, end, context), bounds, ErrorCode.none, chunk.next_offset < end)
    except LogMQError as error:
        count_error(_KEY, code_of(error), context)
        return Fetched(b"", _NO_BOUNDS, code_of(error))


def _records(wanted: Wanted, chunk: Chunk, end: int, context: Context) -> bytes:
    """What was read as batches, up to the offset `end` for readers of what is decided only."""
    if not chunk.data:
        return b""
    if context.broker.topic(wanted.partition.topic).format is Format.PLAIN:
        return as_batch(chunk, context.clock.now_ms())
    if chunk.next_offset <= end:
        return chunk.data
    undecided = [position for position, header in batches.headers(chunk.data) if header.base_offset >= end]
    return chunk.data[: undecided[0]] if undecided else chunk.data


def _ends(wanted: list[Wanted | ErrorCode], fetched: list[Fetched]) -> dict[TopicPartition, int]:
    """Where each partition ended when it was looked at."""
    return {
        one.partition: have.bounds.high_watermark
        for one, have in zip(wanted, fetched, strict=True)
        if isinstance(one, Wanted)
    }


def _pack(frame: Frame, code: ErrorCode, topics: Any, fetched: Iterator[Fetched]) -> list[bytes]:
    """The response in the request's version: pieces, so that the records are not copied."""
    version = frame.version
    flexible = version >= _FLEXIBLE
    parts = [b"", _I32.pack(0)]
    if version >= 7:
        parts += (_I16.pack(code.value), _I32.pack(_NO_SESSION))
    parts.append(_count(len(topics), flexible))
    for topic in topics:
        if version >= _IDS_SINCE:
            parts.append((topic.topic_id or NO_ID).bytes)
        else:
            parts.append(compact_string(topic.topic) if flexible else string(topic.topic))
        parts.append(_count(len(topic.partitions), flexible))
        for one in topic.partitions:
            _pack_partition(parts, version, one.partition, next(fetched))
        if flexible:
            parts.append(b"\x00")
    if flexible:
        parts.append(b"\x00")
    return _gathered(frame, parts)


def _pack_partition(parts: list[bytes], version: int, index: int, fetched: Fetched) -> None:
    flexible = version >= _FLEXIBLE
    records, bounds, code, _ = fetched
    fixed = _PARTITION.pack(
        index, code.value, bounds.high_watermark, bounds.last_stable_offset, bounds.log_start_offset
    )
    parts.append(fixed if version >= 5 else fixed[:-8])
    parts.append(_count(0, flexible))  # aborted transactions
    if version >= 11:
        parts.append(_I32.pack(-1))  # preferred read replica
    parts.append(_count(len(records), flexible))
    parts.append(records)
    if flexible:
        parts.append(b"\x00")


def _gathered(frame: Frame, parts: list[bytes]) -> list[bytes]:
    """Small pieces joined, large ones as they are, the header in front."""
    parts[0] = response_header(frame, sum(map(len, parts)))
    gathered: list[bytes] = []
    small: list[bytes] = []
    for part in parts:
        if len(part) < _LARGE_PIECE_SIZE:
            small.append(part)
        else:
            gathered += (b"".join(small), part)
            small = []
    return [*gathered, b"".join(small)]


def _count(count: int, flexible: bool) -> bytes:
    return uvarint(count + 1) if flexible else _I32.pack(count)
