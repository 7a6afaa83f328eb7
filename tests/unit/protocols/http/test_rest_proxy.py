"""The REST Proxy's calls: what its clients send and expect, in both versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.protocols.http.http_session import Client, HttpStage, http_stage, running
from tests.unit.protocols.kafka.kafka_session import turns, until

from logmq.model import Format
from logmq.protocols.http import bodies
from logmq.protocols.http.app import make_app
from logmq.protocols.http.problems import InvalidInput
from logmq.protocols.http.slices import ObjectSplitter

JSON_V2 = {"content-type": "application/vnd.kafka.json.v2+json", "accept": "application/vnd.kafka.v2+json"}
BINARY_V2 = {"content-type": "application/vnd.kafka.binary.v2+json"}
V3 = "/v3/clusters/any/topics/t/records"


async def produce_v2(http: HttpStage, path: str, body: Any, headers: dict[str, str] = JSON_V2) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await http.client.post(path, content=content, headers=headers)


async def produce_v3(http: HttpStage, *records: Any, between: str = "") -> list[Any]:
    """The reports on records; text goes out as it is."""
    body = between.join(record if isinstance(record, str) else json.dumps(record) for record in records)
    answer = await http.client.post(V3, content=body.encode(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    return [json.loads(line) for line in answer.text.splitlines()]


async def fields(http: HttpStage, topic: str = "t", partition: int = 0) -> list[tuple[Any, Any]]:
    return [(record["key"], record["value"]) for record in (await http.read(topic, partition=partition))["records"]]


# -- version 2 -------------------------------------------------------------------------------------------------------


async def test_v2_json(http: HttpStage) -> None:
    """Values are any JSON, kept as their text; the answer has the original's shape, nulls included."""
    records = [{"value": {"a": 1}}, {"key": "k", "value": "text"}, {"key": 7, "value": None}]
    answer = await produce_v2(http, "/topics/t", {"records": records})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/vnd.kafka.v2+json")
    assert answer.json() == {
        "offsets": [{"partition": 0, "offset": n, "error_code": None, "error": None} for n in range(3)],
        "key_schema_id": None,
        "value_schema_id": None,
    }
    assert await fields(http) == [(None, '{"a": 1}'), ('"k"', '"text"'), ("7", None)]


async def test_v2_binary(http: HttpStage) -> None:
    """Keys and values are base64; that is also what a media type without a format means."""
    for headers in (BINARY_V2, {"content-type": "application/vnd.kafka.v2+json"}):
        records = [{"key": "a2V5", "value": "S2Fma2E="}, {"value": "/w=="}]
        assert (await produce_v2(http, "/topics/t", {"records": records}, headers)).status_code == 200
    assert await fields(http) == [("key", "Kafka"), (None, {"base64": "/w=="})] * 2


async def test_v2_partitions(http: HttpStage) -> None:
    """In the record, in the path, or by the key as its stored bytes hash."""
    await http.broker.create_topic("t", format=Format.BATCH, partition_count=3)
    answer = await produce_v2(http, "/topics/t", {"records": [{"value": 1, "partition": 2}]})
    assert answer.json()["offsets"][0]["partition"] == 2
    answer = await produce_v2(http, "/topics/t/partitions/1", {"records": [{"value": 1, "key": "k"}, {"value": 2}]})
    assert [place["partition"] for place in answer.json()["offsets"]] == [1, 1]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        ("/topics/t", b"{", JSON_V2, 400, 400),
        ("/topics/t", {}, JSON_V2, 400, 400),
        ("/topics/t", {"records": []}, JSON_V2, 400, 400),
        ("/topics/t", {"records": [{"value": "?"}]}, BINARY_V2, 400, 400),
        ("/topics/t", {"records": [{"value": 5}]}, BINARY_V2, 400, 400),
        ("/topics/t", b'{"records": [{"value": "\xff"}]}', JSON_V2, 400, 400),
        ("/topics/t", {"records": [{"value": 1, "partition": 9}]}, JSON_V2, 404, 40402),
        ("/topics/t/partitions/9", {"records": [{"value": 1}]}, JSON_V2, 404, 40402),
        ("/topics/t/partitions/x", {"records": [{"value": 1}]}, JSON_V2, 400, 400),
        ("/topics/__consumer_offsets", {"records": [{"value": 1}]}, JSON_V2, 403, 40301),
        ("/topics/a%00", {"records": [{"value": 1}]}, JSON_V2, 400, 40002),
        ("/topics/..%2fx", {"records": [{"value": 1}]}, JSON_V2, 400, 40002),
        ("/topics/t", {"records": [{"value": 1}]}, {"content-type": "application/json"}, 415, 415),
        *[
            ("/topics/t", {"records": []}, {"content-type": f"application/vnd.kafka.{kind}.v2+json"}, 415, 415)
            for kind in ("avro", "protobuf", "jsonschema")
        ],
    ],
)
async def test_v2_errors(
    http: HttpStage, path: str, body: Any, headers: dict[str, str], status: int, code: int
) -> None:
    """A status, a code of the original's, a message; nothing is stored."""
    await http.post("t", {"value": "before"})
    answer = await produce_v2(http, path, body, headers)
    assert answer.headers["content-type"] == "application/vnd.kafka.v2+json"
    assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.text
    assert answer.json().keys() == {"error_code", "message"}
    assert len(await fields(http)) == 1


async def test_v2_unknown_topic(tmp_path: Path) -> None:
    """It is a 40401 where topics are not made by producing."""
    async with http_stage(tmp_path / "data", auto_create_topics=False) as http:
        answer = await produce_v2(http, "/topics/t", {"records": [{"value": 1}]})
        assert (answer.status_code, answer.json()["error_code"]) == (404, 40401)


# -- version 3 -------------------------------------------------------------------------------------------------------


async def test_v3_a_record(http: HttpStage) -> None:
    """Each type of data, headers in base64, a time; the report has the original's shape."""
    await http.broker.create_topic("t", format=Format.BATCH, partition_count=2)
    (report,) = await produce_v3(
        http,
        {
            "partition_id": 1,
            "headers": [{"name": "h", "value": "SGVhZGVyLTE="}, {"name": "none"}],
            "key": {"type": "BINARY", "data": "Zm9vYmFy"},
            "value": {"type": "JSON", "data": {"foo": "bar"}},
            "timestamp": "2021-02-05T19:14:42Z",
        },
    )
    assert report == {
        "error_code": 200,
        "cluster_id": http.context.broker.cluster_id,
        "topic_name": "t",
        "partition_id": 1,
        "offset": 0,
        "timestamp": "2021-02-05T19:14:42.000Z",
        "key": {"type": "BINARY", "size": 6},
        "value": {"type": "JSON", "size": 14},
    }
    (record,) = (await http.read("t", partition=1))["records"]
    assert (record["key"], record["value"], record["timestamp_ms"]) == ("foobar", '{"foo": "bar"}', 1612552482000)
    assert record["headers"] == [{"name": "h", "value": "Header-1"}, {"name": "none", "value": None}]


async def test_v3_strings_nulls_and_nothing(http: HttpStage) -> None:
    """STRING is the text itself; data that is null or not there is null; a record may be empty."""
    reports = await produce_v3(
        http, {"value": {"type": "STRING", "data": "My message"}}, {"key": {"type": "JSON"}}, {}, between="\n"
    )
    assert [report["error_code"] for report in reports] == [200, 200, 200]
    assert "key" not in reports[0] and reports[1]["key"] == {"type": "JSON", "size": 0}
    assert await fields(http) == [(None, "My message"), (None, None), (None, None)]


@pytest.mark.parametrize("between", ["", "\n", " \r\n\t"])
async def test_v3_many_records(http: HttpStage, between: str) -> None:
    """Concatenated, with or without space between; the reports are in the same order, the records one append."""
    records = [{"value": {"type": "JSON", "data": {"n": n, "s": '}{"\\'}}} for n in range(100)]
    reports = await produce_v3(http, *records, between=between)
    assert [report["offset"] for report in reports] == list(range(100))
    assert http.broker.appends == [1]
    assert [json.loads(value)["n"] for _, value in await fields(http)] == list(range(100))


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"value": {"type": "BINARY", "data": 1}}, 400),
        ({"value": {"type": "BINARY", "data": "?"}}, 400),
        ({"value": {"type": "STRING", "data": {}}}, 400),
        ({"value": {"data": "x"}}, 42207),
        ({"value": {"type": "AVRO", "schema": "{}", "data": 1}}, 42207),
        ({"value": {"type": "json", "data": 1}}, 42207),
        ({"partition_id": 7}, 40402),
        ({"partition_id": -1}, 40402),
        ({"partition_id": "x"}, 400),
        ({"partition_id": 10**30}, 400),
        ({"headers": [{"value": "YQ=="}]}, 400),
        ({"headers": [{"name": "h", "value": "?"}]}, 400),
        ({"timestamp": "soon"}, 400),
        ({"timestamp": "1969-12-31T23:59:59Z"}, 400),
        ({"value": {"type": "STRING", "data": "x" * 1001}}, 413),
        ('{"value": }', 400),
        ('{"value": {"type": "STRING", "data": "\\ud800"}}', 400),
        ('{"value": {"type": "JSON", "data": ' + "[" * 50_000 + "]" * 50_000 + "}}", 400),
    ],
)
async def test_v3_a_wrong_record_is_reported_and_the_others_are_stored(http: HttpStage, record: Any, code: int) -> None:
    """Its report has the error in its place."""
    await http.broker.create_topic("t", format=Format.BATCH, overrides={"max.message.bytes": "1000"})
    good = {"value": {"type": "STRING", "data": "good"}}
    first, second, third = await produce_v3(http, good, record, good)
    assert (first["error_code"], first["offset"]) == (200, 0)
    assert (second["error_code"], second.keys()) == (code, {"error_code", "message"}), second
    assert (third["error_code"], third["offset"]) == (200, 1)
    assert await fields(http) == [(None, "good")] * 2


async def test_v3_keys_on_a_plain_topic(http: HttpStage) -> None:
    """What a plain topic cannot hold is reported as such."""
    await http.broker.create_topic("t", format=Format.PLAIN)
    good = {"value": {"type": "STRING", "data": "good"}}
    reports = await produce_v3(http, good, {**good, "key": {"type": "STRING", "data": "k"}}, good)
    assert [report["error_code"] for report in reports] == [200, 40002, 200]
    assert [report.get("offset") for report in reports] == [0, None, 8]
    assert "plain topic" in reports[1]["message"]


@pytest.mark.parametrize("garbage", ["x", "[1]", ",", "1", '"text"', "}", '{"value":', '{"value": "'])
async def test_v3_what_is_no_object_ends_the_stream(http: HttpStage, garbage: str) -> None:
    """The records before it are stored and reported, then comes the error."""
    first, last = await produce_v3(http, {}, garbage)
    assert (first["error_code"], last["error_code"]) == (200, 400)
    assert len(await fields(http)) == 1


async def test_v3_a_body_without_records(http: HttpStage) -> None:
    """It has a status of its own, as has one that begins with something else."""
    for body, status in ((b"", 422), (b" \n", 422), (b"[]", 400)):
        answer = await http.client.post(V3, content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error_code"]) == (status, status)


async def test_v3_streaming(http: HttpStage) -> None:
    """A record is reported while the request goes on; a client may wait for the report before it sends the next."""
    client = Client("POST", V3, headers={"content-type": "application/json"})
    async with running(client, make_app(http.context)) as task:
        for number in range(3):
            client.send(b'{"value": {"type": "JSON", "data": %d}' % number)
            await turns(50)
            assert client.body.count(b"\n") == number
            client.send(b"}")
            await until(lambda number=number: client.body.count(b"\n") == number + 1)
        client.send(b"", more=False)
        await task
    assert (client.status, client.ended) == (200, True)
    assert [json.loads(line)["offset"] for line in client.body.splitlines()] == [0, 1, 2]


async def test_v3_a_client_that_goes(http: HttpStage, caplog: pytest.LogCaptureFixture) -> None:
    """What came whole is stored; nobody is told of an accident."""
    for sent in (b"", b"{}", b'{}{"value'):
        client = Client("POST", V3, headers={"content-type": "application/json"})
        if sent:
            client.send(sent)
        client.go()
        await client.run(make_app(http.context))
    assert len(await fields(http)) == 2
    assert not caplog.records


async def test_v3_a_slow_body(http: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first record it is a status, later an error in the stream."""
    monkeypatch.setattr(bodies, "HTTP_BODY_SILENCE_MAX_S", 0.01)
    for sent, status in ((b'{"va', 408), (b"{} ", 200)):
        client = Client("POST", V3, headers={"content-type": "application/json"})
        client.send(sent)
        await client.run(make_app(http.context))
        assert client.status == status
        assert json.loads(client.body.splitlines()[-1])["error_code"] == 408


async def test_v3_a_record_over_the_limit_of_a_body(tmp_path: Path) -> None:
    """A stream may go on without end, one record may not."""
    async with http_stage(tmp_path / "data", http_body_size_max_bytes=1000) as http:
        assert len(await produce_v3(http, *[{} for _ in range(1000)])) == 1000
        client = Client("POST", V3, headers={"content-type": "application/json"})
        client.send(b'{}{"value": "' + b"x" * 1000)
        await client.run(make_app(http.context))
        assert [json.loads(line)["error_code"] for line in client.body.splitlines()] == [200, 413]


async def test_v3_clusters(http: HttpStage) -> None:
    """Clients find the cluster's id, and nothing under another."""
    cluster_id = http.context.broker.cluster_id
    listed = (await http.client.get("/v3/clusters")).json()
    assert (listed["kind"], listed["metadata"]["next"]) == ("KafkaClusterList", None)
    assert [cluster["cluster_id"] for cluster in listed["data"]] == [cluster_id]
    assert listed["data"][0]["metadata"]["self"] == f"http://localhost/v3/clusters/{cluster_id}"
    assert (await http.client.get(f"/v3/clusters/{cluster_id}")).json() == listed["data"][0]
    answer = await http.client.get("/v3/clusters/other")
    assert (answer.status_code, answer.json()["error_code"]) == (404, 404)


# -- concatenated JSON -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_objects_however_they_are_cut(size: int) -> None:
    """Brackets and quotes in strings, escapes of all lengths, at every place a piece may end."""
    objects = [
        rb'{"a": "}{[\"\\"}', rb'{"b": ["\\\\", {"c": "\\\""}]}', b"{}", '{"ü": "😀"}'.encode(), rb'{"\\": "\u0022"}',
    ]  # fmt: skip
    body = b" ".join(objects) + b"\n" + b"".join(objects)
    splitter = ObjectSplitter()
    found = [part for start in range(0, len(body), size) for part in splitter.add(body[start : start + size])]
    found += splitter.end()
    assert found == objects * 2


def test_what_is_left_is_an_error() -> None:
    """An object that does not end, and what is no object."""
    splitter = ObjectSplitter()
    assert list(splitter.add(b'{"a": [')) == []
    assert splitter.held_size == 7
    with pytest.raises(InvalidInput):
        list(splitter.end())
    with pytest.raises(InvalidInput):
        list(ObjectSplitter().add(b" x"))
