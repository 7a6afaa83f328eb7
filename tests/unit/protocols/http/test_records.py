"""What the calls share: records given as JSON are stored and read back, in both formats."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.protocols.http.http_session import HttpStage

from logmq.errors import LogMQError
from logmq.model import Format, TopicPartition
from logmq.protocols.http import reading
from logmq.protocols.http.problems import Problem, problem_of
from logmq.protocols.http.records import NewRecord, RecordAnswer, decode, produce, read, resolve_offset


def given(*records: Any) -> list[NewRecord]:
    return msgspec.json.decode(msgspec.json.encode(records), type=list[NewRecord])


async def stored(http: HttpStage, topic: str, offset: int = 0, **options: Any) -> list[RecordAnswer]:
    partition = TopicPartition(topic, 0)
    chunk = await read(http.context, partition, offset, 1 << 20)
    return decode(http.context.broker.topic(topic), 0, chunk, offset, **options).records


async def refused(http: HttpStage, topic: str, *records: Any) -> Problem:
    with pytest.raises(LogMQError) as caught:
        await produce(http.context, topic, given(*records))
    return problem_of(caught.value)


async def test_what_was_given_is_read_back(http: HttpStage) -> None:
    """Strings are their UTF-8, base64 the bytes, other JSON its text; headers keep their order and may occur again."""
    placed = await produce(
        http.context,
        "t",
        given(
            {"value": "text ü \n", "key": "k", "timestamp_ms": 5},
            {"value": {"base64": "/wA="}, "headers": {"a": "1", "b": {"base64": "/w=="}}},
            {"value": {"x": [1, 2.50]}, "headers": [{"name": "a", "value": "1"}, {"name": "a", "value": None}]},
            {"value": None, "key": 7},
            {"value": {"base64": "/wA=", "more": 1}},
        ),
    )
    assert [(place.partition, place.offset) for place in placed] == [(0, number) for number in range(5)]
    found = msgspec.to_builtins(await stored(http, "t"))
    assert [record["value"] for record in found] == [
        "text ü \n", {"base64": "/wA="}, '{"x":[1,2.5]}', None, '{"base64":"/wA=","more":1}',
    ]  # fmt: skip
    assert [record["key"] for record in found] == ["k", None, None, "7", None]
    assert [record["timestamp_ms"] for record in found] == [5, *[http.clock.ms] * 4]
    assert found[1]["headers"] == [{"name": "a", "value": "1"}, {"name": "b", "value": {"base64": "/w=="}}]
    assert found[2]["headers"] == [{"name": "a", "value": "1"}, {"name": "a", "value": None}]
    assert [record["offset"] for record in found] == list(range(5))


async def test_plain_topics_hold_values_only(http: HttpStage) -> None:
    """What else is given is refused by its field, and nothing of the request is stored."""
    await http.broker.create_topic("p", format=Format.PLAIN)
    placed = await produce(http.context, "p", given({"value": "one"}, {"value": "three"}))
    assert [place.offset for place in placed] == [0, 7]
    for extra in ({"key": "k"}, {"headers": {"h": "1"}}, {"timestamp_ms": 1}, {"value": None}):
        problem = await refused(http, "p", {"value": "good"}, {"value": "v", **extra})
        assert (problem.status, problem.field) == (400, f"records[1].{next(iter(extra))}")
        assert "plain topic" in problem.detail
    (record,) = await stored(http, "p", 1)
    assert (record.offset, record.value, record.timestamp_ms, record.headers) == (7, "three", None, [])


async def test_the_record_at_fault_is_named(http: HttpStage) -> None:
    """Whatever is wrong with a record is said with the path to it."""
    await http.broker.create_topic("t", format=Format.BATCH, partition_count=2, overrides={"max.message.bytes": "1000"})
    assert (await refused(http, "t", {"value": ""}, {"key": {"base64": "?"}})).field == "records[1].key.base64"
    assert (await refused(http, "t", {"value": ""}, {"partition": 2})).field == "records[1].partition"
    large = await refused(http, "t", {"value": ""}, {"value": "x" * 1001})
    assert (large.field, large.code) == ("records[1]", "MESSAGE_TOO_LARGE")
    assert http.broker.bounds(TopicPartition("t", 0)).high_watermark == 0


async def test_many_records_are_batches_that_the_topic_takes(http: HttpStage) -> None:
    """A request larger than max.message.bytes becomes several batches of one append, numbered on."""
    await http.broker.create_topic("t", format=Format.BATCH, overrides={"max.message.bytes": "1000"})
    placed = await produce(http.context, "t", given(*[{"value": "x" * 100, "key": str(n)} for n in range(100)]))
    assert [place.offset for place in placed] == list(range(100))
    assert http.broker.appends == [1]
    assert [record.key for record in await stored(http, "t", 50)] == [str(n) for n in range(50, 100)]


@pytest.mark.parametrize("format", [Format.BATCH, Format.PLAIN])
async def test_offsets_in_all_their_forms(http: HttpStage, format: Format) -> None:
    """Numbers, both ends, the last so many, and times."""
    await http.broker.create_topic("t", format=format)
    places = await produce(http.context, "t", given(*[{"value": "x" * 1000 + str(n)} for n in range(300)]))
    offsets = [place.offset for place in places]
    end = http.broker.bounds(TopicPartition("t", 0)).high_watermark
    for text, offset in {
        "17": 17, "earliest": 0, "latest": end, "-1": offsets[-1], "-10": offsets[-10], "-200": offsets[-200],
        "-9999": 0, "-0": end, "@0": 0, "1999-12-31T00:00:00Z": 0, "2999-12-31T00:00:00+01:00": end,
        "2999-12-31T00:00:00 01:00": end, "2999-12-31": end,
        "0001-01-01": 0, "9999-12-31T23:59:59Z": end, "@9999999999999999999": end, "9999999999999999999": 2**63 - 1,
    }.items():  # fmt: skip
        assert await resolve_offset(http.context, TopicPartition("t", 0), text) == offset, text
    for text in ("", "soon", "--1", "@", "1e3", "@-5", "+1", "2026-13-01"):
        with pytest.raises(LogMQError):
            await resolve_offset(http.context, TopicPartition("t", 0), text)


async def test_the_last_records_are_looked_for_so_far_back(http: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a plain topic of large records fewer than asked for may be found, but not none."""
    monkeypatch.setattr(reading, "HTTP_LAST_SIZE_MAX", 16 * 1024)
    await http.broker.create_topic("t", format=Format.PLAIN)
    places = await produce(http.context, "t", given(*[{"value": "x" * 10_000} for _ in range(5)]))
    assert await resolve_offset(http.context, TopicPartition("t", 0), "-4") == places[-1].offset
    places = await produce(http.context, "t", given({"value": "x" * 100_000}))
    assert await resolve_offset(http.context, TopicPartition("t", 0), "-4") <= places[-1].offset
