"""The Durable Streams protocol: PUT makes a stream, POST appends or closes, GET reads and follows, DELETE."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from typing import Literal
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from logmq.protocols.http.bodies import Query, body_of, query_of
from logmq.protocols.http.context import context_of
from logmq.protocols.http.durable import headers as said
from logmq.protocols.http.durable.content import joined
from logmq.protocols.http.durable.events import events
from logmq.protocols.http.durable.forking import ForkWanted
from logmq.protocols.http.durable.offsets import NOW, START, next_cursor, offset_text, parse_offset
from logmq.protocols.http.durable.reading import Part, read_part, wait_for_more
from logmq.protocols.http.durable.refusals import Refused
from logmq.protocols.http.durable.state import Stream
from logmq.protocols.http.durable.streams import Entry, Streams, Wanted, streams_of
from logmq.protocols.http.long_poll import wait_for_client
from logmq.protocols.http.problems import InvalidInput, answer_error

ANY_TYPE = "*/*"
_CACHEABLE = "private, max-age=60, stale-while-revalidate=300"
_NEVER_CACHED = "no-store"
_JITTER_MAX = 180
_CONTENT_IS_NO_PAGE = {"Content-Security-Policy": "sandbox; default-src 'none'"}
"""A stream has the type that its maker said: as a page it must not act in the broker's name."""


class StreamQuery(Query, frozen=True, forbid_unknown_fields=False):
    """Where to read from, and how."""

    offset: str | None = None
    live: Literal["long-poll", "sse"] | None = None
    cursor: str | None = None


_Endpoint = Callable[[Request], Awaitable[Response]]


def _refusing(endpoint: _Endpoint) -> _Endpoint:
    """Refusals carry headers by which clients tell them apart."""

    @wraps(endpoint)
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refused as refusal:
            response = answer_error(refusal)
            response.headers.update(refusal.headers)
            return response

    return answer


# -- making and deleting ---------------------------------------------------------------------------------------------


@_refusing
async def create_stream(request: Request) -> Response:
    """Make a stream, or find that it is there as it is wanted. Durability: it is durable when it is answered."""
    ttl_s, expires_ms = said.expiry_of(request.headers)
    content_type, closed, fork = said.content_type_of(request.headers), said.closes(request.headers), _fork_of(request)
    wanted = Wanted(content_type, ttl_s, expires_ms, closed, await body_of(request), fork)
    streams = streams_of(request)
    stream, is_new = await streams.create(request.path_params["topic"], wanted)
    headers = {"Content-Type": stream.row.content_type, "Stream-Next-Offset": offset_text(streams.end(stream))}
    if is_new:
        headers["Location"] = str(request.url.replace(query="", fragment=""))
    return Response(status_code=201 if is_new else 200, headers=headers | _closed(stream))


def _fork_of(request: Request) -> ForkWanted | None:
    source = request.headers.get("stream-forked-from")
    offset, sub_offset = request.headers.get("stream-fork-offset"), request.headers.get("stream-fork-sub-offset")
    if source is None:
        if offset is not None or sub_offset is not None:
            raise InvalidInput("what is to be forked is not said", "Stream-Forked-From")
        return None
    return ForkWanted(
        unquote(source.partition("?")[0]).rpartition("/")[2],
        None if offset is None else 0 if offset == START else parse_offset(offset),
        0 if sub_offset is None else said.number(sub_offset, "Stream-Fork-Sub-Offset"),
    )


@_refusing
async def delete_stream(request: Request) -> Response:
    """Delete a stream with its records. Durability: it is gone for good when it is answered."""
    await streams_of(request).delete(request.path_params["topic"])
    return Response(status_code=204)


# -- appending -------------------------------------------------------------------------------------------------------


@_refusing
async def append_to_stream(request: Request) -> Response:
    """Append the body, close the stream, or both. Durability: it is durable when it is answered."""
    streams = streams_of(request)
    stream = await streams.find(request.path_params["topic"])
    body = await body_of(request)
    content_type = said.content_type_of(request.headers) if body else None
    producer = said.producer_of(request.headers)
    entry = Entry(body, content_type, said.closes(request.headers), producer, said.seq_of(request.headers))
    outcome = await streams.append(stream, entry)
    headers = {"Stream-Next-Offset": offset_text(outcome.next_offset)}
    if outcome.closed:
        headers["Stream-Closed"] = "true"
    if outcome.producer is not None:
        headers |= {
            "Producer-Epoch": str(outcome.producer.epoch),
            "Producer-Seq": str(outcome.producer.seq),
        }
    return Response(
        status_code=200 if body and producer is not None and not outcome.duplicate else 204, headers=headers
    )


# -- reading ---------------------------------------------------------------------------------------------------------


@_refusing
async def read_stream(request: Request) -> Response:
    """What follows an offset; with `live` also what is still to come."""
    streams = streams_of(request)
    if request.method == "HEAD":
        return _describe(streams, await streams.find(request.path_params["topic"], touch=False))
    query = query_of(request, StreamQuery)
    if query.live is not None and query.offset is None:
        raise InvalidInput("to follow a stream say from where: an offset, -1, or now", "offset")
    stream = await streams.find(request.path_params["topic"])
    offset = _offset_of(query, streams, stream)
    if query.live is None:
        return await _catch_up(request, streams, stream, query, offset)
    follow = _long_poll if query.live == "long-poll" else _events
    return await follow(request, streams, stream, query, offset)


def _offset_of(query: StreamQuery, streams: Streams, stream: Stream) -> int:
    if query.offset in {None, START}:
        return streams.start(stream)
    return streams.end(stream) if query.offset == NOW else parse_offset(query.offset or "")


def _describe(streams: Streams, stream: Stream) -> Response:
    row = stream.row
    headers = {
        "Content-Type": row.content_type,
        "Cache-Control": _NEVER_CACHED,
        "Stream-Next-Offset": offset_text(streams.end(stream)),
    }
    if row.ttl_s is not None:
        headers["Stream-TTL"] = str(row.ttl_s)
    if row.expires_ms is not None:
        moment = datetime.fromtimestamp(row.expires_ms / 1000, UTC)
        headers["Stream-Expires-At"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Response(headers=headers | _closed(stream) | _CONTENT_IS_NO_PAGE)


async def _catch_up(request: Request, streams: Streams, stream: Stream, query: StreamQuery, offset: int) -> Response:
    part = await read_part(context_of(request), streams, stream, offset)
    if query.offset == NOW:
        return _answer(stream, part._replace(values=[]), {"Cache-Control": _NEVER_CACHED})
    tag = f'"{stream.row.log_id}:{offset}:{part.next_offset}{":c" if part.closed else ""}"'
    headers = {"ETag": tag, "Cache-Control": _CACHEABLE}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers | _where(part))
    return _answer(stream, part, headers)


async def _long_poll(request: Request, streams: Streams, stream: Stream, query: StreamQuery, offset: int) -> Response:
    context = context_of(request)
    part = await read_part(context, streams, stream, offset)
    if not part.values and part.up_to_date and not part.closed:
        stream.readers += 1
        try:
            timeout_s = context.config.stream_long_poll_ms / 1000
            await wait_for_client(request, wait_for_more(context, stream, offset, timeout_s))
        finally:
            stream.readers -= 1
            stream.touched_ms = context.clock.now_ms()
        part = await read_part(context, streams, stream, offset)
    headers = {"Stream-Cursor": _cursor(request, query), "Cache-Control": _NEVER_CACHED}
    if not part.values:
        return Response(status_code=204, headers=headers | _where(part))
    tag = f'"{stream.row.log_id}:{offset}:{part.next_offset}{":c" if part.closed else ""}"'
    return _answer(stream, part, {**headers, "ETag": tag, "Cache-Control": _CACHEABLE})


async def _events(request: Request, streams: Streams, stream: Stream, query: StreamQuery, offset: int) -> Response:
    context, cursor = context_of(request), _cursor(request, query)

    async def pieces() -> AsyncIterator[bytes]:
        stream.readers += 1
        try:
            async for piece in events(context, streams, stream, offset, cursor):
                yield piece
        finally:
            stream.readers -= 1
            stream.touched_ms = context.clock.now_ms()

    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no"}
    if not stream.is_text:
        headers["Stream-SSE-Data-Encoding"] = "base64"
    return StreamingResponse(pieces(), headers=headers)


def _cursor(request: Request, query: StreamQuery) -> str:
    return next_cursor(query.cursor, context_of(request).clock.now_ms(), random.randint(1, _JITTER_MAX))


def _answer(stream: Stream, part: Part, headers: dict[str, str]) -> Response:
    about = {"Content-Type": stream.row.content_type} | headers | _where(part) | _CONTENT_IS_NO_PAGE
    return Response(joined(stream, part.values), headers=about)


def _where(part: Part) -> dict[str, str]:
    headers = {"Stream-Next-Offset": offset_text(part.next_offset)}
    if part.up_to_date:
        headers["Stream-Up-To-Date"] = "true"
    if part.closed:
        headers["Stream-Closed"] = "true"
    return headers


def _closed(stream: Stream) -> dict[str, str]:
    return {"Stream-Closed": "true"} if stream.row.closed else {}


BY_METHOD: Mapping[str, _Endpoint] = {
    "PUT": create_stream,
    "POST": append_to_stream,
    "GET": read_stream,
    "HEAD": read_stream,
    "DELETE": delete_stream,
}


async def any_method(request: Request) -> Response:
    """Where the protocol's own tools look for streams, beside the path of this API."""
    return await BY_METHOD[request.method](request)
