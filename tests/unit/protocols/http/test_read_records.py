"""GET /topics/{topic}/records: offsets, bounds, forms, waiting, and what cannot be read."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from tests.unit.protocols.http.http_session import Client, HttpStage, running
from tests.unit.protocols.kafka.kafka_session import NOW_MS, until

from logmq.model import Format, TopicPartition
from logmq.protocols.http.app import make_app
from logmq.records.batches import CONTROL, Compression
from logmq.records.records import Record, batch_of, encode, encode_values
from logmq.storage.engine import Append


async def append(http: HttpStage, topic: str, data: bytes, count: int) -> None:
    """Store a batch as a Kafka client sends it."""
    await http.broker.append([Append(TopicPartition(topic, 0), data, (0,), (0,), count, NOW_MS)])


def values(answer: dict[str, Any]) -> list[Any]:
    return [record["value"] for record in answer["records"]]


async def fill(http: HttpStage, topic: str, count: int, value: str = "") -> None:
    await http.post(topic, {"records": [{"value": f"{value}{number}"} for number in range(count)]})


async def test_a_page_and_the_next(http: HttpStage) -> None:
    """`count` bounds a page, `next_offset` begins the next one; at the end it stays, with the bounds beside it."""
    await fill(http, "t", 25)
    pages, offset = [], 0
    while True:
        page = await http.read("t", offset=offset, count=10)
        if not page["records"]:
            break
        pages.append(values(page))
        offset = page["next_offset"]
    assert [len(found) for found in pages] == [10, 10, 5]
    assert [value for found in pages for value in found] == [str(number) for number in range(25)]
    assert page == {
        "topic": "t", "partition": 0, "log_start_offset": 0, "high_watermark": 25, "records": [], "next_offset": 25,
    }  # fmt: skip


@pytest.mark.parametrize("format", [Format.BATCH, Format.PLAIN])
async def test_pages_by_size(http: HttpStage, format: Format) -> None:
    """`bytes_max` ends a page early, but never before its first record; nothing is lost between pages."""
    await http.broker.create_topic("t", format=format)
    for _ in range(3):
        await fill(http, "t", 40, "x" * 100)
    sizes, found, offset = [], [], 0
    while page := (await http.read("t", offset=offset, count=1000, bytes_max=1000)):
        if not page["records"]:
            break
        sizes.append(len(page["records"]))
        found += values(page)
        offset = page["next_offset"]
    assert found == ["x" * 100 + str(number) for number in range(40)] * 3
    assert set(sizes[:-1]) == {10}
    assert len((await http.read("t", bytes_max=1))["records"]) == 1


async def test_over_many_chunks(http: HttpStage) -> None:
    """A page may be larger than one read of the log."""
    for _ in range(5):
        await fill(http, "t", 1000, "x" * 400)
    page = await http.read("t", count=10_000, bytes_max=16 << 20)
    assert (len(page["records"]), page["next_offset"]) == (5000, 5000)


@pytest.mark.parametrize("query", [
    "partition=x", "partition=-1", "partition=100000000000", "offset=soon", "offset=1e400", "count=0", "count=10001",
    "count=9e99", "timeout_ms=-1", "timeout_ms=99999999999", "bytes_max=0", "values=xml", "of=1", "count=1&count=2",
])  # fmt: skip
async def test_wrong_parameters(http: HttpStage, query: str) -> None:
    """Each is named."""
    await fill(http, "t", 1)
    answer = await http.client.get(f"/topics/t/records?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, query.partition("=")[0])


async def test_what_is_not_there(http: HttpStage) -> None:
    """Unknown topics and partitions, offsets no longer kept; an offset behind the end is only empty."""
    await fill(http, "t", 5)
    for path, status, code in (
        ("/topics/nope/records", 404, "UNKNOWN_TOPIC"),
        ("/topics/t/records?partition=1", 404, "UNKNOWN_PARTITION"),
        ("/topics/t/records/5", 404, "NO_RECORD"),
        ("/topics/t/records/1?partition=1", 404, "UNKNOWN_PARTITION"),
        ("/topics/t/records/x", 400, "INVALID_INPUT"),
        ("/topics/t/records/%D9%A1", 400, "INVALID_INPUT"),
        ("/topics/t/records/99999999999999999999999", 400, "INVALID_INPUT"),
        ("/topics/..%2ft/records", 400, "INVALID_TOPIC"),
        ("/topics/a%00/records", 400, "INVALID_TOPIC"),
    ):
        answer = await http.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path
    assert (await http.read("t", offset=9))["next_offset"] == 9
    assert (await http.read("t", offset=2**63 - 1))["records"] == []
    await http.broker.trim(TopicPartition("t", 0), 3)
    assert (await http.client.get("/topics/t/records?offset=2")).status_code == 416
    assert (await http.client.get("/topics/t/records/2")).status_code == 404
    assert values(await http.read("t")) == ["3", "4"]


async def test_forms_of_an_answer(http: HttpStage) -> None:
    """JSON unless the client wants lines, or the bytes of the first value; what cannot be given is a 406."""
    await http.post("t", {"value": {"base64": "/wA="}, "timestamp_ms": 5})
    await http.post("t", {"value": None})
    path = "/topics/t/records?offset=earliest"
    lines = await http.client.get(path, headers={"accept": "application/x-ndjson"})
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert [line["value"] for line in map(json.loads, lines.text.splitlines())] == [
        {"base64": "/wA="}, None,
    ]  # fmt: skip
    assert lines.headers["LogMQ-Next-Offset"] == "2"
    first = await http.client.get(path, headers={"accept": "application/octet-stream"})
    assert (first.content, first.headers["content-type"]) == (b"\xff\x00", "application/octet-stream")
    assert [first.headers[f"LogMQ-{name}"] for name in ("Partition", "Offset", "Next-Offset", "Timestamp")] == [
        "0", "0", "1", "5",
    ]  # fmt: skip
    null = await http.client.get("/topics/t/records?offset=1", headers={"accept": "application/octet-stream"})
    assert (null.content, null.headers["LogMQ-Value"]) == (b"", "null")
    none = await http.client.get("/topics/t/records?offset=2", headers={"accept": "application/octet-stream"})
    assert (none.status_code, none.headers["LogMQ-Next-Offset"]) == (204, "2")
    for accept, status in {"text/html,*/*;q=0.8": 200, "application/*": 200, "text/csv": 406, "*/*;q=0": 406}.items():
        assert (await http.client.get(path, headers={"accept": accept})).status_code == status
    prefers = "application/json;q=0.5, application/x-ndjson"
    assert (await http.client.get(path, headers={"accept": prefers})).text.endswith("\n")


async def test_a_download(http: HttpStage) -> None:
    """The bytes as an attachment that no browser opens as a page."""
    await http.post("t", b"<script>alert(1)</script>", headers={"content-type": "text/html"})
    answer = await http.client.get("/topics/t/records/0")
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == 'attachment; filename="t-0-0.bin"'
    await http.broker.create_topic("p", format=Format.PLAIN)
    await fill(http, "p", 2)
    assert (await http.client.get("/topics/p/records/5")).content == b"1"
    assert (await http.client.get("/topics/p/records/4")).status_code == 404


async def test_values_as_json(http: HttpStage) -> None:
    """What is JSON is given as JSON, the rest as before; lines stay lines."""
    given = ['{"a":\n[1]}', "text", "7", '"quoted"', "01", "{", "", "\ufeff1", "[" * 2000 + "]" * 2000]
    await http.post("t", {"records": [{"value": text} for text in given]})
    assert values(await http.read("t", values="json")) == [{"a": [1]}, "text", 7, "quoted", *given[4:]]
    lines = await http.client.get("/topics/t/records?values=json", headers={"accept": "application/x-ndjson"})
    assert lines.text.count("\n") == len(given)


# -- waiting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["application/json", "application/octet-stream"])
async def test_a_long_poll_is_answered_when_records_come(http: HttpStage, accept: str) -> None:
    """It waits at the end, and answers with what is stored then."""
    await fill(http, "t", 1)
    client = Client("GET", "/topics/t/records", "offset=latest&timeout_ms=20000", {"accept": accept})
    client.send(b"", more=False)
    async with running(client, make_app(http.context)) as task:
        await until(lambda: client.taken)
        assert not task.done()
        await http.post("t", {"value": "news"})
        await task
    assert client.status == 200
    assert b"news" in client.body


async def test_a_long_poll_ends_empty(http: HttpStage) -> None:
    """When the time is over, when the broker stops, when the client goes."""
    await fill(http, "t", 1)
    assert (await http.read("t", offset="latest", timeout_ms=1))["records"] == []
    leaving = Client("GET", "/topics/t/records", "offset=latest&timeout_ms=200000")
    leaving.send(b"", more=False)
    async with running(leaving, make_app(http.context)) as task:
        await until(lambda: leaving.taken)
        leaving.go()
        await task
    staying = Client("GET", "/topics/t/records", "offset=latest&timeout_ms=200000")
    async with running(staying, make_app(http.context)) as task:
        await asyncio.sleep(0)
        http.context.stopping.set()
        await task
    assert (staying.status, staying.ended) == (200, True)
    assert not [task for task in asyncio.all_tasks() if "wait" in repr(task.get_coro())]


async def test_a_long_poll_on_a_topic_that_goes(http: HttpStage) -> None:
    """It is told so."""
    await fill(http, "t", 1)
    client = Client("GET", "/topics/t/records", "offset=latest&timeout_ms=200000")
    client.send(b"", more=False)
    async with running(client, make_app(http.context)) as task:
        await until(lambda: client.taken)
        await http.broker.drop_topic("t")
        await task
    assert client.status == 404


# -- what others made ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", list(Compression))
async def test_compressed_batches(http: HttpStage, compression: Compression) -> None:
    """Whatever the codec; an offset may lie in the middle of a batch."""
    await http.broker.create_topic("t", format=Format.BATCH)
    records = [Record(n, NOW_MS + n, b"k%d" % n, None if n == 7 else b"v%d" % n, (("h", None),)) for n in range(10)]
    await append(http, "t", encode(records, compression), 10)
    page = await http.read("t", offset=5, count=3)
    assert [(record["key"], record["value"], record["offset"]) for record in page["records"]] == [
        ("k5", "v5", 5), ("k6", "v6", 6), ("k7", None, 7),
    ]  # fmt: skip
    assert page["records"][0]["headers"] == [{"name": "h", "value": None}]
    assert (page["next_offset"], page["records"][0]["timestamp_ms"]) == (8, NOW_MS + 5)


async def test_a_bomb_is_not_set_off(http: HttpStage) -> None:
    """A batch that would become too large ends a page before it; asked for, it is an error that says where to go on."""
    await fill(http, "t", 1)
    bomb = gzip.compress(encode_values([b"\x00" * (64 << 20)], [0]))
    assert len(bomb) < 100_000
    fields = {"base_offset": 0, "last_offset_delta": 0, "record_count": 1, "base_timestamp_ms": 0}
    await append(http, "t", batch_of(body=bomb, max_timestamp_ms=0, attributes=Compression.GZIP, **fields), 1)
    await fill(http, "t", 1)
    page = await http.read("t")
    assert (len(page["records"]), page["next_offset"]) == (1, 1)
    answer = await http.client.get("/topics/t/records?offset=1")
    assert (answer.status_code, answer.json()["code"]) == (500, "UNREADABLE_BATCH")
    assert "offset 2" in answer.json()["detail"]
    assert len((await http.read("t", offset=2))["records"]) == 1


async def test_marks_of_the_broker_are_not_shown(http: HttpStage) -> None:
    """Control batches are passed over, also where nothing else is read."""
    await http.broker.create_topic("t", format=Format.BATCH)
    fields = {"base_offset": 0, "last_offset_delta": 0, "record_count": 1, "base_timestamp_ms": 0}
    mark = batch_of(body=encode_values([b""], [0]), max_timestamp_ms=0, attributes=CONTROL, **fields)
    await append(http, "t", mark, 1)
    assert (await http.read("t"))["next_offset"] == 1
    await fill(http, "t", 1)
    await append(http, "t", mark, 1)
    page = await http.read("t")
    assert ([record["offset"] for record in page["records"]], page["next_offset"]) == ([1], 3)
