"""ConsumerGroupHeartbeat (68): a member of a consumer group joins, lives and leaves, and hears what it may read.

From version 1 on a member makes its own id, which also keeps a join that is sent twice from being two members. Sources:
KIP-848, KIP-1082.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.broker.groups.consumer_member import AWAY_EPOCH, JOINING_EPOCH, ConsumerAnswer, ConsumerHeartbeat, Owned
from logmq.errors import LogMQError
from logmq.limits import GROUP_NAME_SIZE_MAX
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.counting import counted
from logmq.protocols.kafka.framing import Frame, respond
from logmq.protocols.kafka.group_errors import group_code, refusal_code
from logmq.protocols.kafka.messages import Fields, read_request, write_response
from logmq.protocols.kafka.topic_ids import TopicNames, topic_id

_OWN_MEMBER_ID_SINCE = 1

HURRY_INTERVAL_MS = 500
"""How soon a member is to come back while something is under way for it: others may give up a partition any moment."""


def handle_frame(frame: Frame, context: Context) -> Coroutine[Any, Any, bytes]:
    """A member is known to people by its client id, which stands in the request's header."""
    return _heartbeat(frame, read_request(frame.key, frame.version, frame.data, frame.position), context)


async def _heartbeat(frame: Frame, request: Any, context: Context) -> bytes:
    fields = await heartbeat(request, frame.version, frame.client_id, context)
    return respond(frame, write_response(frame.key, frame.version, counted(frame.key, fields, context)))


async def heartbeat(request: Any, version: int, client_id: str, context: Context) -> Fields:
    """The response's fields."""
    wrong = _mistake(request, version)
    if wrong is not None:
        return _failure(ErrorCode.invalid_request, wrong)
    beat = _beat(request, client_id, context)
    try:
        answer = await context.broker.groups.consumer_heartbeat(request.group_id, beat)
    except LogMQError as error:
        return _failure(group_code(error), str(error))
    if answer.refusal is not None:
        return _failure(refusal_code(answer.refusal), answer.reason)
    return _response(beat.member_id, answer, context)


def _mistake(request: Any, version: int) -> str | None:
    """What is wrong with the request, whatever the group."""
    names = (request.member_id, request.instance_id, request.rack_id)
    if any(name is not None and len(name) > GROUP_NAME_SIZE_MAX for name in names):
        return f"ids have at most {GROUP_NAME_SIZE_MAX} characters"
    if request.instance_id == "" or request.rack_id == "":
        return "an instance id or rack id that is given must not be empty"
    if request.member_epoch < AWAY_EPOCH:
        return f"{request.member_epoch} is not a member epoch"
    if not request.member_id and (version >= _OWN_MEMBER_ID_SINCE or request.member_epoch != JOINING_EPOCH):
        return "the member id is missing"
    if request.member_epoch == AWAY_EPOCH and request.instance_id is None:
        return "only a static member can leave for a while: the instance id is missing"
    return _mistake_of_join(request) if request.member_epoch == JOINING_EPOCH else None


def _mistake_of_join(request: Any) -> str | None:
    if request.rebalance_timeout < timedelta(0):
        return "a member that joins must say its rebalance timeout"
    if request.topic_partitions is None or request.topic_partitions:
        return "a member that joins must own no partitions, and say so"
    if request.subscribed_topic_names is None and getattr(request, "subscribed_topic_regex", None) is None:
        return "a member that joins must say what it subscribes to"
    return None


def _beat(request: Any, client_id: str, context: Context) -> ConsumerHeartbeat:
    topics = request.subscribed_topic_names
    timeout = request.rebalance_timeout
    return ConsumerHeartbeat(
        member_id=request.member_id or str(uuid.uuid4()),
        epoch=request.member_epoch,
        instance_id=request.instance_id,
        rack_id=request.rack_id,
        client_id=client_id,
        client_host=f"/{context.client_address}",
        rebalance_timeout_ms=timeout // timedelta(milliseconds=1) if timeout >= timedelta(0) else None,
        topics=None if topics is None else frozenset(topics),
        pattern=getattr(request, "subscribed_topic_regex", None),
        assignor=request.server_assignor or None,
        owned=_owned(request.topic_partitions, context),
    )


def _owned(topics: Any, context: Context) -> frozenset[Owned] | None:
    """What a member says it owns; partitions of topics that are gone are nobody's."""
    if topics is None:
        return None
    names = TopicNames(context.broker)
    owned = []
    for topic in topics:
        name = None if topic.topic_id is None else names.find(topic.topic_id)
        if name is not None:
            log_id = context.broker.topic(name).log_ids[0]
            owned += [Owned(log_id, index) for index in topic.partitions]
    return frozenset(owned)


def _response(member_id: str, answer: ConsumerAnswer, context: Context) -> Fields:
    interval_ms = context.config.consumer_heartbeat_interval_ms
    if answer.hurry:
        interval_ms = min(interval_ms, HURRY_INTERVAL_MS)
    assigned = answer.assignment
    return {
        "throttle_time": timedelta(0),
        "error_code": ErrorCode.none,
        "error_message": None,
        "member_id": member_id,
        "member_epoch": answer.epoch,
        "heartbeat_interval": timedelta(milliseconds=interval_ms),
        "assignment": None if assigned is None else {"topic_partitions": topic_partitions(assigned, context)},
    }


def topic_partitions(partitions: frozenset[Owned], context: Context) -> list[dict[str, Any]]:
    """Partitions by topic id and name; those of topics that are gone are left out."""
    by_id = defaultdict(list)
    for one in partitions:
        by_id[one.topic_id].append(one.partition)
    return [
        {"topic_id": topic_id(topic), "topic_name": topic.name, "partitions": sorted(by_id[topic.log_ids[0]])}
        for topic in (context.broker.topics() if by_id else ())
        if topic.log_ids[0] in by_id
    ]


def _failure(code: ErrorCode, message: str) -> Fields:
    return {
        "throttle_time": timedelta(0),
        "error_code": code,
        "error_message": message or None,
        "member_id": None,
        "member_epoch": 0,
        "heartbeat_interval": timedelta(0),
        "assignment": None,
    }
