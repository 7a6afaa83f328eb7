"""OffsetCommit (8): how far a group has come. Answered when it is durable."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.broker.groups.member import NO_GENERATION, Caller
from logmq.broker.groups.offsets import NO_LEADER_EPOCH, CommittedOffset
from logmq.errors import LogMQError
from logmq.limits import OFFSET_METADATA_SIZE_MAX
from logmq.model import TopicPartition
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.group_errors import group_code, refusal_code
from logmq.protocols.kafka.messages import Fields


async def handle(request: Any, context: Context) -> Fields:
    """Store all partitions of a request in one commit; those that cannot be stored have errors of their own."""
    now_ms = context.clock.now_ms()
    offsets: dict[TopicPartition, CommittedOffset] = {}
    codes: list[list[ErrorCode]] = []
    for topic in request.topics:
        codes.append([_take(offsets, topic.name, one, now_ms, context) for one in topic.partitions])
    code = await _commit(request, offsets, context)
    topics = [
        {
            "name": topic.name,
            "partitions": [
                # An error of the whole request says more to a client than one of a partition.
                {"partition_index": one.partition_index, "error_code": own if code is ErrorCode.none else code}
                for one, own in zip(topic.partitions, topic_codes, strict=True)
            ],
        }
        for topic, topic_codes in zip(request.topics, codes, strict=True)
    ]
    return {"throttle_time": timedelta(0), "topics": topics}


def _take(
    offsets: dict[TopicPartition, CommittedOffset], topic: str, one: Any, now_ms: int, context: Context
) -> ErrorCode:
    """Add a partition to those that are stored, or say why not."""
    partition = TopicPartition(topic, one.partition_index)
    metadata = one.committed_metadata or ""
    if len(metadata.encode()) > OFFSET_METADATA_SIZE_MAX:
        return ErrorCode.offset_metadata_too_large
    if one.committed_offset < 0:
        return ErrorCode.invalid_request
    try:
        context.broker.check_partition(partition)
    except LogMQError as error:
        return group_code(error)
    leader_epoch = getattr(one, "committed_leader_epoch", NO_LEADER_EPOCH)
    offsets[partition] = CommittedOffset(one.committed_offset, now_ms, metadata, leader_epoch)
    return ErrorCode.none


async def _commit(request: Any, offsets: dict[TopicPartition, CommittedOffset], context: Context) -> ErrorCode:
    caller = Caller(request.member_id, getattr(request, "group_instance_id", None))
    # The field was renamed in version 9.
    generation = getattr(request, "generation_id_or_member_epoch", getattr(request, "generation_id", NO_GENERATION))
    try:
        return refusal_code(await context.broker.groups.commit(request.group_id, caller, generation, offsets))
    except LogMQError as error:
        return group_code(error)
