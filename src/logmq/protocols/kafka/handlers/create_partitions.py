"""CreatePartitions (37): more partitions for topics that are there. Source: KIP-195."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.errors import InternalTopic, InvalidPartitionCount, LogMQError
from logmq.limits import PARTITION_COUNT_MAX
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.handlers.create_topics import check_assignment
from logmq.protocols.kafka.messages import Fields
from logmq.protocols.kafka.refusal import SUCCESS, Refusal, failure, repeated


async def handle(request: Any, context: Context) -> Fields:
    """Let one topic after the other grow."""
    twice = repeated(wanted.name for wanted in request.topics)
    once = {wanted.name: wanted for wanted in request.topics}.values()
    results = [await _one(wanted, wanted.name in twice, request.validate_only, context) for wanted in once]
    return {"throttle_time": timedelta(0), "results": results}


async def _one(wanted: Any, twice: bool, validate_only: bool, context: Context) -> Fields:
    try:
        if twice:
            raise Refusal(ErrorCode.invalid_request, "Duplicate topic name.")
        _check(wanted, context)
        if not validate_only:
            await context.broker.alter_topic(wanted.name, partition_count=wanted.count)
    except (LogMQError, Refusal) as error:
        return {"name": wanted.name, **failure(error)}
    return {"name": wanted.name, **SUCCESS}


def _check(wanted: Any, context: Context) -> None:
    """Raises: UnknownTopic, InvalidTopicName, InternalTopic, InvalidPartitionCount, Refusal."""
    topic = context.broker.topic(wanted.name)
    if topic.internal:
        raise InternalTopic(topic.name)
    before = topic.partition_count
    if wanted.count == before:
        raise Refusal(ErrorCode.invalid_partitions, f"Topic already has {before} partition(s).")
    if wanted.count < before:
        raise Refusal(
            ErrorCode.invalid_partitions,
            f"The topic {topic.name} currently has {before} partition(s); {wanted.count} would not be an increase.",
        )
    if wanted.count > PARTITION_COUNT_MAX:
        raise InvalidPartitionCount(wanted.count, f"a topic has 1 to {PARTITION_COUNT_MAX} partitions")
    if wanted.assignments is None:
        return
    if len(wanted.assignments) != wanted.count - before:
        raise Refusal(
            ErrorCode.invalid_replica_assignment,
            f"{wanted.count - before} partition(s) would be added, {len(wanted.assignments)} are assigned.",
        )
    for assignment in wanted.assignments:
        check_assignment(assignment.broker_ids)
