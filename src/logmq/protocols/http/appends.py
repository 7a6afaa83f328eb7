"""From records to appends: pure functions, one append a partition.

A request's records become one batch a partition, or several where one would be too large; frames on plain topics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from logmq.errors import InternalTopic, MessageTooLarge, RequestError, UnknownPartition
from logmq.limits import HTTP_BATCH_SIZE
from logmq.model import Format, Topic, TopicPartition
from logmq.protocols.http.new_records import Content, FieldNames
from logmq.protocols.http.problems import Fault
from logmq.records import frames
from logmq.records.batches import LOG_APPEND_TIME
from logmq.records.records import batch_of, encode_fields
from logmq.storage.engine import Append

_LOG_APPEND_TIME = "LogAppendTime"
_OVERHEAD_SIZE = 32
"""What a record takes in a batch beside its fields, at most, if it has no headers."""


class ValuesOnly(RequestError):
    """A plain topic cannot hold what was given beside the value."""

    def __init__(self, topic: str, given: str) -> None:
        super().__init__(
            f"{topic} is a plain topic, made by the text protocol: it stores values only, no {given}; send without, or"
            " to a topic of the format batch"
        )


class Prepared(NamedTuple):
    """One append, and its records: their offsets, counted from the first one, and their numbers in the request."""

    append: Append
    offsets: Sequence[int]
    order: Sequence[int]


def check_partitions(topic: Topic, groups: Mapping[int, Sequence[int]], names: Mapping[int, str]) -> None:
    """Raises: InternalTopic; UnknownPartition, with the name of the field that asks for it."""
    if topic.internal:
        raise InternalTopic(topic.name)
    for index in groups:
        if index not in range(topic.partition_count):
            raise Fault(UnknownPartition(topic.name, index, topic.partition_count), names[index])


def prepare(
    topic: Topic, groups: Mapping[int, Sequence[int]], contents: Sequence[Content], now_ms: int, names: FieldNames
) -> list[Prepared]:
    """An append for each partition; `groups` has the numbers of its records.

    Raises: MessageTooLarge, ValuesOnly, with the field that is at fault.
    """
    return [_prepare(topic, index, order, contents, now_ms, names) for index, order in groups.items()]


def _prepare(
    topic: Topic, index: int, order: Sequence[int], contents: Sequence[Content], now_ms: int, names: FieldNames
) -> Prepared:
    partition = TopicPartition(topic.name, index)
    chosen = contents if len(order) == len(contents) else [contents[number] for number in order]
    _check_sizes(topic, chosen, order, names)
    if topic.format is Format.PLAIN:
        append = _framed(topic, partition, chosen, order, names)
        return Prepared(append, append.offsets, order)
    return Prepared(_batched(topic, partition, chosen, now_ms), range(len(chosen)), order)


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
