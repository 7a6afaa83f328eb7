"""DescribeTopicPartitions (75): topics and their partitions, so many at a time. Source: KIP-966.

Topics are in the order of their names. Where the limit cuts the answer off, its cursor says with which partition the
next request goes on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError
from logmq.limits import DESCRIBED_PARTITIONS_MAX
from logmq.model import Topic
from logmq.protocols.kafka.context import BROKER_ID, Context
from logmq.protocols.kafka.errors import code_of
from logmq.protocols.kafka.messages import Fields
from logmq.protocols.kafka.topic_ids import NO_ID, topic_id

_OPERATIONS = sum(1 << operation for operation in (3, 4, 5, 6, 7, 8, 10, 11))
"""Read, write, create, delete, alter, describe, describe and alter configs: everyone who gets in may do everything."""


def handle(request: Any, context: Context) -> Fields:
    """Describe topics, from the cursor on if there is one, up to the limit."""
    first_topic, first_partition = _cursor(request.cursor)
    room = max(1, min(request.response_partition_limit, DESCRIBED_PARTITIONS_MAX))
    names = {wanted.name for wanted in request.topics} or {topic.name for topic in context.broker.topics()}
    described: list[Fields] = []
    for name in sorted(name for name in names if name >= first_topic):
        if not room:
            return _response(described, {"topic_name": name, "partition_index": 0})
        try:
            topic = context.broker.topic(name)
        except LogMQError as error:
            described.append(_failed(name, code_of(error)))
            continue
        start = first_partition if name == first_topic else 0
        end = min(start + room, topic.partition_count)
        described.append(_described(topic, range(start, end)))
        if end < topic.partition_count:
            return _response(described, {"topic_name": name, "partition_index": end})
        room -= max(0, end - start)
    return _response(described, None)


def _cursor(cursor: Any) -> tuple[str, int]:
    return ("", 0) if cursor is None else (cursor.topic_name, max(0, cursor.partition_index))


def _response(topics: list[Fields], cursor: Fields | None) -> Fields:
    return {"throttle_time": timedelta(0), "topics": topics, "next_cursor": cursor}


def _failed(name: str, code: ErrorCode) -> Fields:
    return {"error_code": code, "name": name, "topic_id": NO_ID, "is_internal": False, "partitions": ()}


def _described(topic: Topic, indexes: range) -> Fields:
    return {
        "error_code": ErrorCode.none,
        "name": topic.name,
        "topic_id": topic_id(topic),
        "is_internal": topic.internal,
        "partitions": list(map(_partition, indexes)),
        "topic_authorized_operations": _OPERATIONS,
    }


def _partition(index: int) -> Fields:
    return {
        "error_code": ErrorCode.none,
        "partition_index": index,
        "leader_id": BROKER_ID,
        "leader_epoch": 0,
        "replica_nodes": (BROKER_ID,),
        "isr_nodes": (BROKER_ID,),
        "eligible_leader_replicas": (),
        "last_known_elr": (),
        "offline_replicas": (),
    }
