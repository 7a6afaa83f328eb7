"""Topic ids (KIP-516): 16 bytes that tell a topic from another one of the same name, before or after it."""

from __future__ import annotations

from uuid import UUID
from weakref import WeakKeyDictionary

from logmq.broker.broker import Broker
from logmq.errors import LogMQError
from logmq.model import Topic

NO_ID = UUID(int=0)
_NAMESPACE = 0x6C6F676D_71000000_80000000_00000000
"""`logmq` in the first bytes, so that ids are no reserved ones; the log id of partition 0, never used again, behind."""

_KNOWN: WeakKeyDictionary[Broker, dict[UUID, str]] = WeakKeyDictionary()
"""Names by id as they were found last, for each broker of the process."""


def topic_id(topic: Topic) -> UUID:
    """The id of a topic."""
    return UUID(int=_NAMESPACE | topic.log_ids[0])


class TopicNames:
    """Names by id, for one request: whatever it asks for, all topics are looked through once at most."""

    __slots__ = ("_broker", "_by_id", "_fresh")

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._by_id = _KNOWN.setdefault(broker, {})
        self._fresh = False

    def find(self, wanted: UUID) -> str | None:
        """The name of the topic with this id; None if there is none."""
        name = self._by_id.get(wanted)
        if name is not None and self._is_still(name, wanted):
            return name
        if self._fresh:
            return None
        self._fresh = True
        self._by_id.clear()
        self._by_id.update({topic_id(topic): topic.name for topic in self._broker.topics()})
        return self._by_id.get(wanted)

    def _is_still(self, name: str, wanted: UUID) -> bool:
        try:
            return topic_id(self._broker.topic(name)) == wanted
        except LogMQError:
            return False


def name_of(wanted: UUID, broker: Broker) -> str | None:
    """The name of the topic with this id; None if there is none."""
    return TopicNames(broker).find(wanted)
