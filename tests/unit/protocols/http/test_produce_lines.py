"""POST /topics/{topic}/records with lines of JSON: any number of them, in bounded memory."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.protocols.http.http_session import Client, HttpStage, http_stage, running
from tests.unit.protocols.kafka.kafka_session import turns, until

from logmq.model import Format, TopicPartition
from logmq.protocols.http import slices
from logmq.protocols.http.app import make_app

LINES = {"content-type": "application/x-ndjson"}


def values(answer: dict[str, Any]) -> list[Any]:
    return [record["value"] for record in answer["records"]]


async def test_lines_of_any_number(http: HttpStage) -> None:
    """Line ends of both kinds, empty lines, no line end behind the last; the answer says where they went."""
    answer = await http.post("t", b'{"value": 1}\r\n\n{"value": "two"}\n  \n{"value": null, "key": "k"}', headers=LINES)
    assert answer.json() == {
        "count": 3,
        "partitions": [{"partition": 0, "first_offset": 0, "last_offset": 2, "count": 3}],
    }
    assert values(await http.read("t")) == ["1", "two", None]


@pytest.mark.parametrize("piece_size", [1, 7, 1000])
async def test_lines_however_they_are_cut(http: HttpStage, piece_size: int) -> None:
    """Pieces of a body need not end where lines do, nor where characters do."""
    body = "".join(f'{{"value": "{n} ü😀"}}\n' for n in range(50)).encode()
    client = Client("POST", "/topics/t/records", headers=LINES)
    for start in range(0, len(body), piece_size):
        client.send(body[start : start + piece_size])
    client.send(b"", more=False)
    await client.run(make_app(http.context))
    assert client.status == 200
    assert values(await http.read("t")) == [f"{n} ü😀" for n in range(50)]


async def test_lines_over_several_partitions_and_slices(http: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slice is one append; keys decide, lines without one stay in one partition for the whole request."""
    monkeypatch.setattr(slices, "HTTP_SLICE_SIZE", 1000)
    await http.broker.create_topic("t", format=Format.BATCH, partition_count=3)
    client = Client("POST", "/topics/t/records", headers=LINES)
    async with running(client, make_app(http.context)) as task:
        for number in range(100):
            key = "" if number % 2 else f', "key": "{number}"'
            client.send(f'{{"value": {number}{key}}}\n'.encode() * 10)
            await turns(5)
        client.send(b"", more=False)
        await task
    assert len(http.broker.appends) > 10
    answer = json.loads(client.body)
    assert answer["count"] == 1000
    assert sorted(part["count"] for part in answer["partitions"])[-1] > 500
    for part in answer["partitions"]:
        assert (part["first_offset"], part["last_offset"]) == (0, part["count"] - 1)


async def test_a_slice_is_read_while_one_is_committed(http: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A held commit holds back the next append and, from a slice on, reading; memory stays bounded."""
    monkeypatch.setattr(slices, "HTTP_SLICE_SIZE", 1000)
    http.broker.held = True
    client = Client("POST", "/topics/t/records", headers=LINES)
    async with running(client, make_app(http.context)) as task:
        line = b'{"value": "%s"}\n' % (b"x" * 90)
        client.send(line)
        await until(lambda: len(http.broker.appends) == 1)
        for _ in range(100):
            client.send(line)
        client.send(b"", more=False)
        await turns(50)
        assert len(http.broker.appends) == 1
        assert not client.taken  # 20 lines or so were taken, the rest waits where it came from
        http.broker.held = False
        await http.broker.commit()
        await task
    assert json.loads(client.body)["count"] == 101
    assert len(values(await http.read("t", count=1000))) == 101


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b'{"value": }', "records[3]"),
        (b"[1]", "records[3]"),
        (b'{"value": 1, "partition": "x"}', "records[3].partition"),
        (b'{"value": 1, "partition": 5}', "records[3].partition"),
        (b'{"value": {"base64": "?"}}', "records[3].value.base64"),
        (b'{"value": "\\ud800"}', "records[3]"),
        (b'{"value": "\xff"}', "records[3]"),
        (b'{"value":\n1}', "records[3]"),
        (b'{"value": 1}{"value": 2}', "records[3]"),
        (b'{"value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "records[3]"),
    ],
)
async def test_a_wrong_line_ends_the_request(http: HttpStage, line: bytes, field: str) -> None:
    """What came before its slice is stored, and the problem says how much that is; what follows is not looked at."""
    client = Client("POST", "/topics/t/records", headers=LINES)
    async with running(client, make_app(http.context)) as task:
        client.send(b'{"value": 0}\n{"value": 1}\n')
        await until(lambda: len(http.broker.appends) == 1)
        client.send(b'{"value": 2}\n' + line + b'\n{"value": 4}\n')
        await task
    problem = json.loads(client.body)
    assert (client.status, problem.get("field"), problem["stored"]) == (
        404 if problem["code"] == "UNKNOWN_PARTITION" else 400, field, 2,
    )  # fmt: skip
    assert values(await http.read("t")) == ["0", "1"]


async def test_a_line_over_the_limit_of_a_body(tmp_path: Any) -> None:
    """Lines may go on without end, one of them may not."""
    async with http_stage(tmp_path / "data", http_body_size_max_bytes=1000) as http:
        assert (await http.post("t", b'{"value": 1}\n' * 1000, headers=LINES)).json()["count"] == 1000
        client = Client("POST", "/topics/t/records", headers=LINES)
        client.send(b'{"value": 1}\n{"value": "' + b"x" * 1000)
        await client.run(make_app(http.context))
        assert (client.status, json.loads(client.body)["stored"]) == (413, 1)


async def test_a_client_that_goes_in_the_middle(http: HttpStage, caplog: pytest.LogCaptureFixture) -> None:
    """The lines that came whole are stored, the beginning of another is not, and nobody is told of an accident."""
    client = Client("POST", "/topics/t/records", headers=LINES)
    client.send(b'{"value": 1}\n{"value": 2}\n{"value": 3}')
    client.go()
    await client.run(make_app(http.context))
    assert values(await http.read("t")) == ["1", "2"]
    assert not caplog.records
    whole = Client("POST", "/topics/t/records", headers={"content-type": "application/json"})
    whole.send(b'{"value": 4}')
    whole.go()
    await whole.run(make_app(http.context))
    assert http.broker.bounds(TopicPartition("t", 0)).high_watermark == 2


async def test_no_lines_are_no_records(http: HttpStage) -> None:
    """A body without records is a mistake, not a success."""
    for body in (b"", b"\n\n"):
        assert (await http.post("t", body, headers=LINES)).status_code == 400
