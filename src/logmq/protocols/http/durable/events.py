"""A stream as Server-Sent Events: what is new as `data`, and after each where the reader is as `control`.

    event: data                 event: control
    data:[                      data:{"streamNextOffset": "...", "streamCursor": "...", "upToDate": true}
    data:{"a": 1},
    data:{"b": 2}
    data:]

Types that are neither text nor JSON go as base64.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from logmq.errors import LogMQError
from logmq.limits import STREAM_EVENTS_TIME_MAX_S
from logmq.protocols.http.context import Context
from logmq.protocols.http.durable.content import joined
from logmq.protocols.http.durable.offsets import offset_text
from logmq.protocols.http.durable.reading import Part, read_part, wait_for_more
from logmq.protocols.http.durable.state import Stream
from logmq.protocols.http.durable.streams import Streams
from logmq.protocols.http.problems import problem_of

_LINE_END = re.compile(rb"\r\n|\r|\n")


async def events(context: Context, streams: Streams, stream: Stream, offset: int, cursor: str) -> AsyncIterator[bytes]:
    """The answer, piece by piece: for about a minute, or until the stream has ended."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + STREAM_EVENTS_TIME_MAX_S
    try:
        while True:
            part = await read_part(context, streams, stream, offset)
            yield _data(stream, part) + _control(part, cursor)
            offset, left_s = part.next_offset, deadline - loop.time()
            if part.closed or left_s <= 0 or context.stopping.is_set():
                return
            if part.up_to_date:
                await wait_for_more(context, stream, offset, left_s)
                if loop.time() >= deadline:
                    return
    except LogMQError as error:
        yield b"event: error\ndata: " + msgspec.json.encode(problem_of(error)) + b"\n\n"


def _data(stream: Stream, part: Part) -> bytes:
    if not part.values:
        return b""
    content = joined(stream, part.values)
    if not stream.is_text:
        content = b64encode(content)
    elif not stream.is_json:
        content = content.decode("utf-8", "replace").encode()
    lines = b"\n".join([b"data:" + line for line in _LINE_END.split(content)])
    return b"event: data\n" + lines + b"\n\n"


def _control(part: Part, cursor: str) -> bytes:
    said: dict[str, Any] = {"streamNextOffset": offset_text(part.next_offset)}
    if part.closed:
        said["streamClosed"] = True
    else:
        said["streamCursor"] = cursor
    if part.up_to_date:
        said["upToDate"] = True
    return b"event: control\ndata:" + msgspec.json.encode(said) + b"\n\n"
