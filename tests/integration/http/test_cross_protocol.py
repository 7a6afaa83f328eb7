"""HTTP, the text protocol and Kafka clients on one topic, in both formats."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.kafka.clients import CLIENTS, CODECS, Client
from tests.integration.kafka.driver import LATEST, Driver
from tests.integration.kafka.message import Message

NOW_MS = 1_700_000_000_000
BINARY = bytes(range(256))


@pytest.fixture(scope="module", params=[client for client in CLIENTS if client.name in {"confluent-kafka", "aiokafka"}],
                ids=lambda client: client.name)  # fmt: skip
def client_kind(request: pytest.FixtureRequest) -> Client:
    kind: Client = request.param
    if (reason := kind.missing()) is not None:
        pytest.skip(reason)
    return kind


@pytest.fixture(scope="module")
def kafka(client_kind: Client, broker: BrokerProcess) -> Iterator[Driver]:
    with client_kind.start(broker.port) as driver:
        yield driver


@pytest.fixture(scope="module")
def http(broker: BrokerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{broker.port}", timeout=30) as client:
        yield client


@pytest.fixture
def name(topic: bytes) -> str:
    return topic.decode()


def produce(http: httpx.Client, topic: str, *records: Any) -> list[int]:
    """The offsets of records in JSON."""
    answer = http.post(f"/topics/{topic}/records", json={"records": records})
    assert answer.status_code == 200, answer.text
    return [place["offset"] for place in answer.json()["offsets"]]


def read(http: httpx.Client, topic: str, **query: Any) -> list[dict[str, Any]]:
    answer = http.get(f"/topics/{topic}/records", params={"count": 10_000, **query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["records"]
    return found


def in_base64(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode()}


# -- HTTP to the others ----------------------------------------------------------------------------------------------


def test_a_kafka_client_reads_what_http_made(kafka: Driver, http: httpx.Client, name: str) -> None:
    """Keys, values, headers and times as they were given; null is null, bytes are bytes."""
    offsets = produce(
        http,
        name,
        {"value": "text ü", "key": "k", "timestamp_ms": NOW_MS, "headers": {"a": "1", "b": in_base64(BINARY)}},
        {"value": in_base64(BINARY), "key": in_base64(b"\xff"), "timestamp_ms": NOW_MS + 5},
        {"value": None, "key": "gone", "timestamp_ms": NOW_MS - 5},
        {"value": {"a": [1, None]}, "headers": [{"name": "h", "value": "1"}, {"name": "h", "value": "2"}]},
        {"value": ""},
    )
    assert offsets == [0, 1, 2, 3, 4]
    found = kafka.consume(name, 5)
    assert [message.content() for message in found] == [
        Message("text ü".encode(), b"k", (("a", b"1"), ("b", BINARY))),
        Message(BINARY, b"\xff"),
        Message(None, b"gone"),
        Message(b'{"a":[1,null]}', None, (("h", b"1"), ("h", b"2"))),
        Message(b""),
    ]
    assert [message.timestamp_ms for message in found[:3]] == [NOW_MS, NOW_MS + 5, NOW_MS - 5]
    assert [message.offset for message in found] == offsets


def test_a_kafka_client_reads_lines_and_bytes(kafka: Driver, http: httpx.Client, name: str) -> None:
    """A long body of lines is many batches, read in order; a body of bytes brings its type."""
    lines = "".join(json.dumps({"value": f"{number} {'x' * 500}", "key": str(number)}) + "\n" for number in range(5000))
    answer = http.post(f"/topics/{name}/records", content=lines, headers={"content-type": "application/x-ndjson"})
    assert answer.json()["count"] == 5000
    found = kafka.consume(name, 5000)
    assert [int((message.key or b"").decode()) for message in found] == list(range(5000))
    assert all((message.value or b"").startswith(message.key or b"?") for message in found)
    http.post(f"/topics/{name}/records", params={"key": "k"}, content=BINARY, headers={"content-type": "image/png"})
    (image,) = kafka.consume(name, 1, {0: 5000})
    assert image.content() == Message(BINARY, b"k", (("content-type", b"image/png"),))


def test_keys_go_where_kafka_clients_send_them(kafka: Driver, http: httpx.Client, name: str) -> None:
    """A reader of one partition sees all records of a key, whichever way they came (Kafka's own partitioner)."""
    assert http.post("/topics", json={"name": name, "partitions": 7}).status_code == 201
    keys = [f"key-{number}" for number in range(50)]
    answer = http.post(f"/topics/{name}/records", json={"records": [{"value": key, "key": key} for key in keys]})
    places = {key: place["partition"] for key, place in zip(keys, answer.json()["offsets"], strict=True)}
    assert len(set(places.values())) == 7
    for partition in range(7):
        expected = [key.encode() for key in keys if places[key] == partition]
        assert [message.key for message in kafka.consume(name, len(expected), {partition: 0})] == expected
    aiokafka = pytest.importorskip("aiokafka.partitioner")
    chooser = aiokafka.DefaultPartitioner()
    assert {key: chooser(key.encode(), list(range(7)), list(range(7))) for key in keys} == places


def test_nc_reads_what_http_made(broker: BrokerProcess, http: httpx.Client, name: str) -> None:
    """On a topic that HTTP made nc sees values by record number, and may add its own."""
    produce(http, name, {"value": "one", "key": "k"}, {"value": {"a": 1}})
    with broker.client() as client:
        client.send(b"CONSUME %s 0 10\n" % name.encode())
        assert client.lines(2) == [b"MESSAGE 0 3 one", b'MESSAGE 1 7 {"a":1}']
    assert broker.ask(b"PRODUCE %s from nc" % name.encode()) == [b"OK 2"]
    assert [record["value"] for record in read(http, name)] == ["one", '{"a":1}', "from nc"]


def test_http_writes_to_a_plain_topic(broker: BrokerProcess, kafka: Driver, http: httpx.Client, name: str) -> None:
    """Values become frames at their positions, byte for byte as the specification has them."""
    broker.ask(b"PRODUCE %s from-nc" % name.encode())
    assert produce(http, name, {"value": "one"}, {"value": in_base64(b"\x00\n")}) == [11, 18]
    http.post(f"/topics/{name}/records", content=b"raw", headers={"content-type": "text/plain"})
    lines = b'{"value": "line"}\n'
    http.post(f"/topics/{name}/records", content=lines, headers={"content-type": "application/x-ndjson"})
    stored = (broker.data_dir / f"{name}.log").read_bytes()
    assert stored == (
        b"\x00\x00\x00\x07from-nc\x00\x00\x00\x03one\x00\x00\x00\x02\x00\n\x00\x00\x00\x03raw\x00\x00\x00\x04line"
    )
    assert broker.ask(b"CONSUME %s 11" % name.encode()) == [b"MESSAGE 11 3 one"]
    found = kafka.consume(name, 5)
    assert [message.value for message in found] == [b"from-nc", b"one", b"\x00\n", b"raw", b"line"]
    for extra in ({"key": "k"}, {"headers": {"h": "1"}}, {"value": None}, {"timestamp_ms": 1}):
        answer = http.post(f"/topics/{name}/records", json={"value": "v", **extra})
        assert (answer.status_code, "plain topic" in answer.json()["detail"]) == (400, True)
    assert (broker.data_dir / f"{name}.log").read_bytes() == stored


def test_a_kafka_client_reads_what_the_rest_proxy_calls_made(kafka: Driver, http: httpx.Client, name: str) -> None:
    """Both versions, the cluster's id found as their clients find it."""
    cluster_id = http.get("/v3/clusters").json()["data"][0]["cluster_id"]
    record = {"key": {"type": "BINARY", "data": "/w=="}, "value": {"type": "STRING", "data": "v3"}}
    answer = http.post(f"/v3/clusters/{cluster_id}/topics/{name}/records", json=record)
    assert answer.json()["error_code"] == 200
    records = {"records": [{"key": "azI=", "value": "djI="}]}
    http.post(
        f"/topics/{name}",
        content=json.dumps(records),
        headers={"content-type": "application/vnd.kafka.binary.v2+json", "accept": "application/vnd.kafka.v2+json"},
    )
    assert [message.content() for message in kafka.consume(name, 2)] == [Message(b"v3", b"\xff"), Message(b"v2", b"k2")]


# -- the others to HTTP ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CODECS)
def test_http_reads_what_a_kafka_client_made(kafka: Driver, http: httpx.Client, name: str, codec: str) -> None:
    """Compressed or not: keys, headers, times and null values; offsets in the middle of a batch."""
    messages = [
        Message(b"text", b"k", (("a", b"1"), ("n", None), ("b", BINARY)), timestamp_ms=NOW_MS),
        Message(BINARY, timestamp_ms=NOW_MS + 1),
        Message(None, b"gone", timestamp_ms=NOW_MS + 2),
        Message(b'{"a": 1}', timestamp_ms=NOW_MS + 3),
        *[Message(b"x" * 100, str(number).encode(), timestamp_ms=NOW_MS + 4) for number in range(100)],
    ]
    kafka.produce(name, messages, codec=codec)
    found = read(http, name, values="json")
    assert (found[0]["key"], found[0]["value"], found[0]["size_bytes"]) == ("k", "text", 1 + 4 + 2 + 1 + 1 + 256)
    assert found[0]["headers"] == [
        {"name": "a", "value": "1"}, {"name": "n", "value": None}, {"name": "b", "value": in_base64(BINARY)},
    ]  # fmt: skip
    assert [record["value"] for record in found[1:4]] == [in_base64(BINARY), None, {"a": 1}]
    assert [record["timestamp_ms"] for record in found[:5]] == [NOW_MS + number for number in range(5)]
    assert [record["key"] for record in found[4:]] == [str(number) for number in range(100)]
    assert [record["offset"] for record in read(http, name, offset=50, count=3)] == [50, 51, 52]
    assert [record["offset"] for record in read(http, name, offset=f"@{NOW_MS + 3}", count=1)] == [3]
    assert http.get(f"/topics/{name}/records/1").content == BINARY
    hits = http.get(f"/topics/{name}/search", params={"query": "TEXT"}).text
    assert hits.count("event: match") == 1


def test_http_reads_what_nc_made(broker: BrokerProcess, kafka: Driver, http: httpx.Client, name: str) -> None:
    """Values at byte positions, without keys and times; Kafka clients may have added to them."""
    broker.ask(b"PRODUCE %s first" % name.encode(), b'PRODUCE %s {"a": 1}' % name.encode())
    kafka.produce(name, [Message(b"zipped " * 20)], codec="gzip")
    found = read(http, name)
    assert [(record["offset"], record["value"]) for record in found] == [
        (0, "first"), (9, '{"a": 1}'), (21, "zipped " * 20),
    ]  # fmt: skip
    assert all((record["key"], record["timestamp_ms"], record["headers"]) == (None, None, []) for record in found)
    assert [record["offset"] for record in read(http, name, offset=1)] == [9, 21]
    assert [record["offset"] for record in read(http, name, offset="-1")] == [21]
    assert kafka.offset_at(name, LATEST) == http.get(f"/topics/{name}/records?offset=latest").json()["next_offset"]
