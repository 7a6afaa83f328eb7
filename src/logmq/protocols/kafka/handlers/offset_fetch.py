"""OffsetFetch (9): how far groups have come, in the partitions asked for or in all.

No transaction holds offsets back yet, so that all of them are stable.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import groupby
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.broker.groups.member import NO_GENERATION
from logmq.broker.groups.offsets import NO_LEADER_EPOCH, CommittedOffset, check_group_name
from logmq.errors import LogMQError
from logmq.model import TopicPartition
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.group_errors import group_code, refusal_code
from logmq.protocols.kafka.messages import Fields

_NOTHING = CommittedOffset(-1, 0, "", NO_LEADER_EPOCH)


def handle(request: Any, context: Context) -> Fields:
    """One group before version 8, many from then on (KIP-709)."""
    groups = getattr(request, "groups", None)
    response: dict[str, Any] = {"throttle_time": timedelta(0)}
    if groups is None:
        return response | _of_group(request, context)
    return response | {"groups": [_of_group(group, context) for group in groups]}


def _of_group(wanted: Any, context: Context) -> dict[str, Any]:
    group = wanted.group_id
    try:
        check_group_name(group)
    except LogMQError as error:
        return {"group_id": group, "error_code": group_code(error), "topics": []}
    member_id, epoch = getattr(wanted, "member_id", None) or "", getattr(wanted, "member_epoch", NO_GENERATION)
    refusal = context.broker.groups.check_reader(group, member_id, epoch)
    if refusal is not None:
        return {"group_id": group, "error_code": refusal_code(refusal), "topics": []}
    committed = context.broker.groups.offsets.of_group(group)
    topics: list[tuple[str, Iterable[int]]]
    if wanted.topics is None:
        topics = [
            (topic, [one.index for one in partitions])
            for topic, partitions in groupby(sorted(committed), key=lambda one: one.topic)
        ]
    else:
        topics = [(topic.name, topic.partition_indexes) for topic in wanted.topics]
    answered = [
        {
            "name": topic,
            "partitions": [
                _partition(index, committed.get(TopicPartition(topic, index), _NOTHING)) for index in indexes
            ],
        }
        for topic, indexes in topics
    ]
    return {"group_id": group, "error_code": ErrorCode.none, "topics": answered}


def _partition(index: int, committed: CommittedOffset) -> Fields:
    return {
        "partition_index": index,
        "committed_offset": committed.offset,
        "committed_leader_epoch": committed.leader_epoch,
        "metadata": committed.metadata,
        "error_code": ErrorCode.none,
    }
