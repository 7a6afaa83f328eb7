"""Durable streams on the real broker: what the conformance suite cannot see, such as restarts, crashes and the other
protocols. See tests/integration/http/test_durable_conformance.py for the suite itself."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from tests.unit.protocols.http.http_session import HttpStage, http_stage
from tests.unit.protocols.kafka.kafka_session import until

from logmq.broker import table_log
from logmq.errors import DiskFull, LogMQError
from logmq.model import Format, TopicPartition
from logmq.protocols.http.app import make_app
from logmq.protocols.http.durable.state import Row
from logmq.protocols.http.durable.table import TABLE, StreamTable
from logmq.storage.engine import Append

JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}


def produced_by(id: str, epoch: int, seq: int) -> dict[str, str]:
    return {"Producer-Id": id, "Producer-Epoch": str(epoch), "Producer-Seq": str(seq)}


async def put(http: HttpStage, name: str, headers: dict[str, str], body: bytes = b"") -> httpx.Response:
    return await http.client.put(f"/streams/{name}", headers=headers, content=body)


async def post(http: HttpStage, name: str, headers: dict[str, str], body: bytes = b"") -> httpx.Response:
    return await http.client.post(f"/streams/{name}", headers=headers, content=body)


async def get(http: HttpStage, name: str, **query: Any) -> httpx.Response:
    return await http.client.get(f"/streams/{name}", params=query)


def begin_anew(http: HttpStage) -> HttpStage:
    """The same broker, with an HTTP side that knows nothing yet: what it finds is what was stored."""
    transport = httpx.ASGITransport(app=cast(Any, make_app(http.context)))
    client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
    return HttpStage(http.broker, http.clock, http.context, client)


async def test_a_stream_is_a_topic(http: HttpStage) -> None:
    """Messages are records, for every protocol; what others append is in the stream."""
    await put(http, "s", JSON)
    await post(http, "s", JSON, b'[{"a": 1}, {"b": 2}]')
    await http.post("s", {"records": [{"value": {"c": 3}, "key": "k"}, {"value": "no JSON"}]})
    page = await http.read("s")
    assert [record["value"] for record in page["records"]] == ['{"a": 1}', '{"b": 2}', '{"c":3}', "no JSON"]
    assert (await get(http, "s")).json() == [{"a": 1}, {"b": 2}, {"c": 3}, "no JSON"]


async def test_a_topic_becomes_a_stream(http: HttpStage) -> None:
    """PUT on a topic that has one partition makes what is in it readable; one of several or a plain one cannot be."""
    await http.post("t", {"records": [{"value": {"a": 1}}]})
    assert (await get(http, "t")).status_code == 404
    assert (await put(http, "t", JSON)).status_code == 201
    assert (await get(http, "t")).json() == [{"a": 1}]
    await http.broker.create_topic("several", format=Format.BATCH, partition_count=2)
    await http.broker.create_topic("plain", format=Format.PLAIN)
    for name in ("several", "plain"):
        assert (await put(http, name, JSON)).json()["code"] == "STREAM_EXISTS"
    assert (await put(http, "__consumer_offsets", JSON)).status_code == 403


async def test_all_that_is_known_of_a_stream_survives_a_restart(http: HttpStage) -> None:
    """Type, expiry, producers, the writer's number, forks and deletions; and that it is closed."""
    await put(http, "s", JSON | {"Stream-TTL": "100"})
    await post(http, "s", JSON | produced_by("p", 3, 0) | {"Stream-Seq": "b"}, b"1")
    await put(http, "fork", {"Stream-Forked-From": "/streams/s"})
    await put(http, "closed", TEXT | {"Stream-Closed": "true"}, b"all")
    await put(http, "gone", TEXT)
    await http.client.delete("/streams/gone")
    await http.client.delete("/streams/s")
    again = begin_anew(http)
    assert (await get(again, "gone")).status_code == 404
    assert (await get(again, "s")).status_code == 410
    head = await again.client.head("/streams/fork")
    assert (head.headers["content-type"], head.headers["stream-ttl"]) == ("application/json", "100")
    assert (await get(again, "fork")).json() == [1]
    assert (await get(again, "closed")).headers["stream-closed"] == "true"
    assert (await post(again, "closed", TEXT, b"x")).json()["code"] == "STREAM_CLOSED"


async def test_a_producer_is_known_after_a_restart(http: HttpStage) -> None:
    """What it sends again is not stored again, and the append that closed the stream is known as that."""
    await put(http, "s", TEXT)
    assert (await post(http, "s", TEXT | produced_by("p", 1, 0), b"one")).status_code == 200
    closing = TEXT | produced_by("p", 1, 1) | {"Stream-Closed": "true"}
    assert (await post(http, "s", closing, b"two")).status_code == 200
    again = begin_anew(http)
    assert (await post(again, "s", closing, b"two")).status_code == 204
    assert (await get(again, "s")).text == "onetwo"


async def test_records_and_what_they_change_are_one_commit(http: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails: an append whose record is not there was not counted, and the stream is as open as before."""
    await put(http, "s", TEXT)
    calls: list[int] = []

    def failing(appends: list[Append], *, atomic: bool = False) -> Any:
        assert atomic or len(appends) == 1
        calls.append(len(appends))
        future: asyncio.Future[list[LogMQError]] = asyncio.get_running_loop().create_future()
        future.set_result([DiskFull("no room")] * len(appends))
        return future

    monkeypatch.setattr(http.broker, "append", failing)
    closing = TEXT | produced_by("p", 0, 0) | {"Stream-Closed": "true"}
    assert (await post(http, "s", closing, b"one")).status_code == 507
    monkeypatch.undo()
    assert calls == [2]
    assert (await post(http, "s", TEXT, b"zero")).status_code == 204
    assert (await post(http, "s", closing, b"one")).status_code == 200
    assert (await get(http, "s")).text == "zeroone"


async def test_nothing_comes_behind_the_end(http: HttpStage) -> None:
    """An append that comes while the closing one is being stored is refused."""
    await put(http, "s", TEXT)
    http.broker.held = True
    closing = asyncio.create_task(post(http, "s", TEXT | {"Stream-Closed": "true"}, b"end"))
    await until(lambda: http.broker.appends[-1:] == [2])
    late = await post(http, "s", TEXT, b"late")
    assert late.json()["code"] == "STREAM_CLOSED"
    http.broker.held = False
    await http.broker.commit()
    assert (await closing).status_code == 204
    assert (await get(http, "s")).text == "end"


async def test_appends_of_a_producer_that_overtake_each_other(http: HttpStage) -> None:
    """Each is judged when the one before it is stored: sent at once, in order, all are taken."""
    await put(http, "s", TEXT)
    answers = await asyncio.gather(
        *[post(http, "s", TEXT | produced_by("p", 0, number), str(number).encode()) for number in range(20)]
    )
    assert {answer.status_code for answer in answers} == {200}
    assert (await get(http, "s")).text == "".join(map(str, range(20)))


async def test_a_stream_expires_by_the_clock(http: HttpStage) -> None:
    """Idle for its time it is gone with its topic; each read or write begins the time anew."""
    await put(http, "s", TEXT | {"Stream-TTL": "10"}, b"x")
    for _ in range(3):
        http.clock.ms += 9_000
        assert (await get(http, "s")).status_code == 200
    http.clock.ms += 10_000
    assert (await get(http, "s")).status_code == 404
    assert "s" not in {topic.name for topic in http.broker.topics()}
    assert (await put(http, "s", TEXT)).status_code == 201


async def test_a_topic_dropped_elsewhere_takes_its_stream_along(http: HttpStage) -> None:
    """Another topic of its name is another stream, to be made first."""
    await put(http, "s", TEXT | {"Stream-Closed": "true"}, b"x")
    await http.client.delete("/topics/s")
    assert (await get(http, "s")).status_code == 404
    await http.post("s", {"records": [{"value": "y"}]})
    assert (await get(http, "s")).status_code == 404
    assert (await put(http, "s", TEXT)).status_code == 201
    assert (await get(http, "s")).text == "y"


async def test_a_large_body_is_read_back_whole(http: HttpStage) -> None:
    """It becomes several records; readers get it in parts that fit together."""
    body = bytes(range(256)) * 12_000
    await put(http, "s", {"Content-Type": "application/octet-stream"})
    await post(http, "s", {"Content-Type": "application/octet-stream"}, body)
    read, offset = b"", "-1"
    for _ in range(10):
        answer = await get(http, "s", offset=offset)
        read, offset = read + answer.content, answer.headers["stream-next-offset"]
        if "stream-up-to-date" in answer.headers:
            break
    assert read == body


async def test_a_fork_has_its_own_records(http: HttpStage) -> None:
    """They are copied, keys and headers too: the fork's topic is whole for every protocol."""
    await put(http, "s", JSON, b"[1,2,3]")
    await http.post("s", {"records": [{"value": {"four": 4}, "key": "k", "headers": {"h": "v"}}]})
    await put(http, "fork", {"Stream-Forked-From": "/streams/s"}, b"5")
    await http.client.delete("/streams/s")
    page = await http.read("fork")
    assert [record["value"] for record in page["records"]] == ["1", "2", "3", '{"four":4}', "5"]
    assert page["records"][3]["key"] == "k"
    assert page["records"][3]["headers"] == [{"name": "h", "value": "v"}]


async def test_a_fork_of_what_is_left(http: HttpStage) -> None:
    """Where retention has taken the beginning, the fork's offsets are still those of its source."""
    await put(http, "s", JSON, b"[0,1,2,3,4,5]")
    await http.broker.trim(TopicPartition("s", 0), 4)
    assert (await get(http, "s")).json() == [4, 5]
    assert (await get(http, "s", offset="0000000000000000_0000000000000003")).status_code == 410
    await put(http, "fork", {"Stream-Forked-From": "/streams/s"}, b"6")
    whole = await get(http, "fork")
    assert whole.json() == [4, 5, 6]
    assert whole.headers["stream-next-offset"].endswith("7")
    assert (await get(http, "fork", offset="0000000000000000_0000000000000006")).json() == [6]
    gone = await put(
        http, "other", {"Stream-Forked-From": "/streams/s", "Stream-Fork-Offset": "0" * 16 + "_" + "0" * 16}
    )
    assert gone.status_code == 410


async def test_a_page_cannot_act_in_the_brokers_name(http: HttpStage) -> None:
    """A stream may be of any type, HTML too: what a browser makes of it runs no script of this origin."""
    await put(http, "s", {"Content-Type": "text/html"}, b"<script>fetch('/topics')</script>")
    answer = await get(http, "s")
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


async def test_the_table_is_written_anew_when_it_has_grown(http: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Appends that each change it do not make it grow for ever, and what is written anew is all there is."""
    monkeypatch.setattr(table_log, "OFFSETS_LOG_SIZE_MIN", 2_000)
    await put(http, "s", TEXT)
    for number in range(200):
        await post(http, "s", TEXT | produced_by("p", 0, number), b"x")
    bounds = http.broker.bounds(TopicPartition(TABLE, 0))
    await until(lambda: http.broker.bounds(TopicPartition(TABLE, 0)).log_start_offset > 0)
    assert bounds.high_watermark > 10_000
    again = begin_anew(http)
    assert (await post(again, "s", TEXT | produced_by("p", 0, 199), b"x")).status_code == 204
    assert (await post(again, "s", TEXT | produced_by("p", 0, 200), b"x")).status_code == 200
    assert len((await get(again, "s")).text) == 201


async def test_a_deletion_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    """A crash between the note that a stream is deleted and the end of its topic leaves nothing behind."""
    async with http_stage(tmp_path / "data") as http:
        await put(http, "s", TEXT)
        await put(http, "fork", {"Stream-Forked-From": "/streams/s"})
        table = await StreamTable.open(http.context.broker, http.clock)
        await table.write([Row("s", http.broker.topic("s").log_ids[0], "text/plain", deleted=True)])
        again = begin_anew(http)
        assert (await get(again, "s")).status_code == 410
        assert "s" not in {topic.name for topic in http.broker.topics()}


async def test_long_polls_end_with_what_they_wait_for(http: HttpStage) -> None:
    """New records, the end of the stream, or its deletion: nobody waits for what will not come."""
    await put(http, "s", JSON)
    offset = (await http.client.head("/streams/s")).headers["stream-next-offset"]
    waiting = asyncio.create_task(get(http, "s", offset=offset, live="long-poll"))
    await until(lambda: http.broker.waits == 1)
    await http.post("s", {"records": [{"value": 1}]})
    answer = await waiting
    assert (answer.status_code, answer.json()) == (200, [1])
    waiting = asyncio.create_task(get(http, "s", offset="now", live="long-poll"))
    await until(lambda: http.broker.waits == 1)
    await post(http, "s", {"Stream-Closed": "true"})
    answer = await waiting
    assert (answer.status_code, answer.headers["stream-closed"]) == (204, "true")
    await put(http, "other", JSON)
    waiting = asyncio.create_task(get(http, "other", offset="now", live="long-poll"))
    await until(lambda: http.broker.waits == 1)
    await http.client.delete("/streams/other")
    assert (await waiting).status_code == 404


async def test_events_carry_any_bytes(http: HttpStage) -> None:
    """Types that are no text go as base64, which the head of the answer says."""
    await put(http, "s", {"Content-Type": "application/x-any", "Stream-Closed": "true"}, b"\x00\xff\r\n")
    answer = await get(http, "s", offset="-1", live="sse")
    assert answer.headers["stream-sse-data-encoding"] == "base64"
    lines = answer.text.split("\n")
    assert lines[:2] == ["event: data", "data:AP8NCg=="]
    assert json.loads(lines[4].removeprefix("data:")) == {
        "streamNextOffset": "0" * 16 + "_" + "0" * 15 + "1", "streamClosed": True, "upToDate": True,
    }  # fmt: skip
