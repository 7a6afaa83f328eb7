"""ListGroups (16): all groups, or those in some states (KIP-518) and of some types (KIP-848)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.messages import Fields


def handle(request: Any, context: Context) -> Fields:
    """An empty filter lets all through; case does not matter."""
    states = {state.lower() for state in getattr(request, "states_filter", ())}
    types = {kind.lower() for kind in getattr(request, "types_filter", ())}
    groups = [
        {
            "group_id": group.name,
            "protocol_type": group.protocol_type,
            "group_state": group.state.value,
            "group_type": group.type,
        }
        for group in context.broker.groups.overviews()
        if (not states or group.state.value.lower() in states) and (not types or group.type in types)
    ]
    return {"throttle_time": timedelta(0), "error_code": ErrorCode.none, "groups": groups}
