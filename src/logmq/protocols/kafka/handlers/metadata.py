"""Metadata (3): brokers, topics and who leads their partitions. Creates topics that are asked for, where allowed.

Every client asks for it every few minutes, and again after each failure, so the response is packed by hand:

    throttle time i32 (v3+)
    | brokers array: id i32 | host string | port i32 | rack nullable string (v1+) | tags (v9+)
    | cluster id nullable string (v2+) | controller id i32 (v1+)
    | topics array: error i16 | name string (nullable from v12 on) | id 16 bytes (v10+) | internal bool (v1+)
      | partitions array: error i16 | index i32 | leader i32 | leader epoch i32 (v7+) | replicas array i32
        | in-sync replicas array i32 | offline replicas array i32 (v5+) | tags (v9+)
      | authorized operations i32 (v8+) | tags (v9+)
    | cluster authorized operations i32 (v8 to v10) | tags (v9+); arrays and strings are compact from v9 on
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any, NamedTuple
from uuid import UUID

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError, UnknownTopic
from logmq.model import Format, Topic, check_topic_name
from logmq.protocols.kafka.context import BROKER_ID, TOPICS_CREATED_MAX, Context
from logmq.protocols.kafka.counting import count_error
from logmq.protocols.kafka.dispatch import LARGE_REQUEST_SIZE, Answer, read_in_thread
from logmq.protocols.kafka.errors import code_of
from logmq.protocols.kafka.framing import Frame, respond
from logmq.protocols.kafka.messages import read_request
from logmq.protocols.kafka.packing import compact_string, string, uvarint
from logmq.protocols.kafka.topic_ids import NO_ID, TopicNames, topic_id

_KEY = 3
_FLEXIBLE = 9
_I32 = struct.Struct(">i")
_I16 = struct.Struct(">h")
_LEADER_EPOCH = _I32.pack(0)
_OPERATIONS_UNKNOWN = _I32.pack(-(2**31))
_TURN_TOPIC_COUNT = 500
"""Topics looked up or packed in one go, before other clients get their turn."""


class Described(NamedTuple):
    """What is said of one topic; without partitions if there is an error."""

    code: ErrorCode
    name: str | None
    id: UUID
    internal: bool
    partition_count: int


def handle_frame(frame: Frame, context: Context) -> Answer:
    """All topics where none are named, else those named, made if they are not there and may be made."""
    return _answer(frame, context)


async def _answer(frame: Frame, context: Context) -> bytes:
    if len(frame.data) > LARGE_REQUEST_SIZE:
        request = await read_in_thread(frame)
    else:
        request = read_request(frame.key, frame.version, frame.data, frame.position)
    if request.topics is None or (not request.topics and frame.version == 0):
        topics = [_described(topic) for topic in context.broker.topics()]
    else:
        topics = await _Inquiry(request, context).answer()
    return respond(frame, await _pack(frame.version, topics, context))


class _Inquiry:
    """The topics that a request names. However often it names one, it is answered once."""

    def __init__(self, request: Any, context: Context) -> None:
        self._broker = context.broker
        self._names = TopicNames(context.broker)
        self._wanted = list(dict.fromkeys([(one.name, getattr(one, "topic_id", None)) for one in request.topics]))
        may_create = getattr(request, "allow_auto_topic_creation", True) and context.config.auto_create_topics
        self._creations_left = TOPICS_CREATED_MAX if may_create else 0
        self._may_create = may_create

    async def answer(self) -> list[Described]:
        """What is said of each of them."""
        topics = []
        for number, (name, wanted_id) in enumerate(self._wanted):
            topics.append(await self._describe(name, wanted_id or NO_ID))
            if number % _TURN_TOPIC_COUNT == _TURN_TOPIC_COUNT - 1:
                await asyncio.sleep(0)
        return topics

    async def _describe(self, name: str | None, wanted_id: UUID) -> Described:
        if name is None:
            name = self._names.find(wanted_id)
            if name is None:
                return Described(ErrorCode.unknown_topic_id, None, wanted_id, False, 0)
        try:
            return _described(self._broker.topic(name))
        except UnknownTopic as error:
            return await self._create(name) if self._may_create else _failed(name, code_of(error))
        except LogMQError as error:
            return _failed(name, code_of(error))

    async def _create(self, name: str) -> Described:
        if not self._creations_left:
            return _failed(name, ErrorCode.leader_not_available)
        self._creations_left -= 1
        try:
            return _described(await self._broker.ensure_topic(check_topic_name(name), format=Format.BATCH))
        except LogMQError as error:
            return _failed(name, code_of(error))


def _failed(name: str, code: ErrorCode) -> Described:
    return Described(code, name, NO_ID, False, 0)


def _described(topic: Topic) -> Described:
    return Described(ErrorCode.none, topic.name, topic_id(topic), topic.internal, topic.partition_count)


async def _pack(version: int, topics: list[Described], context: Context) -> bytes:
    parts = [_pack_brokers(version, context), _count(version, len(topics))]
    before, behind = _around_index(version)
    for number, topic in enumerate(topics):
        if topic.code is not ErrorCode.none:
            count_error(_KEY, topic.code, context)
        parts += (_pack_topic(version, topic), _count(version, topic.partition_count))
        parts += [before + _I32.pack(index) + behind for index in range(topic.partition_count)]
        if version >= 8:
            parts.append(_OPERATIONS_UNKNOWN)
        parts.append(_tags(version))
        if number % _TURN_TOPIC_COUNT == _TURN_TOPIC_COUNT - 1:
            await asyncio.sleep(0)
    if 8 <= version <= 10:
        parts.append(_OPERATIONS_UNKNOWN)
    parts.append(_tags(version))
    return b"".join(parts)


def _pack_brokers(version: int, context: Context) -> bytes:
    parts = [_I32.pack(0)] if version >= 3 else []
    parts += (_count(version, 1), _I32.pack(BROKER_ID), _string(version, context.host), _I32.pack(context.port))
    if version >= 1:
        parts.append(_string(version, None))
    parts.append(_tags(version))
    if version >= 2:
        parts.append(_string(version, context.cluster_id))
    if version >= 1:
        parts.append(_I32.pack(BROKER_ID))
    return b"".join(parts)


def _pack_topic(version: int, topic: Described) -> bytes:
    # Before version 12 a name cannot be null, and nobody can ask by an id.
    parts = [_I16.pack(topic.code.value), _string(version, topic.name if version >= 12 else topic.name or "")]
    if version >= 10:
        parts.append(topic.id.bytes)
    if version >= 1:
        parts.append(b"\x01" if topic.internal else b"\x00")
    return b"".join(parts)


def _around_index(version: int) -> tuple[bytes, bytes]:
    """What stands before and behind the index of a partition: one broker has and leads them all."""
    replicas = _count(version, 1) + _I32.pack(BROKER_ID)
    behind = [_I32.pack(BROKER_ID), _LEADER_EPOCH if version >= 7 else b"", replicas, replicas]
    if version >= 5:
        behind.append(_count(version, 0))
    return _I16.pack(0), b"".join([*behind, _tags(version)])


def _tags(version: int) -> bytes:
    return b"\x00" if version >= _FLEXIBLE else b""


def _count(version: int, count: int) -> bytes:
    return uvarint(count + 1) if version >= _FLEXIBLE else _I32.pack(count)


def _string(version: int, text: str | None) -> bytes:
    if text is None:
        return b"\x00" if version >= _FLEXIBLE else b"\xff\xff"
    return compact_string(text) if version >= _FLEXIBLE else string(text)
