"""JoinGroup (11): become a member of a group. The answer comes when the group's next generation begins."""

from __future__ import annotations

import uuid
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.broker.groups.member import JoinAnswer, JoinProtocol, JoinRequest
from logmq.broker.groups.refusal import Refusal
from logmq.errors import LogMQError
from logmq.limits import GROUP_NAME_SIZE_MAX
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.counting import counted
from logmq.protocols.kafka.dispatch import LARGE_REQUEST_SIZE, read_in_thread
from logmq.protocols.kafka.framing import Frame, respond
from logmq.protocols.kafka.group_errors import group_code, refusal_code
from logmq.protocols.kafka.messages import Fields, read_request, write_response

_REQUIRES_MEMBER_ID_SINCE = 4
_NULLABLE_PROTOCOL_SINCE = 7
_SKIPS_ASSIGNMENT_SINCE = 9
_CLIENT_ID_SHOWN = 100
"""Characters of the client id in a member id, by which people recognise members."""


def handle_frame(frame: Frame, context: Context) -> Coroutine[Any, Any, bytes]:
    """A member is known by its client id, which stands in the request's header. Raises: MalformedRequest."""
    if len(frame.data) > LARGE_REQUEST_SIZE:
        return _join_large(frame, context)
    return _join(frame, read_request(frame.key, frame.version, frame.data, frame.position), context)


async def _join_large(frame: Frame, context: Context) -> bytes:
    return await _join(frame, await read_in_thread(frame), context)


async def _join(frame: Frame, request: Any, context: Context) -> bytes:
    fields = await join(request, frame.version, frame.client_id, context)
    return respond(frame, write_response(frame.key, frame.version, counted(frame.key, fields, context)))


async def join(request: Any, version: int, client_id: str, context: Context) -> Fields:
    """The response's fields."""
    instance_id = getattr(request, "group_instance_id", None)
    if instance_id is not None and not 0 < len(instance_id) <= GROUP_NAME_SIZE_MAX:
        return _response(version, JoinAnswer(request.member_id), ErrorCode.invalid_request)
    try:
        answer = await context.broker.groups.join(request.group_id, _join_request(request, version, client_id, context))
    except LogMQError as error:
        return _response(version, JoinAnswer(request.member_id), group_code(error))
    return _response(version, answer, refusal_code(answer.refusal))


def _join_request(request: Any, version: int, client_id: str, context: Context) -> JoinRequest:
    instance_id = getattr(request, "group_instance_id", None)
    session_timeout_ms = request.session_timeout // timedelta(milliseconds=1)
    rebalance_timeout_ms = request.rebalance_timeout // timedelta(milliseconds=1)
    return JoinRequest(
        member_id=request.member_id,
        instance_id=instance_id,
        fresh_member_id=f"{instance_id or client_id[:_CLIENT_ID_SHOWN]}-{uuid.uuid4()}",
        client_id=client_id,
        client_host=f"/{context.client_address}",
        session_timeout_ms=session_timeout_ms,
        rebalance_timeout_ms=rebalance_timeout_ms if rebalance_timeout_ms > 0 else session_timeout_ms,
        protocol_type=request.protocol_type,
        protocols=tuple([JoinProtocol(one.name, bytes(one.metadata)) for one in request.protocols]),
        requires_member_id=version >= _REQUIRES_MEMBER_ID_SINCE,
        can_skip_assignment=version >= _SKIPS_ASSIGNMENT_SINCE,
    )


def _response(version: int, answer: JoinAnswer, code: ErrorCode) -> Fields:
    nothing = None if version >= _NULLABLE_PROTOCOL_SINCE else ""
    members = [
        {"member_id": one.member_id, "group_instance_id": one.instance_id, "metadata": one.metadata}
        for one in answer.members
    ]
    # The one refusal that carries news: the id to come back with.
    assert answer.refusal is not Refusal.MEMBER_ID_REQUIRED or answer.member_id
    return {
        "throttle_time": timedelta(0),
        "error_code": code,
        "generation_id": answer.generation,
        "protocol_type": answer.protocol_type,
        "protocol_name": nothing if answer.protocol_name is None else answer.protocol_name,
        "leader": answer.leader,
        "skip_assignment": answer.skip_assignment,
        "member_id": answer.member_id,
        "members": members,
    }
