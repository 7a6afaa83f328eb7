"""DescribeProducers (61): the idempotent producers that partitions remember. Source: KIP-664."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from logmq.errors import LogMQError
from logmq.model import TopicPartition
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.messages import Fields
from logmq.protocols.kafka.refusal import SUCCESS, failure

_NONE = -1


async def handle(request: Any, context: Context) -> Fields:
    """The producers of each partition."""
    topics = []
    for topic in request.topics:
        partitions = [await _one(TopicPartition(topic.name, index), context) for index in topic.partition_indexes]
        topics.append({"name": topic.name, "partitions": partitions})
    return {"throttle_time": timedelta(0), "topics": topics}


async def _one(partition: TopicPartition, context: Context) -> Fields:
    try:
        producers = await context.broker.producers(partition)
    except LogMQError as error:
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
