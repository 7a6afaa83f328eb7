"""DeleteGroups (42): forget groups without members, and what they committed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from logmq.errors import LogMQError
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.group_errors import group_code, refusal_code
from logmq.protocols.kafka.messages import Fields


async def handle(request: Any, context: Context) -> Fields:
    """Answered when they are gone for good."""
    results = [await _delete(name, context) for name in request.groups_names]
    return {"throttle_time": timedelta(0), "results": results}


async def _delete(name: str, context: Context) -> Fields:
    try:
        code = refusal_code(await context.broker.groups.delete(name))
    except LogMQError as error:
        code = group_code(error)
    return {"group_id": name, "error_code": code}
