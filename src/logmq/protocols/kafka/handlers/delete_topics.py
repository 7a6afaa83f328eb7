"""DeleteTopics (20): topics by name, from version 6 on also by id. Source: KIP-4, KIP-516."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.messages import Fields
from logmq.protocols.kafka.refusal import SUCCESS, Refusal, failure, repeated
from logmq.protocols.kafka.topic_ids import NO_ID, name_of, topic_id


async def handle(request: Any, context: Context) -> Fields:
    """Delete one topic after the other."""
    if hasattr(request, "topics"):
        wanted = [(one.name, one.topic_id or NO_ID) for one in request.topics]
    else:
        wanted = [(name, NO_ID) for name in request.topic_names]
    twice = repeated(wanted)
    responses = [await _one(*one, one in twice, context) for one in dict.fromkeys(wanted)]
    return {"throttle_time": timedelta(0), "responses": responses}


async def _one(name: str | None, wanted_id: UUID, twice: bool, context: Context) -> Fields:
    try:
        if twice:
            raise Refusal(ErrorCode.invalid_request, "Duplicate topic name or id.")
        if name is not None and wanted_id != NO_ID:
            raise Refusal(ErrorCode.invalid_request, "You may not specify both topic name and topic id.")
        if name is None:
            name = _named(wanted_id, context)
        topic = context.broker.topic(name)
        await context.broker.drop_topic(name)
    except (LogMQError, Refusal) as error:
        return {"name": name, "topic_id": wanted_id, **failure(error)}
    return {"name": name, "topic_id": topic_id(topic), **SUCCESS}


def _named(wanted_id: UUID, context: Context) -> str:
    name = name_of(wanted_id, context.broker)
    if name is None:
        raise Refusal(ErrorCode.unknown_topic_id, "This server does not host this topic ID.")
    return name
