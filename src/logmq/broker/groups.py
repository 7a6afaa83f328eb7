"""Committed offsets of consumer groups, kept as a log of their own.

Each commit is a record of the topic `__consumer_offsets`, a line of JSON:

    {"group": "billing", "topic": "orders", "partition": 0, "offset": 4711, "committed_ms": ...}

The last record of a group and partition counts; an offset of null forgets it. The table in memory is made by reading
the log from its start; when the log has grown to several times the table's size, the table is appended as a whole and
what is before it is trimmed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass

from logmq.clock import Clock
from logmq.errors import InvalidGroupName, LogMQError
from logmq.limits import GROUP_NAME_SIZE_MAX, OFFSETS_LOG_SIZE_MIN, READ_SIZE
from logmq.model import TopicPartition
from logmq.records import frames
from logmq.storage.engine import Append, Appended, Appending, LogStore

OFFSETS_TOPIC = "__consumer_offsets"
_PARTITION = TopicPartition(OFFSETS_TOPIC, 0)


@dataclass(frozen=True, slots=True)
class CommittedOffset:
    """How far a group has come in a partition."""

    offset: int
    committed_ms: int


Key = tuple[str, TopicPartition]


class CommittedOffsets:
    """Offsets by group and partition. The log must exist when `load` is called."""

    def __init__(self, store: LogStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._offsets: dict[Key, CommittedOffset] = {}
        self._appending = 0
        self._compacting: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Read the log from its start. Raises: Damaged, Unavailable."""
        offset = self._store.bounds(_PARTITION).log_start_offset
        while (chunk := await self._store.read(_PARTITION, offset, READ_SIZE)).data:
            starts, end = frames.walk(chunk.data)
            for payload in frames.cut(chunk.data, starts, end):
                key, committed = _decode(payload)
                self._set(key, committed)
            offset = chunk.next_offset

    def get(self, group: str, partition: TopicPartition) -> CommittedOffset | None:
        """What the group committed last for this partition."""
        return self._offsets.get((group, partition))

    async def commit(self, group: str, partition: TopicPartition, offset: int) -> None:
        """Remember how far a group has come. Durability: as an append, when it returns.

        Raises: InvalidGroupName, DiskFull, Throttled, Unavailable.
        """
        key = (check_group_name(group), partition)
        await self._store_entries([(key, CommittedOffset(offset, self._clock.now_ms()))])
        self._compact_if_grown()

    async def forget_topic(self, topic: str) -> None:
        """Forget what was committed for a dropped topic. Durability and errors: as `commit`."""
        gone = [key for key in self._offsets if key[1].topic == topic]
        if gone:
            await self._store_entries([(key, None) for key in gone])

    async def retain(self, topics: Iterable[str]) -> None:
        """Keep only what was committed for these topics: the drop of another was cut off. As `forget_topic`."""
        for topic in {key[1].topic for key in self._offsets} - set(topics):
            await self.forget_topic(topic)

    def _set(self, key: Key, committed: CommittedOffset | None) -> None:
        if committed is None:
            self._offsets.pop(key, None)
        else:
            self._offsets[key] = committed

    async def _store_entries(self, entries: list[tuple[Key, CommittedOffset | None]]) -> None:
        self._appending += 1
        try:
            await self._append(entries)
        finally:
            self._appending -= 1
        for key, committed in entries:
            self._set(key, committed)

    def _append(self, entries: Iterable[tuple[Key, CommittedOffset | None]]) -> asyncio.Future[Appended]:
        data, starts = frames.encode([_encode(key, committed) for key, committed in entries])
        results = self._store.append([Append(_PARTITION, data, starts, starts, len(data))])
        return asyncio.ensure_future(_only_result(results))

    def _compact_if_grown(self) -> None:
        # With an append under way the table would lack what is already in the log.
        if self._appending or self._compacting is not None:
            return
        size = self._store.bounds(_PARTITION).high_watermark - self._store.bounds(_PARTITION).log_start_offset
        if size > max(OFFSETS_LOG_SIZE_MIN, 400 * len(self._offsets)):
            self._compacting = asyncio.ensure_future(self._compact(self._append(list(self._offsets.items()))))

    async def _compact(self, appended: asyncio.Future[Appended]) -> None:
        try:
            await self._store.trim(_PARTITION, (await appended).first_offset)
        except LogMQError:
            pass  # the log stays as long as it is; a later commit tries again
        finally:
            self._compacting = None


async def _only_result(results: Appending) -> Appended:
    (result,) = await results
    if isinstance(result, LogMQError):
        raise result
    return result


def check_group_name(group: str) -> str:
    """Return `group` if it is a legal name. Raises: InvalidGroupName."""
    if not group or len(group.encode()) > GROUP_NAME_SIZE_MAX or not group.isprintable() or " " in group:
        raise InvalidGroupName(group)
    return group


def _encode(key: Key, committed: CommittedOffset | None) -> bytes:
    group, (topic, index) = key
    fields: dict[str, object] = {"group": group, "topic": topic, "partition": index, "offset": None}
    if committed is not None:
        fields |= {"offset": committed.offset, "committed_ms": committed.committed_ms}
    return json.dumps(fields, separators=(",", ":")).encode()


def _decode(payload: bytes) -> tuple[Key, CommittedOffset | None]:
    fields = json.loads(payload)
    key = (fields["group"], TopicPartition(fields["topic"], fields["partition"]))
    if fields["offset"] is None:
        return key, None
    return key, CommittedOffset(fields["offset"], fields["committed_ms"])
