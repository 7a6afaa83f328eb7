"""From records to appends, and from their results to where the records are: one append a partition, in one call.

records     k1: a    k2: b    k1: c          all are checked before anything is handed to the broker
appends     0: [a, c]    1: [b]              one call, one commit: all or nothing
placed      0/7      1/3      0/8            in the order of the records
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from logmq.errors import LogMQError
from logmq.limits import HTTP_RECORDS_AT_ONCE_MAX, HTTP_RECORDS_MAX
from logmq.model import Format, Topic
from logmq.protocols.http.appends import Prepared, check_partitions, prepare
from logmq.protocols.http.context import Context
from logmq.protocols.http.new_records import Content, FieldNames, nth_record
from logmq.protocols.http.partitioner import Choice
from logmq.protocols.http.problems import InvalidInput
from logmq.storage.engine import Appended, Appending


class Placed(msgspec.Struct, frozen=True, gc=False):
    """Where a record is stored."""

    partition: int
    offset: int


class Range(msgspec.Struct, frozen=True):
    """Records of one request in a partition; others may lie between them."""

    partition: int
    first_offset: int
    last_offset: int
    count: int


class Sending:
    """Records on their way."""

    __slots__ = ("_prepared", "appending")

    def __init__(self, prepared: Sequence[Prepared], appending: Appending) -> None:
        self.appending = appending
        self._prepared = prepared

    def ranges(self) -> list[Range]:
        """What went to each partition, once it is done. Raises: LogMQError."""
        return [
            Range(append.partition.index, result.first_offset, result.first_offset + offsets[-1], len(offsets))
            for (append, offsets, _), result in self._results()
        ]

    def placed(self) -> list[Placed]:
        """Where the records are, in the order of the request, once it is done. Raises: LogMQError."""
        places: list[tuple[Sequence[int], list[Placed]]] = []
        for (append, offsets, order), result in self._results():
            partition, first = append.partition.index, result.first_offset
            places.append((order, [Placed(partition, first + offset) for offset in offsets]))
        if len(places) == 1:
            return places[0][1]
        by_number = {number: place for order, group in places for number, place in zip(order, group, strict=True)}
        return [by_number[number] for number in range(len(by_number))]

    def _results(self) -> list[tuple[Prepared, Appended]]:
        """What became of each append. Raises: LogMQError, the first one's."""
        results: list[tuple[Prepared, Appended]] = []
        for prepared, result in zip(self._prepared, self.appending.result(), strict=True):
            if isinstance(result, LogMQError):
                raise result
            results.append((prepared, result))
        return results


async def produce_contents(
    context: Context,
    topic_name: str,
    contents: Sequence[Content],
    *,
    partition: int | None = None,
    names: FieldNames = nth_record,
) -> list[Placed]:
    """Store records; a topic that is not there is made, where allowed.

    `partition` is for those that name none, `names` how problems call the records' fields. All are stored, or none.
    Durability: they survive as the sync mode promises when it returns. Raises: LogMQError.
    """
    check_record_count(len(contents))
    topic = await context.broker.ensure_topic(topic_name, format=Format.BATCH)
    await wait_for_room(context)
    sending = await begin(context, topic, contents, choice_for(context, topic, partition), names)
    await sending.appending
    return sending.placed()


def check_record_count(count: int) -> None:
    """Whether a request that is held whole may have so many records. Raises: InvalidInput."""
    if count > HTTP_RECORDS_MAX:
        raise InvalidInput(
            f"a request may have {HTTP_RECORDS_MAX} records, not {count}; send less at a time, or lines of JSON as"
            " application/x-ndjson, which may go on without end",
            "records",
        )


async def wait_for_room(context: Context) -> None:
    """Wait while more waits for the disk than may."""
    while (room := context.broker.room()) is not None:
        await asyncio.shield(room)


def choice_for(context: Context, topic: Topic, partition: int | None) -> Choice:
    """Where a request's records go that name no partition: to `partition`, if it is given."""
    return Choice(context.partitioner, topic.name, topic.partition_count, partition)


async def begin(
    context: Context, topic: Topic, contents: Sequence[Content], choice: Choice, names: FieldNames = nth_record
) -> Sending:
    """Hand records, at least one, to the broker in one call. Raises: LogMQError: nothing is stored."""
    groups = _by_partition(contents, choice)
    fields = {
        index: "partition" if index == choice.default else f"{names(order[0])}partition"
        for index, order in groups.items()
    }
    check_partitions(topic, groups, fields)
    now_ms = context.clock.now_ms()
    if len(contents) <= HTTP_RECORDS_AT_ONCE_MAX:
        prepared = prepare(topic, groups, contents, now_ms, names)
    else:
        prepared = await asyncio.to_thread(prepare, topic, groups, contents, now_ms, names)
    appends = [append for append, _, _ in prepared]
    return Sending(prepared, context.broker.append(appends, atomic=len(appends) > 1))


def _by_partition(contents: Sequence[Content], choice: Choice) -> dict[int, Sequence[int]]:
    """The numbers of the records that go to each partition."""
    if choice.default is not None and {content.partition for content in contents} == {None}:
        return {choice.default: range(len(contents))}
    groups: dict[int, list[int]] = {}
    for number, content in enumerate(contents):
        chosen = choice.of(content.key) if content.partition is None else content.partition
        groups.setdefault(chosen, []).append(number)
    return dict(groups)
