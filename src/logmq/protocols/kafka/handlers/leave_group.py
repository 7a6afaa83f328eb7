"""LeaveGroup (13): members go, without waiting for their sessions to end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.broker.groups.member import Caller
from logmq.errors import LogMQError
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.group_errors import group_code, refusal_code
from logmq.protocols.kafka.messages import Fields


def handle(request: Any, context: Context) -> Fields:
    """One member before version 3, whose error is the response's; many from then on (KIP-345)."""
    members = getattr(request, "members", None)
    callers = [Caller(one.member_id, one.group_instance_id) for one in members or ()]
    try:
        if members is None:
            (refusal,) = context.broker.groups.leave(request.group_id, [Caller(request.member_id)])
            return _response(refusal_code(refusal))
        refusals = context.broker.groups.leave(request.group_id, callers)
    except LogMQError as error:
        return _response(group_code(error))
    results = [
        {
            "member_id": caller.member_id,
            "group_instance_id": caller.instance_id,
            "error_code": refusal_code(refusal),
        }
        for caller, refusal in zip(callers, refusals, strict=True)
    ]
    return _response(ErrorCode.none, results)


def _response(code: ErrorCode, members: Sequence[Fields] = ()) -> Fields:
    return {"throttle_time": timedelta(0), "error_code": code, "members": members}
