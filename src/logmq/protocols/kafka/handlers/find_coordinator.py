"""FindCoordinator (10): who looks after a group or a transactional producer. There is one broker: this one.

Who asks for a group is likely to join it: see `ExpectedMembers`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.protocols.kafka.context import BROKER_ID, Context
from logmq.protocols.kafka.messages import Fields

_GROUP, _TRANSACTION = 0, 1
_NOWHERE: Fields = {"node_id": -1, "host": "", "port": -1}


def handle(request: Any, context: Context) -> Fields:
    """One key before version 4, many from then on (KIP-699)."""
    key_type = getattr(request, "key_type", _GROUP)
    keys = getattr(request, "coordinator_keys", None)
    found = [_coordinator(key, key_type, context) for key in ([request.key] if keys is None else keys)]
    response: dict[str, Any] = {"throttle_time": timedelta(0), "coordinators": found}
    return response if keys is not None else response | found[0]


def _coordinator(key: str, key_type: int, context: Context) -> dict[str, Any]:
    if key_type not in {_GROUP, _TRANSACTION}:
        reason = f"there are no coordinators of type {key_type}"
        return {"key": key, "error_code": ErrorCode.invalid_request, "error_message": reason, **_NOWHERE}
    if key_type == _GROUP:
        context.broker.groups.expected.ask(context, key)
    here = {"node_id": BROKER_ID, "host": context.host, "port": context.port}
    return {"key": key, "error_code": ErrorCode.none, "error_message": None, **here}
