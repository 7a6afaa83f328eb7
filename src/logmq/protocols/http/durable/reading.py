"""Reading a stream: what there is from an offset on, and waiting for more."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from logmq.errors import OffsetOutOfRange
from logmq.limits import READ_SIZE, STREAM_READ_SIZE
from logmq.model import TopicPartition
from logmq.protocols.http.context import Context
from logmq.protocols.http.durable.refusals import Refused
from logmq.protocols.http.durable.state import Stream
from logmq.protocols.http.durable.streams import Streams
from logmq.protocols.http.reading import read
from logmq.protocols.http.stored_records import records_in


class Part(NamedTuple):
    """What was read of a stream."""

    values: list[bytes | None]
    next_offset: int
    up_to_date: bool
    """Whether there was no more when it was read."""
    closed: bool
    """Whether there will never be more."""


async def read_part(context: Context, streams: Streams, stream: Stream, offset: int) -> Part:
    """What follows an offset, as much as one answer holds.

    Raises: Refused: the stream is gone, or no longer has the offset. Damaged.
    """
    topic, partition = streams.topic(stream), TopicPartition(stream.name, 0)
    values: list[bytes | None] = []
    size, at = 0, offset - stream.row.base
    try:
        while at < context.broker.bounds(partition).high_watermark and size < STREAM_READ_SIZE:
            chunk = await read(context, partition, at, READ_SIZE)
            streams.topic(stream)  # it may be another one by now
            records, at = records_in(topic, chunk, at, size_max=STREAM_READ_SIZE - size)
            values += [record.value for record in records]
            size += sum(len(record.value or b"") for record in records)
    except OffsetOutOfRange as error:
        raise Refused(410, "OFFSET_OUT_OF_RANGE", str(error), "offset") from None
    up_to_date = at >= context.broker.bounds(partition).high_watermark
    return Part(values, max(at + stream.row.base, offset), up_to_date, up_to_date and stream.row.closed)


async def wait_for_more(context: Context, stream: Stream, offset: int, timeout_s: float) -> None:
    """Wait until there is more behind an offset, the stream has ended, or the time is over."""
    partition = TopicPartition(stream.name, 0)
    grown = asyncio.ensure_future(context.broker.wait_any({partition: offset - stream.row.base}, None))
    ends = [asyncio.ensure_future(stream.ended.wait()), asyncio.ensure_future(context.stopping.wait())]
    try:
        await asyncio.wait([grown, *ends], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (grown, *ends):
            task.cancel()
        await asyncio.gather(grown, *ends, return_exceptions=True)
