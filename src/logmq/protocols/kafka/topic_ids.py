"""Topic ids (KIP-516): 16 bytes that tell a topic from another one of the same name, before or after it."""

from __future__ import annotations

from uuid import UUID

from logmq.broker.broker import Broker
from logmq.model import Topic

NO_ID = UUID(int=0)
_NAMESPACE = 0x6C6F676D_71000000_80000000_00000000
"""`logmq` in the first bytes, so that ids are no reserved ones; the log id of partition 0, never used again, in the last."""


def topic_id(topic: Topic) -> UUID:
    """The id of a topic."""
    return UUID(int=_NAMESPACE | topic.log_ids[0])


def name_of(wanted: UUID, broker: Broker) -> str | None:
    """The name of the topic with this id; None if there is none."""
    return next((topic.name for topic in broker.topics() if topic_id(topic) == wanted), None)
