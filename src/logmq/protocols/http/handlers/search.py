"""Searching a topic from one end to the other, with progress, as Server-Sent Events (WHATWG HTML, 9.2).

    event: match       data: a record
    event: progress    data: {"partition": 0, "offset": 5000, "end_offset": 90000, "scanned_records": 5000, ...}
    event: problem     data: a problem document: something could not be searched; the search goes on behind it
    event: end         data: {"reason": "end", "scanned_records": 90000, ...}

Slices of the log are looked through in a thread, one after the other, so that everybody else goes on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from logmq.errors import Damaged, LogMQError, OffsetOutOfRange, Throttled
from logmq.limits import HTTP_SEARCH_SLICE_SIZE, HTTP_SEARCH_TEXT_SIZE_MAX, HTTP_SEARCHES_MAX, PARTITION_COUNT_MAX
from logmq.model import TopicPartition
from logmq.protocols.http.bodies import Query, query_of
from logmq.protocols.http.context import Context, context_of
from logmq.protocols.http.problems import InvalidInput, UnreadableBatch, problem_of
from logmq.protocols.http.reading import read, resolve_offset
from logmq.protocols.http.searching import FIELDS, Scanned, Text, search
from logmq.protocols.http.stored_records import answer_of

EVENTS = "text/event-stream"
_PROGRESS_INTERVAL_S = 0.2
_MATCHES_MAX = 10_000
_RETRY_AFTER_MS = 1000


class SearchQuery(Query, frozen=True):
    """What to search for, and where."""

    query: Annotated[str, Meta(min_length=1, max_length=HTTP_SEARCH_TEXT_SIZE_MAX, description="the text to be found")]
    fields: Annotated[str, Meta(description="which of key, value and headers, with commas between")] = msgspec.field(
        default=",".join(FIELDS), name="in"
    )
    partition: Annotated[int, Meta(ge=0, lt=PARTITION_COUNT_MAX, description="all, if none is given")] | None = None
    offset: Annotated[str, Meta(description="where to begin, as in reading records")] = "earliest"
    until: Annotated[int, Meta(ge=0, le=2**63 - 1, description="the offset to end before; else what is there now")] = (
        2**63 - 1
    )
    matches_max: Annotated[int, Meta(ge=1, le=_MATCHES_MAX, description="records to be found at most")] = 100
    ignore_case: Annotated[bool, Meta(description="whether case is of no matter")] = True


class SearchProgress(msgspec.Struct):
    """How far a search has come: in the partition it is in, and in all."""

    partition: int
    offset: int
    end_offset: int
    scanned_records: int = 0
    scanned_bytes: int = 0


class SearchEnd(msgspec.Struct, frozen=True):
    """Why a search is over, and what it took."""

    reason: Literal["end", "matches_max", "stopping"]
    matches: int
    scanned_records: int
    scanned_bytes: int


async def search_records(request: Request) -> Response:
    """Search, and tell what is found as it is found."""
    query, context = query_of(request, SearchQuery), context_of(request)
    fields = query.fields.split(",")
    if not set(fields) <= set(FIELDS):
        raise InvalidInput(f"use one or more of {', '.join(FIELDS)} with commas between", "in")
    topic = context.broker.topic(request.path_params["topic"])
    partitions = topic.partitions() if query.partition is None else [TopicPartition(topic.name, query.partition)]
    starts = [await resolve_offset(context, partition, query.offset) for partition in partitions]
    if context.searches.locked():
        raise Throttled(f"{HTTP_SEARCHES_MAX} searches are going on, which is as many as may", _RETRY_AFTER_MS)
    text = Text(query.query, fields, ignore_case=query.ignore_case)
    events = Search(context, text, query.until, query.matches_max).run(list(zip(partitions, starts, strict=True)))
    return StreamingResponse(events, headers={"Cache-Control": "no-store"}, media_type=EVENTS)


class Search:
    """One search under way."""

    def __init__(self, context: Context, text: Text, until: int, matches_max: int) -> None:
        self._context = context
        self._text = text
        self._until = until
        self._matches_left = self._matches_max = matches_max
        self._progress = SearchProgress(0, 0, 0)
        self._told_s = context.clock.monotonic()

    async def run(self, places: list[tuple[TopicPartition, int]]) -> AsyncIterator[bytes]:
        """The events, partition by partition."""
        async with self._context.searches:
            for partition, offset in places:
                try:
                    async for event in self._scan(partition, offset):
                        yield event
                except LogMQError as error:
                    yield _event("problem", problem_of(error))
                if self._reason() != "end":
                    break
            yield _event("progress", self._progress)
            yield _event("end", self._end())

    def _reason(self) -> Literal["end", "matches_max", "stopping"]:
        if self._matches_left == 0:
            return "matches_max"
        return "stopping" if self._context.stopping.is_set() else "end"

    def _end(self) -> SearchEnd:
        progress, found = self._progress, self._matches_max - self._matches_left
        return SearchEnd(self._reason(), found, progress.scanned_records, progress.scanned_bytes)

    async def _scan(self, partition: TopicPartition, offset: int) -> AsyncIterator[bytes]:
        """The events of one partition, up to where it ends now. Raises: LogMQError, if it cannot go on."""
        progress = self._progress
        end = min(self._until, self._context.broker.bounds(partition).high_watermark)
        progress.partition, progress.offset, progress.end_offset = partition.index, min(offset, end), end
        yield _event("progress", progress)
        while progress.offset < end and self._reason() == "end":
            try:
                found = await self._scan_slice(partition)
            except (Damaged, UnreadableBatch) as error:
                yield _event("problem", problem_of(error))
                progress.offset = max(error.next_offset, progress.offset + 1)
                continue
            except OffsetOutOfRange as error:  # deleted meanwhile
                progress.offset = max(error.log_start_offset, progress.offset + 1)
                continue
            self._matches_left -= len(found.matches)
            for record in found.matches:
                yield _event("match", answer_of(partition.index, record))
            if (now_s := self._context.clock.monotonic()) - self._told_s >= _PROGRESS_INTERVAL_S:
                self._told_s = now_s
                yield _event("progress", progress)

    async def _scan_slice(self, partition: TopicPartition) -> Scanned:
        """Look through what is next. Raises: LogMQError."""
        progress = self._progress
        topic = self._context.broker.check_partition(partition)
        chunk = await read(self._context, partition, progress.offset, HTTP_SEARCH_SLICE_SIZE)
        found = await asyncio.to_thread(
            search, topic, chunk, progress.offset, progress.end_offset, self._text, self._matches_left
        )
        progress.scanned_records += found.record_count
        progress.scanned_bytes += len(chunk.data)
        progress.offset = max(found.next_offset, progress.offset + 1)
        return found


_encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode


def _event(name: str, data: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(data))
