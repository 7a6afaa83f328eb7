"""CreateTopics (19): topics with their partitions and settings, or with `validate_only` whether they could be made.

Source: KIP-4, KIP-464 (defaults by -1), KIP-525 (what was made is described), KIP-516 (ids).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError
from logmq.kept_settings import parse_overrides
from logmq.limits import ADMIN_ITEMS_MAX
from logmq.model import Format
from logmq.protocols.kafka import configs
from logmq.protocols.kafka.context import BROKER_ID, Context
from logmq.protocols.kafka.messages import Fields
from logmq.protocols.kafka.refusal import SUCCESS, Refusal, failure, repeated, too_many
from logmq.protocols.kafka.topic_ids import NO_ID, topic_id

DEFAULT = -1


async def handle(request: Any, context: Context) -> Fields:
    """Make one topic after the other; one that cannot be made does not keep the others from it."""
    twice = repeated(wanted.name for wanted in request.topics)
    once = list({wanted.name: wanted for wanted in request.topics}.values())
    topics = [await _one(wanted, twice, request.validate_only, context) for wanted in once[:ADMIN_ITEMS_MAX]]
    topics += [_refused(wanted, too_many()) for wanted in once[ADMIN_ITEMS_MAX:]]
    return {"throttle_time": timedelta(0), "topics": topics}


async def _one(wanted: Any, twice: set[str], validate_only: bool, context: Context) -> Fields:
    try:
        if wanted.name in twice:
            raise Refusal(ErrorCode.invalid_request, "Duplicate topic name.")
        overrides = _overrides(wanted)
        partition_count = _partition_count(wanted)
        if validate_only:
            count = context.broker.check_new_topic(wanted.name, partition_count=partition_count, overrides=overrides)
            made_id, described = NO_ID, configs.describe_new_topic(parse_overrides(overrides), context.config)
        else:
            topic = await context.broker.create_topic(
                wanted.name, format=Format.BATCH, partition_count=partition_count, overrides=overrides
            )
            made_id, count = topic_id(topic), topic.partition_count
            described = configs.describe_topic(topic, context.config)
    except (LogMQError, Refusal) as error:
        return _refused(wanted, error)
    return {
        "name": wanted.name,
        "topic_id": made_id,
        "num_partitions": count,
        "replication_factor": 1,
        "configs": described,
        **SUCCESS,
    }


def _refused(wanted: Any, error: LogMQError | Refusal) -> Fields:
    return {"name": wanted.name, "topic_id": NO_ID, "configs": None, **failure(error)}


def _overrides(wanted: Any) -> dict[str, str]:
    missing = [config.name for config in wanted.configs if config.value is None]
    if missing:
        raise Refusal(ErrorCode.invalid_config, f"Null value not supported for topic configs: {', '.join(missing)}")
    return {config.name: config.value for config in wanted.configs}


def _partition_count(wanted: Any) -> int | None:
    """How many partitions are asked for, None for as many as is usual. Raises: Refusal."""
    if wanted.assignments:
        return _assigned_count(wanted)
    if wanted.replication_factor == 0 or wanted.replication_factor < DEFAULT:
        raise Refusal(
            ErrorCode.invalid_replication_factor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        )
    if wanted.replication_factor > 1:
        raise Refusal(
            ErrorCode.invalid_replication_factor,
            f"Unable to replicate the partition {wanted.replication_factor} time(s): there is one broker.",
        )
    if wanted.num_partitions == 0 or wanted.num_partitions < DEFAULT:
        raise Refusal(
            ErrorCode.invalid_partitions,
            "Number of partitions must be larger than 0, or -1 to use the default value.",
        )
    return None if wanted.num_partitions == DEFAULT else int(wanted.num_partitions)


def _assigned_count(wanted: Any) -> int:
    if wanted.replication_factor != DEFAULT or wanted.num_partitions != DEFAULT:
        raise Refusal(
            ErrorCode.invalid_request,
            "A manual partition assignment was specified: partition count and replication factor must be -1.",
        )
    indexes = sorted(one.partition_index for one in wanted.assignments)
    if indexes != list(range(len(indexes))):
        raise Refusal(
            ErrorCode.invalid_replica_assignment, "Assigned partitions should be consecutive 0-based integers."
        )
    for one in wanted.assignments:
        check_assignment(one.broker_ids)
    return len(indexes)


def check_assignment(broker_ids: Any) -> None:
    """Check that a partition is assigned to the one broker that there is. Raises: Refusal."""
    if tuple(broker_ids) != (BROKER_ID,):
        raise Refusal(
            ErrorCode.invalid_replica_assignment, f"The only broker is {BROKER_ID}, not {list(map(int, broker_ids))}."
        )
