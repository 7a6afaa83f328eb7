"""Produce (0): batches are checked, handed to the broker as they came, and answered when they are committed.

acks=1 and acks=all (-1) mean the same: the commit that the sync mode promises. acks=0 has no answer, so a failure ends
the connection, which tells the client to look for what is wrong; Kafka does the same.

Request and response are read and packed by hand, since kio takes ten times as long for them as all the rest:

    topics array: name | partitions array: index i32 | error i16 | base offset i64 | log append time i64 (v2+)
      | log start offset i64 (v5+) | record errors array, error message nullable string (v8+) | tags (v9+)
    throttle time i32 (v1+), from v9 on with tags; arrays and strings are compact from v9 on
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from logmq.errors import LogMQError, MessageTooLarge, UnknownTopic
from logmq.model import Format, Octets, Topic, TopicPartition
from logmq.protocols.kafka.context import TOPICS_CREATED_MAX, Context
from logmq.protocols.kafka.counting import count_error
from logmq.protocols.kafka.dispatch import Answer, Response
from logmq.protocols.kafka.errors import InvalidRequiredAcks, code_of
from logmq.protocols.kafka.framing import BadFrame, Frame, respond
from logmq.protocols.kafka.packing import compact_string, string, uvarint
from logmq.protocols.kafka.plain import as_frames
from logmq.protocols.kafka.produce_request import PartitionData, ProduceRequest, read_produce
from logmq.records import batches
from logmq.storage.engine import Append, Appended, Appending, AppendResult, ProducerBatch

_KEY = 0
_FLEXIBLE = 9
_I32 = struct.Struct(">i")
_PARTITION = struct.Struct(">ihqqq")
_NO_APPEND_TIME = -1
_NO_ACKS = 0
_ACKS = frozenset({-1, _NO_ACKS, 1})
_LOG_APPEND_TIME = "LogAppendTime"


class Prepared(NamedTuple):
    """An append, and the time that the broker gave its records; -1 where they keep their own."""

    append: Append
    append_time_ms: int


class Outcome(NamedTuple):
    """What is answered for one partition; `slot` is its append's place in the call, or `error` why there is none."""

    partition_index: int
    slot: int
    append_time_ms: int
    error: LogMQError | None


Topics: TypeAlias = list[tuple[str, list[Outcome]]]


def handle_frame(frame: Frame, context: Context) -> Answer:
    """Append all partitions of a request in one call; topics that are not there are made first, where allowed."""
    request = read_produce(frame)
    if context.config.auto_create_topics:
        missing = [topic.name for topic in request.topics if not _exists(topic.name, context)]
        if missing:
            return _create_and_append(frame, request, missing, context)
    return _append(frame, request, context)


def _exists(name: str, context: Context) -> bool:
    try:
        context.broker.topic(name)
    except UnknownTopic:
        return False
    except LogMQError:
        pass  # what is wrong with it is said partition by partition
    return True


async def _create_and_append(
    frame: Frame, request: ProduceRequest, missing: list[str], context: Context
) -> Response | None:
    for name in missing[:TOPICS_CREATED_MAX]:
        try:
            await context.broker.ensure_topic(name, format=Format.BATCH)
        except LogMQError:
            break  # the append fails in the same way
    answer = _append(frame, request, context)
    if not isinstance(answer, _Appending):
        return answer
    await answer.appending
    return answer.result()


class _Appending:
    """The response to a request whose batches are on their way."""

    __slots__ = ("_context", "_frame", "_topics", "_wants_answer", "appending")

    def __init__(
        self, frame: Frame, context: Context, topics: Topics, wants_answer: bool, appending: Appending
    ) -> None:
        self._frame = frame
        self._context = context
        self._topics = topics
        self._wants_answer = wants_answer
        self.appending = appending

    def done(self) -> bool:
        """See `Later.done`."""
        return self.appending.done()

    def result(self) -> bytes | None:
        """See `Later.result`. Raises: BadFrame."""
        return _finish(self._frame, self._context, self._topics, self.appending.result(), self._wants_answer)

    def add_done_callback(self, callback: Callable[[Any], object], /) -> None:
        """See `Later.add_done_callback`."""
        self.appending.add_done_callback(callback)


def _append(frame: Frame, request: ProduceRequest, context: Context) -> _Appending | bytes | None:
    appends: list[Append] = []
    topics: Topics = []
    error = None if request.acks in _ACKS else InvalidRequiredAcks(request.acks)
    for name, partitions in request.topics:
        topics.append((name, [_outcome(appends, name, one, context, error) for one in partitions]))
    wants_answer = request.acks != _NO_ACKS
    if not appends:
        return _finish(frame, context, topics, [], wants_answer)
    try:
        return _Appending(frame, context, topics, wants_answer, context.broker.append(appends))
    except LogMQError as refused:
        return _finish(frame, context, topics, [refused] * len(appends), wants_answer)


def _outcome(
    appends: list[Append], name: str, data: PartitionData, context: Context, error: LogMQError | None
) -> Outcome:
    if error is None:
        try:
            prepared = _prepare(TopicPartition(name, data.partition), data.records, context)
        except LogMQError as refused:
            error = refused
        else:
            appends.append(prepared.append)
            return Outcome(data.partition, len(appends) - 1, prepared.append_time_ms, None)
    return Outcome(data.partition, -1, _NO_APPEND_TIME, error)


def _prepare(partition: TopicPartition, data: Octets, context: Context) -> Prepared:
    """Check what was sent for one partition. Raises: LogMQError."""
    topic = context.broker.check_producible(partition)
    found = batches.check(data)
    _check_batches(topic, found)
    if topic.format is Format.PLAIN:
        return Prepared(as_frames(partition, bytes(data), found, topic), _NO_APPEND_TIME)
    starts = [position for position, _ in found]
    offsets, offset = [], 0
    latest_ms, append_time_ms = found[0][1].max_timestamp_ms, _NO_APPEND_TIME
    for _, header in found:
        offsets.append(offset)
        offset += header.record_count
        latest_ms = max(latest_ms, header.max_timestamp_ms)
    if topic.settings.message_timestamp_type == _LOG_APPEND_TIME:
        append_time_ms = latest_ms = context.clock.now_ms()
        data = batches.with_append_time(data, starts, append_time_ms)
    return Prepared(Append(partition, data, starts, offsets, offset, latest_ms, _producer(found)), append_time_ms)


def _producer(found: list[tuple[int, batches.BatchHeader]]) -> ProducerBatch | None:
    first = found[0][1]
    if len(found) > 1 and any(header.producer_id >= 0 for _, header in found):
        raise batches.InvalidBatch("an idempotent producer sends one batch a partition and request")
    if first.producer_id < 0:
        return None
    return ProducerBatch(first.producer_id, first.producer_epoch, first.base_sequence, first.record_count)


def _check_batches(topic: Topic, found: list[tuple[int, batches.BatchHeader]]) -> None:
    limit = topic.settings.message_size_max_bytes
    for _, header in found:
        if header.size > limit + batches.HEADER_SIZE:
            raise MessageTooLarge(header.size, limit)
        if header.attributes & batches.TRANSACTIONAL and topic.format is Format.BATCH:
            raise batches.InvalidBatch("transactions are not supported yet; send without a transactional id")


def _finish(
    frame: Frame, context: Context, topics: Topics, results: list[AppendResult], wants_answer: bool
) -> bytes | None:
    """The response. Raises: BadFrame: something failed that nobody can be told."""
    if wants_answer:
        return _pack(frame, context, topics, results)
    for _, outcomes in topics:
        for outcome in outcomes:
            result = _result(outcome, results)
            if isinstance(result, LogMQError):
                count_error(_KEY, code_of(result), context)
                raise BadFrame(f"a Produce with acks=0 failed: {result}")
    return None


def _result(outcome: Outcome, results: list[AppendResult]) -> AppendResult:
    return results[outcome.slot] if outcome.error is None else outcome.error


def _pack(frame: Frame, context: Context, topics: Topics, results: list[AppendResult]) -> bytes:
    """The response in the request's version."""
    flexible = frame.version >= _FLEXIBLE
    parts = [uvarint(len(topics) + 1) if flexible else _I32.pack(len(topics))]
    for name, outcomes in topics:
        count = uvarint(len(outcomes) + 1) if flexible else _I32.pack(len(outcomes))
        parts += (compact_string(name) if flexible else string(name), count)
        parts += [_pack_partition(frame.version, context, outcome, _result(outcome, results)) for outcome in outcomes]
        if flexible:
            parts.append(b"\x00")
    parts.append(b"\x00\x00\x00\x00\x00" if flexible else b"\x00\x00\x00\x00")
    return respond(frame, b"".join(parts))


def _pack_partition(version: int, context: Context, outcome: Outcome, result: AppendResult) -> bytes:
    if isinstance(result, Appended):
        fixed = _PARTITION.pack(outcome.partition_index, 0, result.first_offset, outcome.append_time_ms, -1)
        message = None
    else:
        count_error(_KEY, code_of(result), context)
        fixed = _PARTITION.pack(outcome.partition_index, code_of(result).value, -1, _NO_APPEND_TIME, -1)
        message = str(result)
    if version < 5:
        return fixed[:-8]
    if version < 8:
        return fixed
    if version < _FLEXIBLE:
        return fixed + _I32.pack(0) + (b"\xff\xff" if message is None else string(message))
    return fixed + b"\x01" + (b"\x00" if message is None else compact_string(message)) + b"\x00"
