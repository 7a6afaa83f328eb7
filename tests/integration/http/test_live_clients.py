"""Live streams from a real broker: real sockets, many clients, clients that come again, and one that does not read."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.broker import KIB, MIB, BrokerProcess
from tests.integration.http.raw_client import HOST, RawClient
from tests.unit.protocols.http.live_session import Event, events_of
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

STREAM = "/topics/{}/stream"
CLOSE = b"\x88\x0a\x03\xf0too slow"
"""A close frame with the code 1008 (RFC 6455, 5.5.1)."""


def client_of(broker: BrokerProcess) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{broker.port}", timeout=20, limits=limits)


async def follow(client: httpx.AsyncClient, topic: str, last_id: str = "", **query: Any) -> AsyncIterator[Event]:
    """Events as they come; the id of the last one leads on, as in EventSource."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with client.stream("GET", STREAM.format(topic), params=query, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
        rest = b""
        async for data in answer.aiter_bytes():
            whole, end, rest = (rest + data).rpartition(b"\n\n")
            for event in events_of(whole + end, last_id):
                last_id = event.id
                yield event


def values(events: list[Event]) -> list[int]:
    return [int(event.data["value"]) for event in events if event.name == "message"]


def produce(broker: BrokerProcess, topic: bytes, numbers: range, pause_s: float = 0.0) -> None:
    """Numbers as messages, by the text protocol."""
    with broker.client() as client:
        for number in numbers:
            assert client.ask(b"PRODUCE %b %d" % (topic, number)).startswith(b"OK")
            if pause_s:
                time.sleep(pause_s)


def produce_many(broker: BrokerProcess, topic: bytes, numbers: range) -> None:
    """As `produce`, forty at a time."""
    with broker.client() as client:
        for first in numbers[::40]:
            some = range(first, min(first + 40, numbers.stop))
            client.send(b"".join([b"PRODUCE %b %d\n" % (topic, number) for number in some]))
            assert all(client.line().startswith(b"OK") for _ in some)
            time.sleep(0.01)


async def test_reconnects_lose_and_repeat_nothing(broker: BrokerProcess, topic: bytes) -> None:
    """A client that is thrown out again and again while messages come has each of them once, in order."""
    produce(broker, topic, range(10))
    producing = asyncio.create_task(asyncio.to_thread(produce, broker, topic, range(10, 600), 0.001))
    received: list[Event] = []
    async with client_of(broker) as client:
        while len(received) < 600:
            stream = follow(client, topic.decode(), received[-1].id if received else "", offset="earliest")
            async for event in stream:
                received.append(event)
                if len(received) == 600 or len(received) % 37 == 0:
                    break
            await stream.aclose()  # type: ignore[attr-defined]
    await producing
    assert values(received) == list(range(600))


async def test_fifty_subscribers_get_all(broker: BrokerProcess, topic: bytes) -> None:
    """The same events, whether a subscriber was there before or joined in the middle."""
    produce(broker, topic, range(1))

    async def subscriber(client: httpx.AsyncClient, number: int) -> list[Event]:
        await asyncio.sleep(number * 0.01)
        received = []
        async for event in follow(client, topic.decode(), offset="earliest"):
            received.append(event)
            if len(received) == 300:
                break
        return received

    async with client_of(broker) as client:
        subscribers = [asyncio.create_task(subscriber(client, number)) for number in range(50)]
        await asyncio.to_thread(produce, broker, topic, range(1, 300), 0.001)
        all_received = await asyncio.gather(*subscribers)
    assert values(all_received[0]) == list(range(300))
    assert all(received == all_received[0] for received in all_received)


def test_who_does_not_read_is_dropped_and_nobody_else(tmp_path: Path) -> None:
    """With one line in the log; the others get everything, and the broker holds little meanwhile."""
    count, padding = 24_000, b"x" * KIB
    with BrokerProcess(tmp_path / "data", "--sync=never") as broker:
        produce(broker, b"t", range(1))
        with RawClient(broker.port, receive_buffer_size=4 * KIB) as stuck, RawClient(broker.port) as good:
            for one in (stuck, good):
                one.send(b"GET /topics/t/stream?offset=latest HTTP/1.1\r\n" + HOST + b"\r\n")
                assert one.answer(to_head=True).status == 200
            seen: list[bytes] = []
            reader = threading.Thread(target=read_values, args=(good.socket, seen, count))
            reader.start()
            mark = broker.memory_mark()
            with broker.client() as client:
                for first in range(0, count, 200):
                    while len(seen) < first - 400:  # the good one may be as slow as this machine makes it
                        time.sleep(0.001)
                    lines = [b"PRODUCE t %d %b" % (number, padding) for number in range(first, first + 200)]
                    client.send(b"".join([line + b"\n" for line in lines]))
                    for _ in lines:
                        assert client.line().startswith(b"OK")
            reader.join(30)
            assert seen == [b"%d" % number for number in range(count)]
            (line,) = [each for each in broker.output.records() if each["level"] == "warning"]
            assert line["message"] == "a subscriber is too slow and is dropped"
            assert mark.growth_bytes() < 16 * MIB
            drain(stuck.socket)


def read_values(connection: socket.socket, seen: list[bytes], count: int) -> None:
    rest = b""
    while len(seen) < count and (data := connection.recv(1 << 18)):
        whole, _, rest = (rest + data).rpartition(b"\n\n")
        seen += re.findall(rb'"value":"(\d+) ', whole)


def drain(connection: socket.socket, until: bytes | None = None) -> bytes:
    """The end of what is still to come. A connection that was dropped ends with an error."""
    received = b""
    try:
        while (until is None or not received.endswith(until)) and (data := connection.recv(1 << 18)):
            received = (received + data)[-1000:]
    except ConnectionResetError:
        pass
    return received


async def test_a_topic_that_is_made_anew_is_another_one(broker: BrokerProcess, topic: bytes) -> None:
    """The stream ends with a problem; the id of its last event leads to all of the new topic, and says so."""
    name = topic.decode()
    produce(broker, topic, range(20))
    received: list[Event] = []
    async with client_of(broker) as client:
        async for event in follow(client, name, offset="earliest"):
            received.append(event)
            if len(received) == 20:
                await client.delete(f"/topics/{name}")
                await asyncio.to_thread(produce, broker, topic, range(100, 103))
        assert values(received) == list(range(20))
        assert received[-1].data["code"] == "UNKNOWN_TOPIC"
        again: list[Event] = []
        async for event in follow(client, name, received[-1].id):
            again.append(event)
            if len(again) == 4:
                break
    assert again[0].data["code"] == "TOPIC_MADE_ANEW"
    assert values(again) == [100, 101, 102]


async def test_sent_and_skipped_is_what_was_produced(broker: BrokerProcess, topic: bytes) -> None:
    """A sampled subscriber of a fast topic knows to the record how much it does not see."""
    produce(broker, topic, range(1))
    async with client_of(broker) as client:
        stream = follow(client, topic.decode(), offset="earliest", rate_max=20)
        sent = skipped = 0
        producing = asyncio.create_task(asyncio.to_thread(produce_many, broker, topic, range(1, 4000)))
        began = time.monotonic()
        async for event in stream:
            if event.name == "skipped":
                skipped += event.data["count"]
            else:
                sent += 1
            if sent + skipped >= 4000:
                break
        took_s = time.monotonic() - began
        await producing
    assert sent + skipped == 4000
    assert 20 <= sent <= 20 * (took_s + 2)


async def test_a_stop_ends_streams_within_a_second(tmp_path: Path) -> None:
    """EventSource connects anew, a WebSocket is told why; neither holds the broker up."""
    with BrokerProcess(tmp_path / "data") as broker:
        produce(broker, b"t", range(1))
        async with client_of(broker) as client, connect(f"ws://127.0.0.1:{broker.port}/topics/t/stream") as socket:
            assert json.loads(await socket.recv())["type"] == "begin"
            stream = follow(client, "t", offset="earliest")
            assert (await anext(stream)).data["value"] == "0"
            began = time.monotonic()
            broker.signal(signal.SIGTERM)
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
            assert time.monotonic() - began < 1.0
            await asyncio.to_thread(broker.wait)


# -- WebSockets ------------------------------------------------------------------------------------------------------


async def test_a_websocket_produces_and_follows(broker: BrokerProcess, topic: bytes) -> None:
    """Answers come in the order of the messages, problems among them; the records come back as they are stored."""
    produce(broker, topic, range(3))
    url = f"ws://127.0.0.1:{broker.port}{STREAM.format(topic.decode())}?offset=earliest"
    async with connect(url) as socket:
        messages: list[str | bytes] = [
            json.dumps({"type": "produce", "id": number, "records": [{"value": str(number)}]}) for number in range(100)
        ]
        messages[50:50] = [
            "no JSON",
            b"bytes",
            '{"type": "other", "id": "x"}',
            '{"type": "produce", "id": 7, "records": []}',
        ]
        for message in messages:
            await socket.send(message)
        answers: list[Any] = []
        records: list[Any] = []
        while len(answers) < 104 or len(records) < 103:
            message = json.loads(await socket.recv())
            if message["type"] == "record":
                records.append(message["record"])
            elif message["type"] != "begin":
                answers.append(message)
        await (await socket.ping())
    assert [answer["id"] for answer in answers] == [*range(50), None, None, "x", 7, *range(50, 100)]
    assert [answer["type"] for answer in answers[50:54]] == ["problem"] * 4
    produced = [answer["offsets"][0]["offset"] for answer in answers if answer["type"] == "produced"]
    assert [record["offset"] for record in records[3:]] == produced
    assert [record["value"] for record in records] == [*map(str, range(3)), *map(str, range(100))]


async def test_a_websocket_goes_on_where_it_was(broker: BrokerProcess, topic: bytes) -> None:
    """By the position of its last message, which browsers cannot send as a header."""
    produce(broker, topic, range(5))
    url = f"ws://127.0.0.1:{broker.port}{STREAM.format(topic.decode())}"
    async with connect(f"{url}?offset=earliest") as socket:
        messages = [json.loads(await socket.recv()) for _ in range(3)]
    async with connect(f"{url}?after={messages[-1]['position']}") as socket:
        messages += [json.loads(await socket.recv()) for _ in range(4)]
    assert [message["record"]["value"] for message in messages if message["type"] == "record"] == list("01234")


async def test_pages_of_other_sites_get_no_websocket(broker: BrokerProcess, topic: bytes) -> None:
    """Nor does one who asks for what is not there: each with a problem instead."""
    produce(broker, topic, range(1))
    url = f"ws://127.0.0.1:{broker.port}"
    for path, origin, code in (
        (STREAM.format(topic.decode()), "https://evil.example", "CROSS_SITE"),
        (STREAM.format("no-such-topic"), None, "UNKNOWN_TOPIC"),
        (STREAM.format(topic.decode()) + "?offset=x", None, "INVALID_INPUT"),
    ):
        with pytest.raises(InvalidStatus) as refused:
            await connect(url + path, origin=origin).__aenter__()  # type: ignore[arg-type]
        assert json.loads(refused.value.response.body or b"")["code"] == code


def test_a_websocket_that_does_not_read_is_told_so(tmp_path: Path) -> None:
    """Behind all that waited for it comes the code for a broken rule."""
    with BrokerProcess(tmp_path / "data", "--sync=never") as broker:
        produce(broker, b"t", range(1))
        with RawClient(broker.port, receive_buffer_size=4 * KIB) as client:
            client.send(
                b"GET /topics/t/stream HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert client.answer(to_head=True).status == 101
            with broker.client() as producer:
                for _ in range(100):
                    producer.send(b"PRODUCE t " + b"x" * 200 * KIB + b"\n")
                    assert producer.line().startswith(b"OK")
            broker.output.wait_for("too slow")
            assert drain(client.socket, until=CLOSE).endswith(CLOSE)
