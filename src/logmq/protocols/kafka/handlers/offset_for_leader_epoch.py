"""OffsetForLeaderEpoch (23): where the records of a leader's epoch end, so that a client notices a log that was cut.

There is one epoch, 0, which ends at the high watermark. Source: KIP-101, KIP-279, KIP-320.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError
from logmq.model import TopicPartition
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.errors import code_of
from logmq.protocols.kafka.messages import Fields

_UNDEFINED = -1


def handle(request: Any, context: Context) -> Fields:
    """Look up one epoch a partition."""
    topics = [
        {"topic": topic.topic, "partitions": [_one(topic.topic, one, context) for one in topic.partitions]}
        for topic in request.topics
    ]
    return {"throttle_time": timedelta(0), "topics": topics}


def _one(topic: str, wanted: Any, context: Context) -> Fields:
    try:
        bounds = context.broker.bounds(TopicPartition(topic, wanted.partition))
    except LogMQError as error:
        return _response(wanted, code_of(error), _UNDEFINED, _UNDEFINED)
    epoch = bounds.leader_epoch
    if _UNDEFINED != wanted.current_leader_epoch != epoch:
        is_older = wanted.current_leader_epoch < epoch
        code = ErrorCode.fenced_leader_epoch if is_older else ErrorCode.unknown_leader_epoch
        return _response(wanted, code, _UNDEFINED, _UNDEFINED)
    if wanted.leader_epoch != epoch:
        return _response(wanted, ErrorCode.none, _UNDEFINED, _UNDEFINED)
    return _response(wanted, ErrorCode.none, epoch, bounds.high_watermark)


def _response(wanted: Any, code: ErrorCode, epoch: int, end_offset: int) -> Fields:
    return {"error_code": code, "partition": wanted.partition, "leader_epoch": epoch, "end_offset": end_offset}
