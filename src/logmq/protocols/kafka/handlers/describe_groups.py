"""DescribeGroups (15): groups with their members, and what each is assigned."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.broker.groups.coordinator import CLASSIC, GroupOverview
from logmq.broker.groups.group import GroupState
from logmq.broker.groups.offsets import check_group_name
from logmq.errors import LogMQError
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.group_errors import group_code
from logmq.protocols.kafka.messages import Fields

_ALL_OPERATIONS_UNKNOWN = -(2**31)


def handle(request: Any, context: Context) -> Fields:
    """Groups in the order of the request; one that does not exist, or is of the other type (KIP-848), is Dead."""
    return {"throttle_time": timedelta(0), "groups": [_describe(name, context) for name in request.groups]}


def _describe(name: str, context: Context) -> Fields:
    try:
        group = context.broker.groups.describe(check_group_name(name))
        if group.type != CLASSIC:
            group = GroupOverview(name, group.type, GroupState.DEAD, "")
    except LogMQError as error:
        return _group(GroupOverview(name, "", GroupState.DEAD, ""), group_code(error))
    return _group(group, ErrorCode.none)


def _group(group: GroupOverview, code: ErrorCode) -> Fields:
    # While a group rebalances, what its members spoke and had is no longer true.
    stable = group.state is GroupState.STABLE
    members = [
        {
            "member_id": one.member_id,
            "group_instance_id": one.instance_id,
            "client_id": one.client_id,
            "client_host": one.client_host,
            "member_metadata": one.metadata(group.protocol_name) if stable else b"",
            "member_assignment": one.assignment if stable else b"",
        }
        for one in group.members
    ]
    return {
        "error_code": code,
        "group_id": group.name,
        "group_state": group.state.value,
        "protocol_type": group.protocol_type,
        "protocol_data": group.protocol_name if stable else "",
        "members": members,
        "authorized_operations": _ALL_OPERATIONS_UNKNOWN,
    }
