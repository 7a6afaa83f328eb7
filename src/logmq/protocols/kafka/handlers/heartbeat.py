"""Heartbeat (12): a member lives, and hears whether it has to join again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from logmq.broker.groups.member import Caller
from logmq.errors import LogMQError
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.group_errors import group_code, refusal_code
from logmq.protocols.kafka.messages import Fields


def handle(request: Any, context: Context) -> Fields:
    """Answered at once."""
    caller = Caller(request.member_id, getattr(request, "group_instance_id", None))
    try:
        code = refusal_code(context.broker.groups.heartbeat(request.group_id, caller, request.generation_id))
    except LogMQError as error:
        code = group_code(error)
    return {"throttle_time": timedelta(0), "error_code": code}
