"""SyncGroup (14): the leader brings everybody's assignment, everybody gets theirs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.broker.groups.member import Caller, SyncAnswer
from logmq.errors import LogMQError
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.group_errors import group_code, refusal_code
from logmq.protocols.kafka.messages import Fields


async def handle(request: Any, context: Context) -> Fields:
    """Answered when the leader has brought the assignments."""
    try:
        answer = await context.broker.groups.sync(
            request.group_id,
            Caller(request.member_id, getattr(request, "group_instance_id", None)),
            request.generation_id,
            [(one.member_id, bytes(one.assignment)) for one in request.assignments],
            protocol_type=getattr(request, "protocol_type", None),
            protocol_name=getattr(request, "protocol_name", None),
        )
    except LogMQError as error:
        return _response(SyncAnswer(), group_code(error))
    return _response(answer, refusal_code(answer.refusal))


def _response(answer: SyncAnswer, code: ErrorCode) -> Fields:
    return {
        "throttle_time": timedelta(0),
        "error_code": code,
        "protocol_type": answer.protocol_type,
        "protocol_name": answer.protocol_name,
        "assignment": answer.assignment,
    }
