"""ListOffsets (2): the first and the last offset, or the first one at or after a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError
from logmq.model import TopicPartition
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.errors import UnknownTime, check_epoch, code_of
from logmq.protocols.kafka.messages import Fields

_LATEST = -1
_EARLIEST = -2
_LARGEST_TIME = -3
"""KIP-734."""
_EARLIEST_LOCAL = -4
"""KIP-405: all records are local."""
_READ_COMMITTED = 1
_NOT_FOUND = (-1, -1)
_TURN_PARTITION_COUNT = 500
"""Partitions looked up in one go, before other clients get their turn."""


async def handle(request: Any, context: Context) -> Fields:
    """Look up one offset a partition."""
    committed_only = getattr(request, "isolation_level", 0) == _READ_COMMITTED
    topics: list[Fields] = []
    count = 0
    for topic in request.topics:
        partitions = []
        for one in topic.partitions:
            partitions.append(await _look_up(topic.name, one, committed_only, context))
            count += 1
            if count % _TURN_PARTITION_COUNT == 0:
                await asyncio.sleep(0)
        topics.append({"name": topic.name, "partitions": partitions})
    return {"throttle_time": timedelta(0), "topics": topics}


async def _look_up(topic: str, wanted: Any, committed_only: bool, context: Context) -> Fields:
    partition = TopicPartition(topic, wanted.partition_index)
    code, offset, timestamp, epoch = ErrorCode.none, -1, -1, -1
    try:
        bounds = context.broker.bounds(partition)
        check_epoch(getattr(wanted, "current_leader_epoch", -1), bounds.leader_epoch)
        if wanted.timestamp == _LATEST:
            offset = bounds.last_stable_offset if committed_only else bounds.high_watermark
        elif wanted.timestamp in {_EARLIEST, _EARLIEST_LOCAL}:
            offset = bounds.log_start_offset
        else:
            offset, timestamp = await _by_time(partition, wanted.timestamp, context)
        epoch = bounds.leader_epoch
    except LogMQError as error:
        code = code_of(error)
    return {
        "partition_index": wanted.partition_index,
        "error_code": code,
        "timestamp": timestamp,
        "offset": offset,
        "leader_epoch": epoch,
    }


async def _by_time(partition: TopicPartition, timestamp: int, context: Context) -> tuple[int, int]:
    """The first record at or after a time, or the first of those that have the largest one."""
    if timestamp == _LARGEST_TIME:
        latest_ms = context.broker.statistics(partition).last_append_ms
        return _NOT_FOUND if latest_ms is None else await context.broker.find_timestamp(partition, latest_ms)
    if timestamp < 0:
        raise UnknownTime(timestamp)
    return await context.broker.find_timestamp(partition, timestamp)
