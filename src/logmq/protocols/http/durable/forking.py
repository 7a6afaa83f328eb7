"""Forks: streams that begin with the records of another one, up to some offset.

They are copied. So a fork's topic has all of the fork's records for every protocol, and its source can go at any time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from logmq.broker.broker import Broker
from logmq.errors import LogMQError
from logmq.limits import READ_SIZE
from logmq.model import Topic, TopicPartition
from logmq.protocols.http.durable.refusals import Refused
from logmq.protocols.http.durable.state import Fork, Stream, media_type
from logmq.protocols.http.problems import InvalidInput
from logmq.protocols.http.stored_records import records_in
from logmq.records import batches
from logmq.records.records import Record, encode
from logmq.storage.engine import Append


class ForkWanted(NamedTuple):
    """Where a new stream is to branch off; without an offset at the end."""

    source: str
    offset: int | None
    sub_offset: int


class Branch(NamedTuple):
    """A source, and what of it a fork gets."""

    source: Stream
    fork: Fork
    base: int
    end: int
    """The offset in the source's topic before which all is copied."""
    rest: Sequence[Record]
    """What comes behind that, by the sub-offset."""


class Sources(Protocol):
    """Where streams are found."""

    async def find(self, name: str, *, touch: bool = True) -> Stream:
        """The stream of this name. Raises: Refused."""
        ...

    def topic(self, stream: Stream) -> Topic:
        """Its topic. Raises: Refused."""
        ...


class Forking:
    """Finds out where forks begin, and copies."""

    def __init__(self, broker: Broker, sources: Sources) -> None:
        self._broker = broker
        self._sources = sources

    async def branch(self, wanted: ForkWanted, content_type: str | None) -> Branch:
        """Find the place where a fork branches off.

        Raises: InvalidInput: there is no such place. Refused: the source is gone, or of another type.
        """
        try:
            source = await self._sources.find(wanted.source, touch=False)
        except Refused as refusal:
            if refusal.status == 410:  # to the fork it is a conflict
                raise Refused(409, refusal.code, str(refusal), "Stream-Forked-From") from None
            raise
        if content_type is not None and media_type(content_type) != media_type(source.row.content_type):
            raise Refused(
                409, "CONTENT_TYPE_MISMATCH", f"the source is one of {source.row.content_type}", "Content-Type"
            )
        bounds = self._broker.bounds(TopicPartition(source.name, 0))
        end = bounds.high_watermark if wanted.offset is None else wanted.offset - source.row.base
        if end > bounds.high_watermark:
            raise InvalidInput("the source ends before this offset", "Stream-Fork-Offset")
        if end < bounds.log_start_offset:
            raise Refused(410, "OFFSET_OUT_OF_RANGE", "the source no longer has this offset", "Stream-Fork-Offset")
        rest = await self._rest(source, end, wanted.sub_offset)
        fork = Fork(source.name, source.row.log_id, end + source.row.base, wanted.sub_offset)
        return Branch(source, fork, source.row.base + bounds.log_start_offset, end, rest)

    async def _rest(self, source: Stream, offset: int, count: int) -> list[Record]:
        """The first `count` messages, or bytes, from an offset on: no more than what was appended there at a time."""
        if not count:
            return []
        partition, topic = TopicPartition(source.name, 0), self._sources.topic(source)
        chunk = await self._broker.read(partition, offset, 1)
        ends = [header.next_offset for _, header in batches.headers(chunk.data) if header.next_offset > offset]
        records = [one for one in records_in(topic, chunk, offset).records if ends and one.offset < ends[0]]
        size = len(records) if source.is_json else sum(len(record.value or b"") for record in records)
        if count > size:
            raise InvalidInput(f"behind the offset were {size} appended at a time", "Stream-Fork-Sub-Offset")
        return records[:count] if source.is_json else list(_first_bytes(records, count))

    async def copy(self, branch: Branch, topic: Topic, now_ms: int) -> None:
        """Append what the fork gets to its topic. Raises: LogMQError."""
        async for records in self._records(branch):
            data = encode([replace(record, offset=number) for number, record in enumerate(records)])
            latest_ms = max(now_ms, *(record.timestamp_ms for record in records))
            append = Append(TopicPartition(topic.name, 0), data, range(1), range(1), len(records), latest_ms)
            (result,) = await self._broker.append([append])
            if isinstance(result, LogMQError):
                raise result

    async def _records(self, branch: Branch) -> AsyncIterator[Sequence[Record]]:
        partition, topic = TopicPartition(branch.source.name, 0), self._sources.topic(branch.source)
        offset = self._broker.bounds(partition).log_start_offset
        while offset < branch.end:
            chunk = await self._broker.read(partition, offset, READ_SIZE)
            records, offset = records_in(topic, chunk, offset, size_max=READ_SIZE)
            if kept := [record for record in records if record.offset < branch.end]:
                yield kept
        if branch.rest:
            yield branch.rest


def _first_bytes(records: Sequence[Record], count: int) -> list[Record]:
    taken: list[Record] = []
    for record in records:
        value = (record.value or b"")[:count]
        count -= len(value)
        if value:
            taken.append(replace(record, value=value))
    return taken
