"""OffsetDelete (47): forget what a group committed for topics that it no longer reads (KIP-496)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.broker.groups.refusal import Refusal
from logmq.errors import LogMQError
from logmq.model import TopicPartition
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.group_errors import group_code, refusal_code
from logmq.protocols.kafka.messages import Fields


async def handle(request: Any, context: Context) -> Fields:
    """Answered when they are gone for good."""
    codes: dict[TopicPartition, ErrorCode] = {}
    for topic in request.topics:
        for one in topic.partitions:
            partition = TopicPartition(topic.name, one.partition_index)
            codes[partition] = _check(partition, context)
    existing = [partition for partition, code in codes.items() if code is ErrorCode.none]
    try:
        kept = await context.broker.groups.forget_offsets(request.group_id, existing)
    except LogMQError as error:
        return _response(group_code(error), [])
    if isinstance(kept, Refusal):
        return _response(refusal_code(kept), [])
    codes.update(dict.fromkeys(kept, refusal_code(Refusal.SUBSCRIBED)))
    topics = [
        {
            "name": topic.name,
            "partitions": [
                {
                    "partition_index": one.partition_index,
                    "error_code": codes[TopicPartition(topic.name, one.partition_index)],
                }
                for one in topic.partitions
            ],
        }
        for topic in request.topics
    ]
    return _response(ErrorCode.none, topics)


def _check(partition: TopicPartition, context: Context) -> ErrorCode:
    try:
        context.broker.check_partition(partition)
    except LogMQError as error:
        return group_code(error)
    return ErrorCode.none


def _response(code: ErrorCode, topics: Sequence[Fields]) -> Fields:
    return {"error_code": code, "throttle_time": timedelta(0), "topics": topics}
