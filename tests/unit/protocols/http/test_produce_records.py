"""POST /topics/{topic}/records: each form of body, where records go, and what is refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.unit.protocols.http.http_session import Client, HttpStage, http_stage, running
from tests.unit.protocols.kafka.kafka_session import turns, until

from logmq.model import Format, TopicPartition
from logmq.protocols.http import bodies, producing
from logmq.protocols.http.app import make_app
from logmq.protocols.http.handlers import records

LINES = {"content-type": "application/x-ndjson"}


def values(answer: dict[str, Any]) -> list[Any]:
    return [record["value"] for record in answer["records"]]


def end(http: HttpStage, topic: str, partition: int = 0) -> int:
    return http.context.broker.bounds(TopicPartition(topic, partition)).high_watermark


# -- JSON ------------------------------------------------------------------------------------------------------------


async def test_records_and_a_record_alone(http: HttpStage) -> None:
    """A list is answered in its order; an object with a value is one record; the topic is made by the first."""
    answer = await http.post("t", {"records": [{"value": "a"}, {"value": {"x": 1}}]})
    assert answer.json() == {"offsets": [{"partition": 0, "offset": 0}, {"partition": 0, "offset": 1}]}
    answer = await http.post("t", {"value": None, "key": "k", "timestamp_ms": 9})
    assert answer.json() == {"offsets": [{"partition": 0, "offset": 2}]}
    assert values(await http.read("t")) == ["a", '{"x":1}', None]
    assert http.broker.topic("t").format is Format.BATCH


async def test_json_is_kept_as_it_was_written(http: HttpStage) -> None:
    """Numbers that no computer holds, spaces and order of names survive; `values=json` gives JSON back on one line."""
    text = '{"b" : 1e400,\n "a":123456789012345678901234567890, "a": 1}'
    await http.post("t", b'{"value": %s}' % text.encode(), headers={"content-type": "application/json"})
    assert values(await http.read("t")) == [text]
    answer = await http.client.get("/topics/t/records?values=json", headers={"accept": "application/x-ndjson"})
    assert answer.text.count("\n") == 1
    assert '"value":{"b":1e400,"a":123456789012345678901234567890,"a":1}' in answer.text


async def test_strings_of_every_kind(http: HttpStage) -> None:
    """Escapes, characters beyond the first plane, NUL and line ends come back as they were given."""
    given = ["", 'a"b\\c', "\u0000", "\r\n", "😀", "é", "\\ud83d", "\u2028"]
    await http.post("t", {"records": [{"value": text, "key": text} for text in given]})
    found = (await http.read("t"))["records"]
    assert [record["value"] for record in found] == given
    assert [record["key"] for record in found] == given
    body = b'{"value": "\\ud83d\\ude00"}'
    await http.post("t", body, headers={"content-type": "application/json"})
    assert values(await http.read("t", offset=-1)) == ["😀"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None),
        (b"{", None),
        (b'{"value": 1} x', None),
        (b"[]", None),
        (b"7", None),
        (b"{}", None),
        (b'{"key": "k"}', None),
        (b'{"records": []}', "records"),
        (b'{"records": {}}', "records"),
        (b'{"records": [1]}', "records[0]"),
        (b'{"records": [{"value": 1}, {"valu": 1}]}', "records[1].valu"),
        (b'{"records": [{"value": 1}], "key": "k"}', None),
        (b'{"records": [{"value": 1}], "value": 2}', None),
        (b'{"value": {"base64": "?"}}', "value.base64"),
        (b'{"value": {"base64": 5}}', "value.base64"),
        (b'{"value": {"base64": "YQ"}}', "value.base64"),
        (b'{"records": [{"value": 1}, {"key": {"base64": "YQ=!"}}]}', "records[1].key.base64"),
        (b'{"value": 1, "headers": {"h": 5}}', "headers[...]"),
        (b'{"value": 1, "headers": {"h": {"base64": "?"}}}', "headers[...].base64"),
        (b'{"value": 1, "headers": [{"name": 1, "value": ""}]}', "headers[0].name"),
        (b'{"value": 1, "headers": [{"name": "n"}]}', "headers[0].value"),
        (b'{"value": 1, "partition": -1}', "partition"),
        (b'{"value": 1, "partition": 1.5}', "partition"),
        (b'{"value": 1, "partition": 7}', "partition"),
        (b'{"value": 1, "partition": 18446744073709551616}', "partition"),
        (b'{"records": [{"value": 1}, {"value": 1, "partition": 7}]}', "records[1].partition"),
        (b'{"value": 1, "timestamp_ms": -1}', "timestamp_ms"),
        (b'{"value": 1, "timestamp_ms": 1e400}', "timestamp_ms"),
        (b'{"value": 1, "timestamp_ms": 253402300800000}', "timestamp_ms"),
        (b'{"value": "\\ud800"}', None),
        (b'{"records": [{"value": 1, "key": "x\\ud800x"}]}', None),
        (b'{"value": "\xff"}', None),
        (b'{"value": 1, "key": "\xc3"}', None),
        (b'{"value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
    ],
)
async def test_a_body_that_is_wrong_stores_nothing(http: HttpStage, body: bytes, field: str | None) -> None:
    """Each is answered with the input that is at fault, and the topic stays as it was."""
    await http.post("t", {"value": "before"})
    answer = await http.post("t", body, headers={"content-type": "application/json; charset=utf-8"})
    problem = answer.json()
    assert answer.status_code == (404 if problem["code"] == "UNKNOWN_PARTITION" else 400), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem.get("field") == field, problem
    assert end(http, "t") == 1


# -- where records go ------------------------------------------------------------------------------------------------


async def test_partitions_by_word_by_key_and_in_turn(http: HttpStage) -> None:
    """A partition that is named counts; else the key decides; the rest of a request stays together, in turn."""
    await http.broker.create_topic("t", format=Format.BATCH, partition_count=3)
    records: list[dict[str, Any]] = [{"value": 0, "partition": 2}, {"value": 1, "key": "k"}, {"value": 2}, {"value": 3}]
    places = [(await http.post("t", {"records": records})).json()["offsets"] for _ in range(3)]
    assert [place[0]["partition"] for place in places] == [2, 2, 2]
    assert len({place[1]["partition"] for place in places}) == 1
    assert [place[2]["partition"] for place in places] == [0, 1, 2]
    assert all(place[2]["partition"] == place[3]["partition"] for place in places)
    assert sum(end(http, "t", index) for index in range(3)) == 12
    for place, record in zip(places[0], records, strict=True):
        found = await http.read("t", partition=place["partition"], offset=place["offset"], count=1)
        assert values(found) == [str(record["value"])]


async def test_one_request_is_one_append(http: HttpStage) -> None:
    """However many records and partitions, the broker is called once."""
    await http.broker.create_topic("t", format=Format.BATCH, partition_count=3)
    await http.post("t", {"records": [{"value": n, "key": str(n)} for n in range(100)]})
    assert http.broker.appends == [3]


async def test_the_partition_parameter_is_for_all_that_name_none(http: HttpStage) -> None:
    """It stands before keys, and behind what a record says itself."""
    await http.broker.create_topic("t", format=Format.BATCH, partition_count=3)
    records = [{"value": 1, "key": "k"}, {"value": 2}, {"value": 3, "partition": 0}]
    answer = await http.post("t", {"records": records}, params={"partition": 1})
    assert [place["partition"] for place in answer.json()["offsets"]] == [1, 1, 0]
    answer = await http.post("t", {"value": 1}, params={"partition": 3})
    assert (answer.status_code, answer.json()["field"]) == (404, "partition")


async def test_topics_are_made_only_where_that_is_allowed(tmp_path: Any) -> None:
    """Without auto_create_topics an unknown topic is a 404; names that cannot be are a 400, the broker's own a 403."""
    async with http_stage(tmp_path / "data", auto_create_topics=False) as http:
        answer = await http.post("t", {"value": 1})
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (404, "UNKNOWN_TOPIC", "topic")
        assert (await http.post("__mine", {"value": 1})).status_code == 404
        assert (await http.post("__consumer_offsets", {"value": 1})).status_code == 403
    async with http_stage(tmp_path / "more") as http:
        assert (await http.post("__mine", {"value": 1})).status_code == 403
        for name in ("a%00b", "%2e%2e", "a%20b", "x" * 250, "a\\b", "..%2fx", "%2e%2e%2fx", "a%2fb"):
            answer = await http.client.post(f"/topics/{name}/records", json={"value": 1})
            assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_TOPIC"), name
        for path in ("/topics/..%2fx/records", "/topics/%2e%2e%2f%2e%2e%2fetc%2fpasswd/records", "/topics//records"):
            assert (await http.client.post(path, json={"value": 1})).status_code in {400, 404}, path
        assert [topic.name for topic in http.broker.topics()] == ["__consumer_offsets"]


async def test_the_topic_may_date_records_itself(http: HttpStage) -> None:
    """With LogAppendTime what a client says of the time does not count."""
    overrides = {"message.timestamp.type": "LogAppendTime"}
    await http.broker.create_topic("t", format=Format.BATCH, overrides=overrides)
    await http.post("t", {"records": [{"value": 1, "timestamp_ms": 5}, {"value": 2, "timestamp_ms": 9}]})
    assert {record["timestamp_ms"] for record in (await http.read("t"))["records"]} == {http.clock.ms}


# -- bytes -----------------------------------------------------------------------------------------------------------


async def test_any_other_body_is_the_value(http: HttpStage) -> None:
    """Its type is kept as a header, unless curl said it by itself; key, partition and time are parameters."""
    await http.broker.create_topic("t", format=Format.BATCH, partition_count=2)
    image = bytes(range(256))
    query = {"key": "ü", "partition": 1, "timestamp_ms": 7}
    answer = await http.post("t", image, params=query, headers={"content-type": "Image/PNG; x=y"})
    assert answer.json() == {"offsets": [{"partition": 1, "offset": 0}]}
    for headers in ({"content-type": "application/x-www-form-urlencoded"}, {}):
        await http.post("t", b"a=b", params={"partition": 1}, headers=headers)
    first, *rest = (await http.read("t", partition=1))["records"]
    assert (first["key"], first["timestamp_ms"]) == ("ü", 7)
    assert first["headers"] == [{"name": "content-type", "value": "Image/PNG; x=y"}]
    assert [(record["value"], record["headers"]) for record in rest] == [("a=b", [])] * 2
    answer = await http.client.get("/topics/t/records?partition=1", headers={"accept": "application/octet-stream"})
    assert answer.content == image


async def test_bytes_on_a_plain_topic(http: HttpStage) -> None:
    """The value is all that it holds: the type is left out, a key is refused."""
    await http.broker.create_topic("p", format=Format.PLAIN)
    assert (await http.post("p", b"a value", headers={"content-type": "text/plain"})).status_code == 200
    answer = await http.post("p", b"another", params={"key": "k"})
    assert (answer.status_code, answer.json()["field"]) == (400, "key")
    assert values(await http.read("p")) == ["a value"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("key=a&key=b", "key"), ("keys=a", "keys"), ("partition=x", "partition"), ("partition=-1", "partition"),
        ("partition=99999999999999999999", "partition"), ("timestamp_ms=1.5", "timestamp_ms"), ("key=%ff", None),
        ("key=\udcff", None),
    ],
)  # fmt: skip
async def test_wrong_parameters(http: HttpStage, query: str, field: str | None) -> None:
    """What is given twice, is not known, of another type or no UTF-8 is refused by name."""
    client = Client("POST", "/topics/t/records")
    client.scope["query_string"] = query.encode("utf-8", "surrogateescape")
    client.send(b"x", more=False)
    await client.run(make_app(http.context))
    problem = json.loads(client.body)
    assert (client.status, problem.get("field")) == (400, field), problem


async def test_key_and_time_of_json_stand_in_the_record(http: HttpStage) -> None:
    """As parameters they are refused rather than left out."""
    answer = await http.post("t", {"value": 1}, params={"key": "k"})
    assert (answer.status_code, answer.json()["field"]) == (400, "key")
    answer = await http.post("t", b'{"value": 1}', params={"timestamp_ms": 1}, headers=LINES)
    assert (answer.status_code, answer.json()["field"]) == (400, "timestamp_ms")


# -- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
async def test_a_body_over_the_limit(tmp_path: Any, kind: str) -> None:
    """It is refused by its length where it says it, and as it comes where it does not; the connection ends."""
    async with http_stage(tmp_path / "data", http_body_size_max_bytes=1000) as http:
        said = Client("POST", "/topics/t/records", headers={"content-type": kind, "content-length": "1001"})
        await said.run(make_app(http.context))  # nothing of the body has come
        unsaid = Client("POST", "/topics/t/records", headers={"content-type": kind})
        for _ in range(11):
            unsaid.send(b" " * 100)
        await unsaid.run(make_app(http.context))
        assert (said.status, unsaid.status) == (413, 413)
        assert b"BODY_TOO_LARGE" in said.body
        fits = Client("POST", "/topics/t/records", headers={"content-type": "text/plain", "content-length": "1000"})
        fits.send(b" " * 1000, more=False)
        await fits.run(make_app(http.context))
        assert fits.status == 200


async def test_a_record_over_the_topics_limit(http: HttpStage) -> None:
    """It is named, and none of its request is stored; one of just that size is taken."""
    await http.broker.create_topic("t", format=Format.BATCH, overrides={"max.message.bytes": "1000"})
    answer = await http.post("t", {"records": [{"value": "a"}, {"value": "x" * 998, "key": "kkk"}]})
    assert (answer.status_code, answer.json()["field"], answer.json()["code"]) == (
        413, "records[1]", "MESSAGE_TOO_LARGE",
    )  # fmt: skip
    assert end(http, "t") == 0
    assert (await http.post("t", b"x" * 1001)).status_code == 413
    assert (await http.post("t", b"x" * 1000)).status_code == 200


async def test_waiting_for_room(http: HttpStage) -> None:
    """While too much waits for the disk a request waits too, and is answered when there is room."""
    full = http.broker.full = asyncio.get_running_loop().create_future()
    client = Client("POST", "/topics/t/records")
    client.send(b"x", more=False)
    async with running(client, make_app(http.context)) as task:
        await turns()
        assert not task.done() and http.broker.appends == []
        full.set_result(None)
        await task
    assert client.status == 200


async def test_it_is_answered_once_it_is_durable(http: HttpStage) -> None:
    """No answer before the commit."""
    await http.post("t", {"value": 0})
    http.broker.held = True
    client = Client("POST", "/topics/t/records")
    client.send(b"x", more=False)
    async with running(client, make_app(http.context)) as task:
        await until(lambda: len(http.broker.appends) == 2)
        await turns()
        assert client.status is None
        await http.broker.commit()
        await task
    assert client.status == 200


async def test_a_slow_body(http: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that stops in the middle of a body is told so, and sent away."""
    monkeypatch.setattr(bodies, "HTTP_BODY_SILENCE_MAX_S", 0.01)
    for kind in ("application/json", "application/x-ndjson"):
        client = Client("POST", "/topics/t/records", headers={"content-type": kind})
        client.send(b'{"value"')
        await client.run(make_app(http.context))
        assert client.status == 408
        assert b"BODY_TOO_SLOW" in client.body


async def test_many_tiny_records_are_bounded(http: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three bytes of JSON take hundreds of memory: too many are refused, at best before they are decoded."""
    monkeypatch.setattr(producing, "HTTP_RECORDS_MAX", 100)
    answer = await http.post("t", {"records": [{}] * 101})
    assert (answer.status_code, answer.json()["field"]) == (400, "records")
    monkeypatch.setattr(bodies, "HTTP_OBJECTS_MAX", 50)
    assert (await http.post("t", {"records": [{}] * 51})).status_code == 400
    assert (await http.post("t", {"records": [{}] * 49})).status_code == 200
    assert end(http, "t") == 49


async def test_a_large_request_is_prepared_in_a_thread(http: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same result, and the same words for what is wrong."""
    monkeypatch.setattr(producing, "HTTP_RECORDS_AT_ONCE_MAX", 2)
    monkeypatch.setattr(records, "HTTP_RECORDS_AT_ONCE_MAX", 2)
    await http.broker.create_topic("t", format=Format.BATCH, partition_count=2)
    given = [{"value": n, "partition": n % 2} for n in range(9)]
    answer = await http.post("t", {"records": given})
    assert [(place["partition"], place["offset"]) for place in answer.json()["offsets"]] == [
        (n % 2, n // 2) for n in range(9)
    ]
    answer = await http.post("t", {"records": [*given, {"value": {"base64": "?"}}]})
    assert (answer.status_code, answer.json()["field"]) == (400, "records[9].value.base64")
    answer = await http.post("t", {"records": [*given, {"value": "x" * (1 << 20) + "x"}]})
    assert (answer.status_code, answer.json()["field"]) == (413, "records[9]")
