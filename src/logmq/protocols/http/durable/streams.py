"""All durable streams of the broker: made, appended to, closed, deleted, expired.

What an append changes in what is known of the stream (closed, how far a producer has come) is written in the same
commit as the records: after a crash both are there, or none.
"""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple, cast
from weakref import WeakValueDictionary

import msgspec
from starlette.requests import HTTPConnection

from logmq.errors import LogMQError, UnknownTopic
from logmq.limits import STREAM_COUNT_MAX, STREAM_EXPIRY_INTERVAL_S
from logmq.model import Format, Topic, TopicPartition
from logmq.protocols.http.context import Context, context_of
from logmq.protocols.http.durable.content import append_of, payloads_of
from logmq.protocols.http.durable.forking import Branch, Forking, ForkWanted
from logmq.protocols.http.durable.headers import DEFAULT_TYPE
from logmq.protocols.http.durable.offsets import offset_text
from logmq.protocols.http.durable.refusals import Refused, deleted_stream, other_stream, unknown_stream
from logmq.protocols.http.durable.state import Producer, ProducerRow, Row, Stream, Verdict, judge, media_type
from logmq.protocols.http.durable.table import StreamTable
from logmq.protocols.http.problems import InvalidInput
from logmq.protocols.http.producing import wait_for_room

_log = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """A stream to make."""

    content_type: str | None
    ttl_s: int | None
    expires_ms: int | None
    closed: bool
    body: bytes
    fork: ForkWanted | None


class Entry(NamedTuple):
    """What is to be appended, and by whom."""

    body: bytes
    content_type: str | None
    closes: bool
    producer: Producer | None
    seq: str | None


class Outcome(NamedTuple):
    """What became of an append."""

    next_offset: int
    closed: bool
    producer: Producer | None = None
    """How far the producer has come."""
    duplicate: bool = False


class Streams:
    """Made for the first request; `find` and `create` come before anything else."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._broker = context.broker
        self._opened: StreamTable | None = None
        self._opening = asyncio.Lock()
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._expiring: asyncio.Task[None] | None = None

    @property
    def _table(self) -> StreamTable:
        assert self._opened is not None
        return self._opened

    def _now(self) -> int:
        return self._context.clock.now_ms()

    async def _ready(self) -> None:
        """Read the table, once, and finish what a crash left half done. Raises: DiskFull, Unavailable."""
        async with self._opening:
            if self._opened is not None:
                return
            table = await StreamTable.open(self._broker, self._context.clock)
            for stream in table:
                if stream.row.deleted and self._topic_or_none(stream) is not None:
                    await self._broker.drop_topic(stream.name)
            self._opened = table  # not before: what fails here is begun anew by the next request
            self._expiring = asyncio.ensure_future(self._expire())

    # -- finding -----------------------------------------------------------------------------------------------------

    async def find(self, name: str, *, touch: bool = True) -> Stream:
        """The stream; with `touch` it begins to be idle anew. Raises: Refused: there is none."""
        await self._ready()
        stream = await self._current(name)
        if stream is None:
            raise unknown_stream(name)
        if stream.row.deleted:
            raise deleted_stream(name)
        if touch:
            stream.touched_ms = self._now()
        return stream

    async def _current(self, name: str) -> Stream | None:
        """The stream of this name, unless its time is over or its topic was dropped: then it is put away."""
        stream = self._table.get(name)
        if stream is None or stream.row.deleted:
            return stream
        if self._topic_or_none(stream) is None or stream.is_expired(self._now()):
            async with self._lock(name):
                if self._table.get(name) is stream and not stream.row.deleted:
                    await self._remove(stream)
        return self._table.get(name)

    def _topic_or_none(self, stream: Stream) -> Topic | None:
        try:
            topic = self._broker.topic(stream.name)
        except UnknownTopic:
            return None
        return topic if topic.log_ids[0] == stream.row.log_id else None

    def topic(self, stream: Stream) -> Topic:
        """The topic of the stream. Raises: Refused: it was dropped."""
        topic = self._topic_or_none(stream)
        if topic is None or stream.row.deleted:
            raise unknown_stream(stream.name)
        return topic

    def start(self, stream: Stream) -> int:
        """The offset of the first record that is left, as clients count. Raises: Refused: it was dropped."""
        self.topic(stream)
        return self._broker.bounds(TopicPartition(stream.name, 0)).log_start_offset + stream.row.base

    def end(self, stream: Stream) -> int:
        """The offset behind its last record, as clients count. Raises: Refused: it was dropped."""
        self.topic(stream)
        return self._broker.bounds(TopicPartition(stream.name, 0)).high_watermark + stream.row.base

    def _lock(self, name: str) -> asyncio.Lock:
        """Held by who makes or deletes the stream of this name."""
        return self._changing.setdefault(name, asyncio.Lock())

    # -- making ------------------------------------------------------------------------------------------------------

    async def create(self, name: str, wanted: Wanted) -> tuple[Stream, bool]:
        """Make a stream if it is not there; says whether it was made.

        Durability: it survives a power cut when it returns, with its first records.
        Raises: Refused: one that differs is there, or the source of a fork is not. InvalidInput, and as `append`.
        """
        await self._ready()
        await self._current(name)
        async with self._lock(name):
            stream = self._table.get(name)
            if stream is not None:
                _check_same(stream, wanted)
                return stream, False
            if len(self._table) >= STREAM_COUNT_MAX:
                raise Refused(429, "TOO_MANY_STREAMS", f"there are {STREAM_COUNT_MAX} streams already; delete one")
            return await self._create(name, wanted), True

    async def _create(self, name: str, wanted: Wanted) -> Stream:
        forking = Forking(self._broker, self)
        branch = None if wanted.fork is None else await forking.branch(wanted.fork, wanted.content_type)
        row = _row_of(name, wanted, branch)
        topic, is_new = await self._topic_for(name, is_fork=branch is not None)
        try:
            is_json = media_type(row.content_type) == JSON
            payloads = payloads_of(is_json, wanted.body, topic) if wanted.body else []
            if branch is not None:
                await forking.copy(branch, topic, self._now())
            records = append_of(topic, payloads, self._now()) if payloads else None
            await self._table.write([msgspec.structs.replace(row, log_id=topic.log_ids[0])], records)
        except BaseException:
            if is_new:
                await self._broker.drop_topic(name)
            raise
        return cast(Stream, self._table.get(name))

    async def _topic_for(self, name: str, *, is_fork: bool) -> tuple[Topic, bool]:
        """The topic of a new stream, and whether it was made. One that is there already becomes a stream if it can."""
        try:
            topic = self._broker.topic(name)
        except UnknownTopic:
            return await self._broker.create_topic(name, format=Format.BATCH, partition_count=1), True
        self._broker.check_producible(TopicPartition(name, 0))
        if topic.format is not Format.BATCH or topic.partition_count != 1 or is_fork:
            raise other_stream(name, "as a topic that cannot become this stream")
        return topic, False

    # -- appending ---------------------------------------------------------------------------------------------------

    async def append(self, stream: Stream, entry: Entry) -> Outcome:
        """Add to the end of a stream, close it, or both.

        Durability: as an append, when it returns; records, closing and the producer's progress are one commit.
        Raises: Refused, InvalidInput: nothing is stored. MessageTooLarge, DiskFull, Throttled, Unavailable.
        """
        await wait_for_room(self._context)
        if entry.producer is None and entry.seq is None and not entry.closes:
            return await self._append(stream, entry)
        async with stream.appending:  # what comes after depends on what became of this
            return await self._append(stream, entry)

    async def _append(self, stream: Stream, entry: Entry) -> Outcome:
        if stream.row.closed or stream.closing:
            return self._append_to_closed(stream, entry)
        payloads = self._payloads(stream, entry)
        if entry.producer is not None and self._is_duplicate(stream, entry.producer):
            return self._outcome(stream, entry.producer, duplicate=True)
        if entry.seq is not None and stream.row.seq is not None and entry.seq.encode() <= stream.row.seq.encode():
            raise Refused(
                409,
                "SEQUENCE_REGRESSION",
                f"the last Stream-Seq was {stream.row.seq!r}; the next is greater",
                "Stream-Seq",
            )
        stream.closing = entry.closes
        try:
            await self._store(stream, entry, payloads)
        finally:
            stream.closing = False
        return self._outcome(stream, entry.producer)

    async def _store(self, stream: Stream, entry: Entry, payloads: list[bytes]) -> None:
        topic, now_ms = self.topic(stream), self._now()
        row = msgspec.structs.replace(
            stream.row,
            closed=entry.closes,
            closed_by=entry.producer if entry.closes else None,
            seq=stream.row.seq if entry.seq is None else entry.seq,
        )
        rows: list[Row | ProducerRow] = [] if row == stream.row else [row]
        if entry.producer is not None:
            rows.append(ProducerRow(stream.name, row.log_id, entry.producer))
        await self._table.write(rows, append_of(topic, payloads, now_ms) if payloads else None)

    def _payloads(self, stream: Stream, entry: Entry) -> list[bytes]:
        """The records of a body that fits the stream. Raises: InvalidInput, Refused, MessageTooLarge."""
        if not entry.body:
            if not entry.closes:
                raise InvalidInput("there is nothing to append; only a request that closes the stream may have no body")
            return []
        if entry.content_type is None:
            raise InvalidInput("the request does not say what it appends", "Content-Type")
        if media_type(entry.content_type) != media_type(stream.row.content_type):
            raise Refused(
                409, "CONTENT_TYPE_MISMATCH", f"the stream is one of {stream.row.content_type}", "Content-Type"
            )
        payloads = payloads_of(stream.is_json, entry.body, self.topic(stream))
        if not payloads:
            raise InvalidInput("an empty array has no message to append")
        return payloads

    def _is_duplicate(self, stream: Stream, producer: Producer) -> bool:
        """Whether the append was stored already. Raises: Refused, InvalidInput: it does not come next."""
        last = stream.producers.get(producer.id)
        verdict = judge(producer, last)
        if verdict is Verdict.NOT_FROM_ZERO:
            raise InvalidInput("a new epoch begins with sequence number 0", "Producer-Seq")
        if verdict is Verdict.STALE_EPOCH:
            assert last is not None
            detail = f"the producer has epoch {last[0]} by now, not {producer.epoch}"
            raise Refused(403, "PRODUCER_FENCED", detail, "Producer-Epoch", {"Producer-Epoch": str(last[0])})
        if verdict is Verdict.GAP:
            expected = 0 if last is None else last[1] + 1
            raise Refused(
                409,
                "SEQUENCE_GAP",
                f"the producer's next sequence number is {expected}, not {producer.seq}",
                "Producer-Seq",
                {"Producer-Expected-Seq": str(expected), "Producer-Received-Seq": str(producer.seq)},
            )
        return verdict is Verdict.DUPLICATE

    def _append_to_closed(self, stream: Stream, entry: Entry) -> Outcome:
        """To close again is fine, and so is to send the very append again that closed it. Raises: Refused."""
        again = entry.producer is not None and entry.producer == stream.row.closed_by
        if again or (entry.closes and not entry.body and stream.row.closed):
            return self._outcome(stream, entry.producer, duplicate=True)
        headers = {"Stream-Closed": "true", "Stream-Next-Offset": offset_text(self.end(stream))}
        raise Refused(409, "STREAM_CLOSED", "the stream is closed, nothing can be appended", "stream", headers)

    def _outcome(self, stream: Stream, producer: Producer | None, *, duplicate: bool = False) -> Outcome:
        if producer is not None and (last := stream.producers.get(producer.id)) is not None:
            producer = Producer(producer.id, *last)
        return Outcome(self.end(stream), stream.row.closed, producer, duplicate)

    # -- deleting ----------------------------------------------------------------------------------------------------

    async def delete(self, name: str) -> None:
        """Delete a stream with its records. The name of one that has forks stays taken until they are gone.

        Durability: it is gone for good when it returns. Raises: Refused: there is none.
        """
        await self.find(name, touch=False)
        async with self._lock(name):
            stream = self._table.get(name)
            if stream is not None and not stream.row.deleted:
                await self._remove(stream)

    async def _remove(self, stream: Stream) -> None:
        # The topic goes first: what a crash leaves is a row without a topic, which is put away when it is met.
        if self._topic_or_none(stream) is not None:
            await self._broker.drop_topic(stream.name)
        if self._table.fork_count(stream):
            await self._table.write([msgspec.structs.replace(stream.row, deleted=True)])
            return
        gone = [msgspec.structs.replace(stream.row, gone=True)]
        while (source := self._source_left_over(gone[-1])) is not None:
            gone.append(msgspec.structs.replace(source.row, gone=True))
        await self._table.write(gone)

    def _source_left_over(self, row: Row) -> Stream | None:
        """The deleted stream whose last fork this is."""
        source = None if row.fork is None else self._table.get(row.fork.source)
        if source is None or row.fork is None or source.row.log_id != row.fork.source_log_id:
            return None
        return source if source.row.deleted and self._table.fork_count(source) == 1 else None

    async def _expire(self) -> None:
        """Put away streams whose time is over, for as long as the broker runs."""
        while True:
            await asyncio.sleep(STREAM_EXPIRY_INTERVAL_S)
            for stream in self._table:
                try:
                    await self._current(stream.name)
                except LogMQError as error:
                    _log.warning("a stream could not expire", extra={"stream": stream.name, "reason": str(error)})


JSON = "application/json"


def _row_of(name: str, wanted: Wanted, branch: Branch | None) -> Row:
    """The row of a new stream; a fork has what it does not say from its source."""
    content_type, ttl_s, expires_ms = wanted.content_type, wanted.ttl_s, wanted.expires_ms
    if branch is None:
        return Row(name, 0, content_type or DEFAULT_TYPE, ttl_s, expires_ms, closed=wanted.closed)
    source = branch.source.row
    if ttl_s is None and expires_ms is None:
        ttl_s, expires_ms = source.ttl_s, source.expires_ms
    return Row(
        name, 0, content_type or source.content_type, ttl_s, expires_ms,
        closed=wanted.closed, fork=branch.fork, base=branch.base,
    )  # fmt: skip


def _check_same(stream: Stream, wanted: Wanted) -> None:
    """Check that the stream that is there is the one that is wanted. Raises: Refused."""
    row = stream.row
    if row.deleted:
        raise other_stream(row.stream, "deleted but with forks")
    if (row.fork is None) != (wanted.fork is None):
        raise other_stream(row.stream, "and no fork" if row.fork is None else "as a fork")
    if row.fork is not None and wanted.fork is not None:
        offset = row.fork.offset if wanted.fork.offset is None else wanted.fork.offset
        if (row.fork.source, row.fork.offset, row.fork.sub_offset) != (
            wanted.fork.source,
            offset,
            wanted.fork.sub_offset,
        ):
            raise other_stream(row.stream, "forked elsewhere")
    inherits = row.fork is not None
    if not (inherits and wanted.content_type is None) and media_type(wanted.content_type or DEFAULT_TYPE) != media_type(
        row.content_type
    ):
        raise other_stream(row.stream, f"of the type {row.content_type}")
    expiry = (wanted.ttl_s, wanted.expires_ms)
    if not (inherits and expiry == (None, None)) and expiry != (row.ttl_s, row.expires_ms):
        raise other_stream(row.stream, "and expires at another time")
    if row.closed != wanted.closed:
        raise other_stream(row.stream, "and closed" if row.closed else "and open")


def streams_of(connection: HTTPConnection) -> Streams:
    """The streams of the broker that a request came to."""
    state = connection.app.state
    if not hasattr(state, "streams"):
        state.streams = Streams(context_of(connection))
    return cast(Streams, state.streams)
