"""Committed offsets of consumer groups, kept as a log of their own.

Each commit is a record of the topic `__consumer_offsets`, a line of JSON:

    {"group": "billing", "topic": "orders", "partition": 0, "offset": 4711, "committed_ms": ...}
    {"group": "billing", "topic": "orders", "partition": 0, "offset": null}        forgets one offset
    {"group": "billing", "deleted": true}                                          forgets the group
    {"group": "billing", "membership": {...}}       who is in it (see membership.py); null when nobody is any more

"metadata" and "leader_epoch" stand beside the offset if the client gave them. The last record of a group and partition
counts. How the table in memory is made of the log, and the log kept short, is told in table_log.py.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from logmq.broker.table_log import TableLog
from logmq.errors import InvalidGroupName, LogMQError
from logmq.limits import GROUP_NAME_SIZE_MAX
from logmq.model import TopicPartition
from logmq.storage.engine import Appended, Appending, LogStore

OFFSETS_TOPIC = "__consumer_offsets"
NO_LEADER_EPOCH = -1

_RECORD_SIZE_TYPICAL = 100


@dataclass(frozen=True, slots=True)
class CommittedOffset:
    """How far a group has come in a partition, and what the client wants to know of it later."""

    offset: int
    committed_ms: int
    metadata: str = ""
    leader_epoch: int = NO_LEADER_EPOCH


@dataclass(frozen=True, slots=True)
class Entry:
    """One record: what holds for a group's partition from now on. Without a partition: the group is gone."""

    group: str
    partition: TopicPartition | None
    committed: CommittedOffset | None


class CommittedOffsets:
    """Offsets by group and partition. The log must exist when `load` is called."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._log = TableLog(store, OFFSETS_TOPIC)
        self._groups: dict[str, dict[TopicPartition, CommittedOffset]] = {}
        """Groups that have offsets, and only those."""
        self._memberships: dict[str, bytes] = {}
        """The records of groups that have members, as they are stored."""
        self._count = 0
        self._size = 0
        """Bytes of metadata and memberships in the table."""
        self._appending: Counter[str] = Counter()
        """Appends under way, by group."""

    async def load(self) -> None:
        """Read the log from its start. Raises: Unavailable.

        Commits in a damaged range are lost, which is reported: their groups go on from an earlier commit and read some
        messages again. A broker that did not start because of them would help nobody.
        """
        await self._log.load(self._read, self._forget_memberships)

    def _forget_memberships(self) -> None:
        """What was read so far may be outdated by what is lost."""
        for group in list(self._memberships):
            self._set_membership(group, None)

    def _read(self, payload: bytes) -> None:
        fields = json.loads(payload)
        if "membership" in fields:
            self._set_membership(fields["group"], None if fields["membership"] is None else payload)
        else:
            self._set(_decode(fields))

    # -- reading -----------------------------------------------------------------------------------------------------

    def get(self, group: str, partition: TopicPartition) -> CommittedOffset | None:
        """What the group committed last for this partition."""
        return self._groups.get(group, {}).get(partition)

    def of_group(self, group: str) -> Mapping[TopicPartition, CommittedOffset]:
        """All that the group has committed."""
        return self._groups.get(group, {})

    def groups(self) -> list[str]:
        """Groups that have committed something."""
        return list(self._groups)

    def memberships(self) -> dict[str, dict[str, Any]]:
        """The stored memberships, by group."""
        return {group: json.loads(payload)["membership"] for group, payload in self._memberships.items()}

    @property
    def group_count(self) -> int:
        """How many groups have committed something."""
        return len(self._groups)

    def is_writing(self, group: str) -> bool:
        """Whether a commit of the group is under way."""
        return group in self._appending

    # -- writing -----------------------------------------------------------------------------------------------------

    async def commit(self, group: str, offsets: Mapping[TopicPartition, CommittedOffset]) -> None:
        """Remember how far a group has come, in some partitions at once. Durability: as an append, when it returns.

        Raises: InvalidGroupName, DiskFull, Throttled, Unavailable.
        """
        check_group_name(group)
        await self._store_entries([Entry(group, partition, committed) for partition, committed in offsets.items()])
        self._compact_if_grown()

    async def forget(self, group: str, partitions: Iterable[TopicPartition]) -> None:
        """Forget what a group committed for these partitions. Durability and errors: as `commit`."""
        await self._store_entries([Entry(group, one, None) for one in partitions if self.get(group, one)])

    async def forget_group(self, group: str) -> None:
        """Forget all that a group committed. Durability and errors: as `commit`."""
        await self._store_entries([Entry(group, None, None)])
        self._compact_if_grown()

    async def store_membership(self, group: str, membership: Mapping[str, Any] | None) -> None:
        """Remember who is in a group, None for nobody. Durability and errors: as `commit`."""
        if membership is None and group not in self._memberships:
            return
        payload = json.dumps({"group": group, "membership": membership}, separators=(",", ":")).encode()
        await self._store_payloads({group}, [payload])
        self._set_membership(group, None if membership is None else payload)
        self._compact_if_grown()

    async def forget_topic(self, topic: str) -> None:
        """Forget what was committed for a dropped topic. Durability and errors: as `commit`."""
        await self._store_entries(
            [
                Entry(group, partition, None)
                for group, offsets in self._groups.items()
                for partition in offsets
                if partition.topic == topic
            ]
        )

    async def retain(self, topics: Iterable[str]) -> None:
        """Keep only what was committed for these topics: the drop of another was cut off. As `forget_topic`."""
        known = {partition.topic for offsets in self._groups.values() for partition in offsets}
        for topic in known - set(topics):
            await self.forget_topic(topic)

    def _set(self, entry: Entry) -> None:
        offsets = self._groups.setdefault(entry.group, {})
        gone = list(offsets) if entry.partition is None else [entry.partition]
        for partition in gone:
            old = offsets.pop(partition, None)
            if old is not None:
                self._count -= 1
                self._size -= len(old.metadata)
        if entry.partition is not None and entry.committed is not None:
            offsets[entry.partition] = entry.committed
            self._count += 1
            self._size += len(entry.committed.metadata)
        if not offsets:
            del self._groups[entry.group]
        if entry.partition is None:
            self._set_membership(entry.group, None)

    def _set_membership(self, group: str, payload: bytes | None) -> None:
        self._size -= len(self._memberships.pop(group, b""))
        if payload is not None:
            self._memberships[group] = payload
            self._size += len(payload)

    async def _store_entries(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        await self._store_payloads({entry.group for entry in entries}, [_encode(entry) for entry in entries])
        for entry in entries:
            self._set(entry)

    async def _store_payloads(self, groups: set[str], payloads: list[bytes]) -> None:
        self._appending.update(groups)
        try:
            await asyncio.ensure_future(_only_result(self._store.append([self._log.rows(payloads)])))
        finally:
            self._appending -= Counter(groups)

    # -- compaction --------------------------------------------------------------------------------------------------

    def _compact_if_grown(self) -> None:
        # With an append under way the table would lack what is already in the log.
        if not self._appending and (self._count or self._memberships):
            self._log.compact_if_grown(_RECORD_SIZE_TYPICAL * self._count + self._size, self._table)

    def _table(self) -> list[bytes]:
        offsets = [
            _encode(Entry(group, partition, committed))
            for group, offsets in self._groups.items()
            for partition, committed in offsets.items()
        ]
        return [*offsets, *self._memberships.values()]


async def _only_result(results: Appending) -> Appended:
    (result,) = await results
    if isinstance(result, LogMQError):
        raise result
    return result


def check_group_name(group: str) -> str:
    """Return `group` if it is a legal name: any text that is not empty nor too long. Raises: InvalidGroupName."""
    if not 0 < len(group.encode("utf-8", "surrogateescape")) <= GROUP_NAME_SIZE_MAX:
        raise InvalidGroupName(group)
    return group


def _encode(entry: Entry) -> bytes:
    fields: dict[str, object] = {"group": entry.group}
    if entry.partition is None:
        fields["deleted"] = True
    else:
        fields |= {"topic": entry.partition.topic, "partition": entry.partition.index, "offset": None}
    if entry.committed is not None:
        fields |= {"offset": entry.committed.offset, "committed_ms": entry.committed.committed_ms}
        if entry.committed.metadata:
            fields["metadata"] = entry.committed.metadata
        if entry.committed.leader_epoch != NO_LEADER_EPOCH:
            fields["leader_epoch"] = entry.committed.leader_epoch
    return json.dumps(fields, separators=(",", ":")).encode()


def _decode(fields: Mapping[str, Any]) -> Entry:
    if fields.get("deleted"):
        return Entry(fields["group"], None, None)
    partition = TopicPartition(fields["topic"], fields["partition"])
    if fields["offset"] is None:
        return Entry(fields["group"], partition, None)
    committed = CommittedOffset(
        fields["offset"],
        fields["committed_ms"],
        fields.get("metadata", ""),
        fields.get("leader_epoch", NO_LEADER_EPOCH),
    )
    return Entry(fields["group"], partition, committed)
