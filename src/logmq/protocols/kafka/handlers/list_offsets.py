"""ListOffsets (2): the first and the last offset, or the first one at or after a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError
from logmq.model import TopicPartition
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.errors import code_of
from logmq.protocols.kafka.messages import Fields

_LATEST = -1
_EARLIEST = -2
_LARGEST_TIME = -3
_EARLIEST_LOCAL = -4


async def handle(request: Any, context: Context) -> Fields:
    """Look up one offset a partition."""
    topics = []
    for topic in request.topics:
        partitions = [await _look_up(topic.name, one, context) for one in topic.partitions]
        topics.append({"name": topic.name, "partitions": partitions})
    return {"throttle_time": timedelta(0), "topics": topics}


async def _look_up(topic: str, wanted: Any, context: Context) -> Fields:
    partition = TopicPartition(topic, wanted.partition_index)
    code, offset, timestamp = ErrorCode.none, -1, -1
    try:
        offset, timestamp = await _offset(partition, wanted.timestamp, context)
    except LogMQError as error:
        code = code_of(error)
    return {
        "partition_index": wanted.partition_index,
        "error_code": code,
        "timestamp": timestamp,
        "offset": offset,
        "leader_epoch": 0 if code is ErrorCode.none else -1,
    }


async def _offset(partition: TopicPartition, timestamp: int, context: Context) -> tuple[int, int]:
    bounds = context.broker.bounds(partition)
    if timestamp == _LATEST:
        return bounds.high_watermark, -1
    if timestamp in {_EARLIEST, _EARLIEST_LOCAL}:
        return bounds.log_start_offset, -1
    return await context.broker.find_timestamp(partition, timestamp)
