"""Reading from a partition: which offset is meant, and the chunk there."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from logmq.limits import HTTP_READ_COUNT_MAX, READ_SIZE
from logmq.model import Format, TopicPartition
from logmq.protocols.http.context import Context
from logmq.protocols.http.problems import InvalidInput
from logmq.records import frames
from logmq.storage.engine import Chunk

EARLIEST = "earliest"
LATEST = "latest"
_OFFSET_MAX = 2**63 - 1
_FIRST_STEP_SIZE = 16 * 1024


async def read(context: Context, partition: TopicPartition, offset: int, size_max: int) -> Chunk:
    """See `LogStore.read`; from the page cache at once, if it is there."""
    chunk = context.broker.read_nowait(partition, offset, size_max)
    return await context.broker.read(partition, offset, size_max) if chunk is None else chunk


async def resolve_offset(context: Context, partition: TopicPartition, text: str) -> int:
    """The offset that is meant: a number, `earliest`, `latest`, `-10` (the last ten), `@<ms>` or an ISO 8601 time.

    A number is not checked against what is there. Raises: InvalidInput, UnknownTopic, UnknownPartition.
    """
    bounds = context.broker.bounds(partition)
    if text == EARLIEST:
        return bounds.log_start_offset
    if text == LATEST:
        return bounds.high_watermark
    if re.fullmatch(r"-[0-9]{1,19}", text):
        return await _last(context, partition, min(int(text[1:]), HTTP_READ_COUNT_MAX))
    if re.fullmatch(r"[0-9]{1,19}", text):
        return min(int(text), _OFFSET_MAX)
    offset, _ = await context.broker.find_timestamp(partition, _time_of(text))
    return context.broker.bounds(partition).high_watermark if offset < 0 else offset


def _time_of(text: str) -> int:
    if re.fullmatch(r"@[0-9]{1,19}", text):
        return int(text[1:])
    try:
        # The plus sign of a time zone is a space in a URL, unless it was written as %2B.
        time = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{text[:40]!r} is no offset: use a number, earliest, latest, -10 for the last ten, @ and milliseconds"
            " since 1970, or a time such as 2026-01-31T12:00:00Z",
            "offset",
        ) from None


async def _last(context: Context, partition: TopicPartition, count: int) -> int:
    """The offset of the record that has `count` - 1 behind it; of the first one if there are not as many."""
    bounds = context.broker.bounds(partition)
    start, end = bounds.log_start_offset, bounds.high_watermark
    if context.broker.topic(partition.topic).format is Format.BATCH:
        return max(start, end - count)
    if count == 0:
        return end
    step = _FIRST_STEP_SIZE
    while True:
        offset = max(start, end - step)
        offsets = await _frame_offsets(context, partition, offset, end)
        if len(offsets) >= count:
            return offsets[-count]
        if offset == start:
            return offsets[0] if offsets else end
        step *= 4


async def _frame_offsets(context: Context, partition: TopicPartition, offset: int, end: int) -> list[int]:
    """The offsets of all frames from the first one at or after `offset` on."""
    found: list[int] = []
    while offset < end and (chunk := await read(context, partition, offset, READ_SIZE)).data:
        starts, _ = frames.walk(chunk.data)
        found += [chunk.first_offset + start for start in starts if chunk.first_offset + start >= offset]
        offset = chunk.next_offset
    return found
