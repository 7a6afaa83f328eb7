"""Who reads what in a group of either type, as people are shown it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from logmq.broker.groups.consumer_group import ConsumerGroup
from logmq.broker.groups.coordinator import GroupOverview
from logmq.broker.groups.group import GroupState
from logmq.broker.groups.subscription import assigned_partitions
from logmq.limits import GROUP_READERS_SIZE_MAX
from logmq.model import Topic, TopicPartition


@dataclass(frozen=True, slots=True)
class Reader:
    """A member and the partitions that it was told to read, in order."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    partitions: tuple[TopicPartition, ...]


def classic_readers(group: GroupOverview) -> list[Reader]:
    """Of a group whose members assign; while it rebalances, what they had is no longer true.

    An assignment is what a client says it is: those beyond `GROUP_READERS_SIZE_MAX` are not looked into.
    """
    left = GROUP_READERS_SIZE_MAX if group.state is GroupState.STABLE else 0
    readers = []
    for one in group.members:
        left -= len(one.assignment)
        partitions = tuple(sorted(assigned_partitions(one.assignment))) if left >= 0 else ()
        readers.append(Reader(one.member_id, one.instance_id, one.client_id, one.client_host.lstrip("/"), partitions))
    return readers


def consumer_readers(group: ConsumerGroup, topics: Iterable[Topic]) -> list[Reader]:
    """Of a group whose broker assigns (KIP-848); partitions of topics that are gone are nobody's."""
    names = {topic.log_ids[0]: topic.name for topic in topics}
    return [
        Reader(
            one.member_id,
            one.instance_id,
            one.client_id,
            one.client_host.lstrip("/"),
            tuple(sorted(TopicPartition(names[id], index) for id, index in one.assigned if id in names)),
        )
        for one in group.members.values()
    ]
