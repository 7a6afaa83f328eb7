"""From records to appends, and from their results to where the records are: one append a partition, in one call.

records     k1: a    k2: b    k1: c          all are checked before anything is handed to the broker
appends     0: [a, c]    1: [b]              one call, one commit: all or nothing
placed      0/7      1/3      0/8            in the order of the records
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec

from logmq.errors import LogMQError, MessageTooLarge, RequestError, UnknownPartition
from logmq.limits import HTTP_BATCH_SIZE
from logmq.model import Format, Topic, TopicPartition
from logmq.protocols.http.context import Context
from logmq.protocols.http.new_records import Content, FieldNames, nth_record
from logmq.protocols.http.partitioner import Choice
from logmq.protocols.http.problems import Fault
from logmq.records import frames
from logmq.records.batches import LOG_APPEND_TIME
from logmq.records.records import batch_of, encode_fields
from logmq.storage.engine import Append, Appended, Appending

_LOG_APPEND_TIME = "LogAppendTime"
_OVERHEAD_SIZE = 32
"""What a record takes in a batch beside its fields, at most, if it has no headers."""


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


class ValuesOnly(RequestError):
    """A plain topic cannot hold what was given beside the value."""

    def __init__(self, topic: str, given: str) -> None:
        super().__init__(
            f"{topic} is a plain topic, made by the text protocol: it stores values only, no {given}; send without, or"
            " to a topic of the format batch"
        )


class Sending:
    """Records on their way."""

    __slots__ = ("_offsets", "_order", "appending", "appends")

    def __init__(
        self, appends: list[Append], offsets: list[Sequence[int]], order: list[Sequence[int]], appending: Appending
    ) -> None:
        self.appends = appends
        self.appending = appending
        self._offsets = offsets
        """Of each append: its records' offsets, counted from the first one."""
        self._order = order
        """Of each append: the numbers that its records have in the request."""

    def ranges(self) -> list[Range]:
        """What went to each partition, once it is done. Raises: LogMQError."""
        return [
            Range(append.partition.index, result.first_offset, result.first_offset + offsets[-1], len(offsets))
            for append, result, offsets in zip(self.appends, self.results(), self._offsets, strict=True)
        ]

    def results(self) -> list[Appended]:
        """What became of each append, once it is done. Raises: LogMQError, the first one's."""
        results: list[Appended] = []
        for result in self.appending.result():
            if isinstance(result, LogMQError):
                raise result
            results.append(result)
        return results

    def placed(self) -> list[Placed]:
        """Where the records are, in the order of the request, once it is done. Raises: LogMQError."""
        found = [
            (append.partition.index, [result.first_offset + offset for offset in offsets])
            for append, result, offsets in zip(self.appends, self.results(), self._offsets, strict=True)
        ]
        if len(found) == 1:
            partition, offsets = found[0]
            return [Placed(partition, offset) for offset in offsets]
        places: dict[int, Placed] = {}
        for (partition, offsets), order in zip(found, self._order, strict=True):
            places.update((number, Placed(partition, offset)) for number, offset in zip(order, offsets, strict=True))
        return [places[number] for number in range(len(places))]


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
    topic = await context.broker.ensure_topic(topic_name, format=Format.BATCH)
    await wait_for_room(context)
    sending = begin(context, topic, contents, choice_for(context, topic, partition), names)
    await sending.appending
    return sending.placed()


async def wait_for_room(context: Context) -> None:
    """Wait while more waits for the disk than may."""
    while (room := context.broker.room()) is not None:
        await asyncio.shield(room)


def choice_for(context: Context, topic: Topic, partition: int | None) -> Choice:
    """Where a request's records go that name no partition: to `partition`, if it is given."""
    return Choice(context.partitioner, topic.name, topic.partition_count, partition)


def begin(
    context: Context, topic: Topic, contents: Sequence[Content], choice: Choice, names: FieldNames = nth_record
) -> Sending:
    """Hand records, at least one, to the broker in one call. Raises: LogMQError: nothing is stored."""
    groups = _by_partition(contents, choice)
    now_ms = context.clock.now_ms()
    appends: list[Append] = []
    offsets: list[Sequence[int]] = []
    for index, order in groups.items():
        place = TopicPartition(topic.name, index)
        try:
            context.broker.check_producible(place)
        except UnknownPartition as error:
            raise Fault(error, "partition" if index == choice.default else f"{names(order[0])}partition") from error
        chosen = contents if len(groups) == 1 else [contents[number] for number in order]
        _check_sizes(topic, chosen, order, names)
        if topic.format is Format.PLAIN:
            append = _framed(topic, place, chosen, order, names)
            offsets.append(append.offsets)
        else:
            append = _batched(topic, place, chosen, now_ms)
            offsets.append(range(len(chosen)))
        appends.append(append)
    appending = context.broker.append(appends, atomic=len(appends) > 1)
    return Sending(appends, offsets, list(groups.values()), appending)


def _by_partition(contents: Sequence[Content], choice: Choice) -> dict[int, Sequence[int]]:
    """The numbers of the records that go to each partition."""
    if choice.default is not None and {content.partition for content in contents} == {None}:
        return {choice.default: range(len(contents))}
    groups: dict[int, list[int]] = {}
    for number, content in enumerate(contents):
        chosen = choice.of(content.key) if content.partition is None else content.partition
        groups.setdefault(chosen, []).append(number)
    return dict(groups)


def _check_sizes(topic: Topic, contents: Sequence[Content], order: Sequence[int], names: FieldNames) -> None:
    limit = topic.settings.message_size_max_bytes
    for number, content in zip(order, contents, strict=True):
        if (size := content.size) > limit:
            raise Fault(MessageTooLarge(size, limit), names(number).rstrip(".") or "value")


def _framed(
    topic: Topic, partition: TopicPartition, contents: Sequence[Content], order: Sequence[int], names: FieldNames
) -> Append:
    """Values as frames. Raises: ValuesOnly."""
    payloads: list[bytes] = []
    for number, content in zip(order, contents, strict=True):
        if content.value is None or content.key is not None or content.headers or content.timestamp_ms is not None:
            given, field = _beside_value(content)
            raise Fault(ValuesOnly(topic.name, given), f"{names(number)}{field}")
        payloads.append(content.value)
    data, starts = frames.encode(payloads)
    return Append(partition, data, starts, starts, len(data))


def _beside_value(content: Content) -> tuple[str, str]:
    if content.key is not None:
        return "keys", "key"
    if content.headers:
        return "headers", "headers"
    return ("times", "timestamp_ms") if content.timestamp_ms is not None else ("null values", "value")


def _batched(topic: Topic, partition: TopicPartition, contents: Sequence[Content], now_ms: int) -> Append:
    """Records as one batch, or as several where one would be too large for the topic or its consumers."""
    stamps = topic.settings.message_timestamp_type == _LOG_APPEND_TIME
    groups = list(_batches(contents, min(HTTP_BATCH_SIZE, topic.settings.message_size_max_bytes)))
    encoded = [_encode(group, now_ms, stamps) for group in groups]
    starts = list(accumulate([len(data) for data, _ in encoded], initial=0))
    offsets = list(accumulate(map(len, groups), initial=0))
    data = encoded[0][0] if len(encoded) == 1 else b"".join([data for data, _ in encoded])
    latest_ms = max(timestamp_ms for _, timestamp_ms in encoded)
    return Append(partition, data, starts[:-1], offsets[:-1], len(contents), latest_ms)


def _batches(contents: Sequence[Content], size_max: int) -> Iterator[Sequence[Content]]:
    """Runs of records that have at most about `size_max` bytes together."""
    first = size = 0
    for number, content in enumerate(contents):
        size += (added := content.size + _OVERHEAD_SIZE * (1 + len(content.headers)))
        if size > size_max and number > first:
            yield contents[first:number]
            first, size = number, added
    yield contents[first:]


def _encode(contents: Sequence[Content], now_ms: int, stamps: bool) -> tuple[bytes, int]:
    """One batch, and the latest time in it; with `stamps` that is the broker's for all."""
    times = [now_ms if stamps or content.timestamp_ms is None else content.timestamp_ms for content in contents]
    base_ms, latest_ms = times[0], max(times)
    data = batch_of(
        body=encode_fields(
            [content.key for content in contents],
            [content.value for content in contents],
            [content.headers for content in contents],
            [time_ms - base_ms for time_ms in times],
            range(len(contents)),
        ),
        base_offset=0,
        last_offset_delta=len(contents) - 1,
        record_count=len(contents),
        base_timestamp_ms=base_ms,
        max_timestamp_ms=latest_ms,
        attributes=LOG_APPEND_TIME if stamps else 0,
    )
    return data, latest_ms
