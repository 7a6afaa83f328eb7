"""DescribeProducers (61): the idempotent producers that partitions remember. Source: KIP-664."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError
from logmq.model import TopicPartition
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.messages import Fields
from logmq.protocols.kafka.refusal import SUCCESS, Refusal, failure

_NONE = -1


async def handle(request: Any, context: Context) -> Fields:
    """The producers of each partition."""
    topics = []
    seen: set[TopicPartition] = set()
    for topic in request.topics:
        partitions = [await _one(TopicPartition(topic.name, index), seen, context) for index in topic.partition_indexes]
        topics.append({"name": topic.name, "partitions": partitions})
    return {"throttle_time": timedelta(0), "topics": topics}


async def _one(partition: TopicPartition, seen: set[TopicPartition], context: Context) -> Fields:
    try:
        if partition in seen:  # a partition may have many producers: they are not multiplied
            raise Refusal(ErrorCode.invalid_request, "Each partition must appear at most once.")
        seen.add(partition)
        producers = await context.broker.producers(partition)
    except (LogMQError, Refusal) as error:
        return {"partition_index": partition.index, "active_producers": (), **failure(error)}
    active = [
        {
            "producer_id": producer.producer_id,
            "producer_epoch": producer.epoch,
            "last_sequence": producer.last_sequence,
            "last_timestamp": producer.last_timestamp_ms,
            "coordinator_epoch": _NONE,
            "current_txn_start_offset": _NONE,
        }
        for producer in producers
    ]
    return {"partition_index": partition.index, "active_producers": active, **SUCCESS}
