"""Metadata (3): brokers, topics and who leads their partitions. Creates topics that are asked for, where allowed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError
from logmq.model import Format, Topic
from logmq.protocols.kafka.context import BROKER_ID, Context
from logmq.protocols.kafka.errors import code_of
from logmq.protocols.kafka.messages import Fields
from logmq.protocols.kafka.topic_ids import NO_ID, name_of, topic_id

_ALL_OPERATIONS_UNKNOWN = -(2**31)


async def handle(request: Any, context: Context) -> Fields:
    """All topics where none are named, else those named, made if they are not there and may be made."""
    if request.topics is None or (not request.topics and not hasattr(request, "allow_auto_topic_creation")):
        topics = [_described(topic) for topic in context.broker.topics()]
    else:
        create = getattr(request, "allow_auto_topic_creation", True)
        topics = [await _asked_for(wanted, context, create=create) for wanted in request.topics]
    return {
        "throttle_time": timedelta(0),
        "brokers": [{"node_id": BROKER_ID, "host": context.host, "port": context.port, "rack": None}],
        "cluster_id": context.cluster_id,
        "controller_id": BROKER_ID,
        "topics": topics,
        "cluster_authorized_operations": _ALL_OPERATIONS_UNKNOWN,
    }


async def _asked_for(wanted: Any, context: Context, *, create: bool) -> Fields:
    name = wanted.name
    wanted_id = getattr(wanted, "topic_id", None) or NO_ID
    if name is None:
        name = name_of(wanted_id, context.broker)
        if name is None:
            return _failed(None, wanted_id, ErrorCode.unknown_topic_id)
    try:
        topic = await context.broker.ensure_topic(name, format=Format.BATCH) if create else context.broker.topic(name)
    except LogMQError as error:
        return _failed(name, NO_ID, code_of(error))
    return _described(topic)


def _failed(name: str | None, wanted_id: object, code: ErrorCode) -> Fields:
    return {
        "error_code": code,
        "name": name,
        "topic_id": wanted_id,
        "is_internal": False,
        "partitions": (),
        "topic_authorized_operations": _ALL_OPERATIONS_UNKNOWN,
    }


def _described(topic: Topic) -> Fields:
    partitions = [
        {
            "error_code": ErrorCode.none,
            "partition_index": index,
            "leader_id": BROKER_ID,
            "leader_epoch": 0,
            "replica_nodes": (BROKER_ID,),
            "isr_nodes": (BROKER_ID,),
            "offline_replicas": (),
        }
        for index in range(topic.partition_count)
    ]
    return {
        "error_code": ErrorCode.none,
        "name": topic.name,
        "topic_id": topic_id(topic),
        "is_internal": topic.internal,
        "partitions": partitions,
        "topic_authorized_operations": _ALL_OPERATIONS_UNKNOWN,
    }
