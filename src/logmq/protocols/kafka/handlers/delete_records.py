"""DeleteRecords (21): partitions begin later. Durable when it is answered. Source: KIP-107."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError, OffsetOutOfRange
from logmq.model import TopicPartition
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.messages import Fields
from logmq.protocols.kafka.refusal import Refusal, failure

_HIGH_WATERMARK = -1


async def handle(request: Any, context: Context) -> Fields:
    """Trim one partition after the other."""
    topics = []
    for topic in request.topics:
        partitions = [
            await _one(TopicPartition(topic.name, one.partition_index), one.offset, context) for one in topic.partitions
        ]
        topics.append({"name": topic.name, "partitions": partitions})
    return {"throttle_time": timedelta(0), "topics": topics}


async def _one(partition: TopicPartition, offset: int, context: Context) -> Fields:
    try:
        low_watermark = await _trim(partition, offset, context)
    except (LogMQError, Refusal) as error:
        code = failure(error)["error_code"]
        return {"partition_index": partition.index, "low_watermark": -1, "error_code": code}
    return {"partition_index": partition.index, "low_watermark": low_watermark, "error_code": ErrorCode.none}


async def _trim(partition: TopicPartition, offset: int, context: Context) -> int:
    topic = context.broker.check_producible(partition)
    if not topic.settings.may_delete:
        raise Refusal(ErrorCode.policy_violation, "cleanup.policy does not allow to delete records")
    bounds = context.broker.bounds(partition)
    end = bounds.high_watermark
    if offset != _HIGH_WATERMARK and not 0 <= offset <= end:
        raise OffsetOutOfRange(offset, bounds.log_start_offset, end)
    return await context.broker.trim(partition, end if offset == _HIGH_WATERMARK else offset)
