"""ConsumerGroupDescribe (69): consumer groups (KIP-848) with their members, what each has and what each is to have."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.broker.groups.consumer_group import ConsumerGroup
from logmq.broker.groups.consumer_member import ConsumerMember
from logmq.broker.groups.offsets import check_group_name
from logmq.errors import LogMQError
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.group_errors import group_code
from logmq.protocols.kafka.handlers.consumer_group_heartbeat import topic_partitions
from logmq.protocols.kafka.messages import Fields

_ALL_OPERATIONS_UNKNOWN = -(2**31)
_OF_CLASSIC_PROTOCOL = 0
_OF_CONSUMER_PROTOCOL = 1


def handle(request: Any, context: Context) -> Fields:
    """Groups in the order of the request; one of the classic protocol is not found here, as admin clients expect."""
    return {"throttle_time": timedelta(0), "groups": [_describe(name, context) for name in request.group_ids]}


def _describe(name: str, context: Context) -> Fields:
    try:
        group = context.broker.groups.consumers.get(check_group_name(name))
    except LogMQError as error:
        return _failure(name, group_code(error), str(error))
    if group is None:
        return _failure(name, ErrorCode.group_id_not_found, f"group {name} is not a consumer group")
    return {
        "error_code": ErrorCode.none,
        "error_message": None,
        "group_id": name,
        "group_state": group.state.value,
        "group_epoch": group.epoch,
        "assignment_epoch": group.epoch,
        "assignor_name": group.assignor,
        "members": [_member(member, group, context) for member in group.members.values()],
        "authorized_operations": _ALL_OPERATIONS_UNKNOWN,
    }


def _member(member: ConsumerMember, group: ConsumerGroup, context: Context) -> Fields:
    target = group.target.get(member.member_id, frozenset())
    return {
        "member_id": member.member_id,
        "instance_id": member.instance_id,
        "rack_id": member.rack_id,
        "member_epoch": member.epoch,
        "client_id": member.client_id,
        "client_host": member.client_host,
        "subscribed_topic_names": sorted(member.topics),
        "subscribed_topic_regex": None if member.pattern is None else member.pattern.text,
        "assignment": {"topic_partitions": topic_partitions(member.assigned, context)},
        "target_assignment": {"topic_partitions": topic_partitions(target, context)},
        "member_type": _OF_CONSUMER_PROTOCOL if member.classic is None else _OF_CLASSIC_PROTOCOL,
    }


def _failure(name: str, code: ErrorCode, message: str) -> Fields:
    return {
        "error_code": code,
        "error_message": message,
        "group_id": name,
        "group_state": "",
        "group_epoch": 0,
        "assignment_epoch": 0,
        "assignor_name": "",
        "members": [],
        "authorized_operations": _ALL_OPERATIONS_UNKNOWN,
    }
