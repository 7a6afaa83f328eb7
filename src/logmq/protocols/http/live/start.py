"""Where a live stream begins: at an offset, or behind the last event that a subscriber has seen."""

from __future__ import annotations

from typing import NamedTuple

from logmq.errors import OffsetOutOfRange
from logmq.limits import LIVE_PARTITIONS_MAX
from logmq.model import Topic, TopicPartition
from logmq.protocols.http.context import Context
from logmq.protocols.http.live.positions import Positions, parse
from logmq.protocols.http.problems import InvalidInput, RequestProblem
from logmq.protocols.http.reading import resolve_offset


class Rewritten(RequestProblem):
    """The log ends before the position to go on from: it is another one than it was."""

    status, code = 409, "TOPIC_MADE_ANEW"

    def __init__(self, partition: TopicPartition, offset: int, high_watermark: int) -> None:
        super().__init__(
            f"{partition} ends at offset {high_watermark}, before offset {offset} to go on from: it was made anew,"
            " and is read from its start"
        )


class Start(NamedTuple):
    """Where to begin, and what the subscriber must know of it."""

    positions: Positions
    problems: list[RequestProblem]


def followed(topic: Topic, partition: int | None) -> list[TopicPartition]:
    """The partitions of a stream. Raises: InvalidInput: too many for one."""
    if partition is not None:
        return [TopicPartition(topic.name, partition)]
    if topic.partition_count > LIVE_PARTITIONS_MAX:
        raise InvalidInput(
            f"the topic has {topic.partition_count} partitions, a stream follows {LIVE_PARTITIONS_MAX} at most:"
            " choose one",
            "partition",
        )
    return topic.partitions()


async def at_offset(context: Context, topic: Topic, partition: int | None, text: str) -> Start:
    """Begin at an offset as `resolve_offset` reads it, in each partition.

    Raises: InvalidInput, UnknownPartition, OffsetOutOfRange.
    """
    offsets: dict[int, int] = {}
    for one in followed(topic, partition):
        offset, bounds = await resolve_offset(context, one, text), context.broker.bounds(one)
        if offset < bounds.log_start_offset:
            raise OffsetOutOfRange(offset, bounds.log_start_offset, bounds.high_watermark)
        offsets[one.index] = offset
    return Start(Positions(offsets, follows_all=partition is None), [])


def behind(context: Context, topic: Topic, partition: int | None, id: str) -> Start:
    """Go on behind the event with this id. Raises: InvalidInput, UnknownPartition."""
    given = parse(id)
    offsets: dict[int, int] = {}
    problems: list[RequestProblem] = []
    for one in followed(topic, partition):
        bounds = context.broker.bounds(one)
        if isinstance(given, int):
            offset = given if one.index == (partition or 0) else bounds.log_start_offset
        else:
            offset = given.get(one.index, bounds.log_start_offset)
        if offset > bounds.high_watermark:
            problems.append(Rewritten(one, offset, bounds.high_watermark))
            offset = bounds.log_start_offset
        offsets[one.index] = offset
    return Start(Positions(offsets, follows_all=partition is None), problems)
