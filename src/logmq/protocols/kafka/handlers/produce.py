"""Produce (0): batches are checked, handed to the broker as they came, and answered when they are committed.

The response is packed by hand, since building it with kio takes ten times as long as all the rest:

    topics array: name | partitions array: index i32 | error i16 | base offset i64 | log append time i64 (v2+)
      | log start offset i64 (v5+) | record errors array, error message nullable string (v8+) | tags (v9+)
    throttle time i32 (v1+), from v9 on with tags; arrays and strings are compact from v9 on
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any, NamedTuple

from logmq.errors import LogMQError, MessageTooLarge, Unavailable
from logmq.model import Format, Topic, TopicPartition
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.dispatch import Answer
from logmq.protocols.kafka.errors import code_of
from logmq.protocols.kafka.framing import Frame, respond
from logmq.protocols.kafka.messages import read_request
from logmq.protocols.kafka.packing import compact_string, string, uvarint
from logmq.protocols.kafka.plain import as_frames
from logmq.records import batches
from logmq.storage.engine import Append, Appended, AppendResult, ProducerBatch

_FLEXIBLE = 9
_I32 = struct.Struct(">i")
_PARTITION = struct.Struct(">ihqqq")
_NO_APPEND_TIME = -1
_NO_ACKS = 0


class Outcome(NamedTuple):
    """What is answered for one partition; `slot` is its append's place in the call, or `error` why there is none."""

    partition_index: int
    slot: int
    error: LogMQError | None


def handle_frame(frame: Frame, context: Context) -> Answer:
    """Append all partitions of a request in one call."""
    request = read_request(frame.key, frame.version, frame.data, frame.position)
    appends: list[Append] = []
    topics: list[tuple[str, list[Outcome]]] = []
    for data in request.topic_data:
        outcomes = [_prepare(appends, data.name, one, context) for one in data.partition_data]
        topics.append((data.name, outcomes))
    wants_answer = request.acks != _NO_ACKS
    if not appends:
        return _pack(frame, topics, []) if wants_answer else None
    return _answer_later(frame, topics, context.broker.append(appends), wants_answer)


def _answer_later(
    frame: Frame,
    topics: list[tuple[str, list[Outcome]]],
    appended: asyncio.Future[list[AppendResult]],
    wants_answer: bool,
) -> asyncio.Future[bytes | None]:
    answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

    def committed(results: asyncio.Future[list[AppendResult]]) -> None:
        if not answer.done():
            answer.set_result(_pack(frame, topics, results.result()) if wants_answer else None)

    appended.add_done_callback(committed)
    return answer


def _prepare(appends: list[Append], name: str, data: Any, context: Context) -> Outcome:
    partition = TopicPartition(name, data.index)
    try:
        append = _append_of(partition, bytes(data.records or b""), context)
    except LogMQError as error:
        return Outcome(data.index, -1, error)
    appends.append(append)
    return Outcome(data.index, len(appends) - 1, None)


def _append_of(partition: TopicPartition, data: bytes, context: Context) -> Append:
    """Check what was sent for one partition. Raises: LogMQError."""
    topic = context.broker.check_producible(partition)
    found = batches.check(data)
    _check_sizes(topic, found)
    if topic.format is Format.PLAIN:
        return as_frames(partition, data, found, topic)
    starts = [position for position, _ in found]
    offsets, offset = [], 0
    for _, header in found:
        offsets.append(offset)
        offset += header.record_count
    producer = None
    first = found[0][1]
    if first.producer_id >= 0:
        if len(found) > 1:
            raise batches.InvalidBatch("an idempotent producer sends one batch a partition and request")
        producer = ProducerBatch(first.producer_id, first.producer_epoch, first.base_sequence, first.record_count)
    latest_ms = max([header.max_timestamp_ms for _, header in found])
    return Append(partition, data, starts, offsets, offset, latest_ms, producer)


def _check_sizes(topic: Topic, found: list[tuple[int, batches.BatchHeader]]) -> None:
    limit = topic.settings.message_size_max_bytes
    for _, header in found:
        if header.size > limit + batches.HEADER_SIZE:
            raise MessageTooLarge(header.size, limit)


def _pack(frame: Frame, topics: list[tuple[str, list[Outcome]]], results: list[AppendResult]) -> bytes:
    """The response in the request's version."""
    flexible = frame.version >= _FLEXIBLE
    parts = [uvarint(len(topics) + 1) if flexible else _I32.pack(len(topics))]
    for name, outcomes in topics:
        count = uvarint(len(outcomes) + 1) if flexible else _I32.pack(len(outcomes))
        parts += (compact_string(name) if flexible else string(name), count)
        for outcome in outcomes:
            result = outcome.error or (results[outcome.slot] if results else Unavailable("nothing was appended"))
            parts.append(_pack_partition(frame.version, outcome.partition_index, result))
        if flexible:
            parts.append(b"\x00")
    parts.append(_I32.pack(0))
    if flexible:
        parts.append(b"\x00")
    return respond(frame, b"".join(parts))


def _pack_partition(version: int, index: int, result: AppendResult) -> bytes:
    if isinstance(result, Appended):
        fixed = _PARTITION.pack(index, 0, result.first_offset, _NO_APPEND_TIME, 0)
        message = None
    else:
        fixed = _PARTITION.pack(index, code_of(result).value, -1, _NO_APPEND_TIME, -1)
        message = str(result)
    if version < 5:
        return fixed[:-8]
    if version < 8:
        return fixed
    if version < _FLEXIBLE:
        return fixed + _I32.pack(0) + (b"\xff\xff" if message is None else string(message))
    return fixed + b"\x01" + (b"\x00" if message is None else compact_string(message)) + b"\x00"
