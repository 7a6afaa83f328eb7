"""GET /topics/{topic}/search: what is found, how far it has come, how it ends."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from tests.unit.protocols.http.http_session import Client, HttpStage, running
from tests.unit.protocols.kafka.kafka_session import NOW_MS, until

from logmq.model import Format, TopicPartition
from logmq.protocols.http import reading
from logmq.protocols.http.app import make_app
from logmq.protocols.http.handlers import search
from logmq.records.batches import Compression
from logmq.records.records import Record, batch_of, encode, encode_values
from logmq.storage.engine import Append

Event = tuple[str, Any]


def events_in(text: str) -> list[Event]:
    """Names and data."""
    found = []
    for event in text.split("\n\n")[:-1]:
        name, data = event.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def search_in(http: HttpStage, topic: str, **query: Any) -> list[Event]:
    answer = await http.client.get(f"/topics/{topic}/search", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return events_in(answer.text)


async def offsets(http: HttpStage, topic: str, **query: Any) -> list[int]:
    return [data["offset"] for name, data in await search_in(http, topic, **query) if name == "match"]


@pytest.mark.parametrize("format", [Format.BATCH, Format.PLAIN])
async def test_matches_and_the_end(http: HttpStage, format: Format) -> None:
    """Records that hold the text, in order, as reading gives them; then what was scanned."""
    await http.broker.create_topic("t", format=format)
    for start in range(0, 1000, 100):
        await http.post("t", {"records": [{"value": f"number {n};"} for n in range(start, start + 100)]})
    found = await search_in(http, "t", query="number 77")
    matches = [data for name, data in found if name == "match"]
    assert [record["value"] for record in matches] == ["number 77;", *[f"number {n};" for n in range(770, 780)]]
    assert matches[0] == (await http.read("t", offset=matches[0]["offset"], count=1))["records"][0]
    assert found[0][0] == "progress"
    name, end = found[-1]
    assert (name, end["reason"], end["matches"], end["scanned_records"]) == ("end", "end", 11, 1000)
    assert found[-2][1]["offset"] == found[-2][1]["end_offset"] > 0
    assert await offsets(http, "t", query="NUMBER 999") == await offsets(http, "t", query="number 999") != []
    assert await offsets(http, "t", query="NUMBER 999", ignore_case="false") == []


async def test_fields_and_letters(http: HttpStage) -> None:
    """Key, value and headers, as chosen; case is of no matter in other alphabets; bytes that are no text do no harm."""
    await http.post("t", {"records": [
        {"value": "x", "key": "Käse"}, {"value": "KÄSE"}, {"value": "x", "headers": {"käse": "1"}},
        {"value": "x", "headers": {"h": "käse"}}, {"value": {"base64": "/8Ok"}}, {"value": None}, {"value": ""},
    ]})  # fmt: skip
    assert await offsets(http, "t", query="käse") == [0, 1, 2, 3]
    assert await offsets(http, "t", query="käse", ignore_case="false") == [2, 3]
    for fields, found in {"key": [0], "value": [1], "headers": [2, 3], "key,value": [0, 1]}.items():
        assert await offsets(http, "t", query="KÄSE", **{"in": fields}) == found
    assert await offsets(http, "t", query="ä") == [0, 1, 2, 3, 4]


async def test_where_to_search(http: HttpStage) -> None:
    """All partitions in turn, or one; from an offset on, up to another; up to so many matches."""
    await http.broker.create_topic("t", format=Format.BATCH, partition_count=3)
    for partition in range(3):
        await http.post("t", {"records": [{"value": f"hit {n}"} for n in range(10)]}, params={"partition": partition})
    found = [
        (data["partition"], data["offset"]) for name, data in await search_in(http, "t", query="hit") if name == "match"
    ]
    assert found == [(partition, n) for partition in range(3) for n in range(10)]
    assert await offsets(http, "t", query="hit", partition=1, offset=3, until=6) == [3, 4, 5]
    assert await offsets(http, "t", query="hit", offset=-1) == [9, 9, 9]
    events = await search_in(http, "t", query="hit", matches_max=12)
    assert [name for name, _ in events].count("match") == 12
    assert events[-1][1]["reason"] == "matches_max"
    assert await offsets(http, "t", query="hit", partition=0, offset=10) == []
    assert await offsets(http, "t", query="hit", partition=0, offset=99) == []


@pytest.mark.parametrize("compression", list(Compression))
async def test_compressed_batches(http: HttpStage, compression: Compression) -> None:
    """They are looked into, whatever the codec."""
    await http.broker.create_topic("t", format=Format.BATCH)
    for start in (0, 10):
        batch = encode([Record(n, NOW_MS, None, b"value %d" % (start + n)) for n in range(10)], compression)
        await http.broker.append([Append(TopicPartition("t", 0), batch, (0,), (0,), 10, NOW_MS)])
    assert await offsets(http, "t", query="Value 1") == [1, *range(10, 20)]


async def test_what_cannot_be_read_is_said_and_passed_over(http: HttpStage) -> None:
    """A bomb is a problem event; what is behind it is searched."""
    await http.post("t", {"value": "hit"})
    bomb = gzip.compress(encode_values([b"\x00" * (17 << 20)], [0]))
    fields = {"base_offset": 0, "last_offset_delta": 0, "record_count": 1, "base_timestamp_ms": 0}
    data = batch_of(body=bomb, max_timestamp_ms=0, attributes=Compression.GZIP, **fields)
    await http.broker.append([Append(TopicPartition("t", 0), data, (0,), (0,), 1, NOW_MS)])
    await http.post("t", {"value": "hit"})
    events = await search_in(http, "t", query="hit")
    assert [name for name, _ in events if name != "progress"] == ["match", "problem", "match", "end"]
    assert next(data for name, data in events if name == "problem")["code"] == "UNREADABLE_BATCH"


async def test_progress_is_told_now_and_then(http: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """About five times a second, with what was scanned so far."""
    monkeypatch.setattr(search, "HTTP_SEARCH_SLICE_SIZE", 1000)
    for _ in range(50):
        await http.post("t", {"value": "x" * 900})
    first = events_in((await http.client.get("/topics/t/search?query=hit")).text)
    assert [name for name, _ in first] == ["progress", "progress", "end"]  # the clock stands still
    monkeypatch.setattr(search, "_PROGRESS_INTERVAL_S", 0.0)
    progress = [data for name, data in await search_in(http, "t", query="hit") if name == "progress"]
    assert len(progress) >= 4  # a read goes from entry to entry of the index, some 16 KiB
    assert [data["scanned_records"] for data in progress] == sorted(data["scanned_records"] for data in progress)
    assert progress[-1]["offset"] == progress[-1]["end_offset"] == progress[-1]["scanned_records"] == 50


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("", 400, "query"), ("query=", 400, "query"), ("query=" + "x" * 1001, 400, "query"), ("query=%ff", 400, None),
        ("query=x&in=keys", 400, "in"), ("query=x&in=", 400, "in"), ("query=x&partition=9", 404, "partition"),
        ("query=x&matches_max=0", 400, "matches_max"), ("query=x&until=-1", 400, "until"),
        ("query=x&offset=soon", 400, "offset"), ("query=x&ignore_case=maybe", 400, "ignore_case"),
    ],
)  # fmt: skip
async def test_wrong_parameters(http: HttpStage, query: str, status: int, field: str | None) -> None:
    """They are refused by name, before anything is scanned."""
    await http.post("t", {"value": "x"})
    answer = await http.client.get(f"/topics/t/search?{query}")
    assert (answer.status_code, answer.json().get("field")) == (status, field), answer.text


async def test_an_unknown_topic(http: HttpStage) -> None:
    """It is not made by searching it."""
    assert (await http.client.get("/topics/t/search?query=x")).status_code == 404


class Gate:
    """Holds back reading."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting = 0
        self.open = asyncio.Event()
        self._read = reading.read
        monkeypatch.setattr(search, "read", self.read)

    async def read(self, *args: Any) -> Any:
        self.waiting += 1
        try:
            await self.open.wait()
        finally:
            self.waiting -= 1
        return await self._read(*args)


async def test_searches_at_a_time_are_bounded(http: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is told when to come again; when the others are over there is room."""
    await http.post("t", {"value": "hit"})
    gate = Gate(monkeypatch)
    going = [asyncio.create_task(search_in(http, "t", query="hit")) for _ in range(4)]
    await until(lambda: gate.waiting == 4)
    answer = await http.client.get("/topics/t/search?query=hit")
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (429, "1", "THROTTLED")
    gate.open.set()
    assert [len(events) for events in await asyncio.gather(*going)] == [4] * 4
    assert len(await search_in(http, "t", query="hit")) == 4


async def test_a_client_that_goes_ends_its_search(http: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place is free again at once."""
    await http.post("t", {"value": "hit"})
    gate = Gate(monkeypatch)
    client = Client("GET", "/topics/t/search", "query=hit")
    client.send(b"", more=False)
    async with running(client, make_app(http.context)) as task:
        await until(lambda: gate.waiting == 1)
        client.go()
        await task
    assert gate.waiting == 0
    assert http.context.searches._value == 4


async def test_a_broker_that_stops_ends_searches(http: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """They say so, so that nobody takes them for complete."""
    monkeypatch.setattr(search, "HTTP_SEARCH_SLICE_SIZE", 100)
    for _ in range(3):
        await http.post("t", {"value": "x" * 900})
    http.context.stopping.set()
    assert (await search_in(http, "t", query="hit"))[-1][1]["reason"] == "stopping"
