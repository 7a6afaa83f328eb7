"""Groups over HTTP: what they have committed, how far they are behind, and moving them; on the real broker."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import pytest
from tests.unit.protocols.http.http_session import HttpStage

from logmq.broker.groups.consumer_member import ConsumerHeartbeat
from logmq.broker.groups.subscription import assigned_partitions
from logmq.model import Format, TopicPartition
from logmq.protocols.http.records import NewRecord, produce

PARTITION = "partition"


def at(partition: int, offset: int, topic: str = "orders") -> dict[str, Any]:
    """A place in a topic."""
    return {"topic": topic, "partition": partition, "offset": offset}


async def produced(
    http: HttpStage, topic: str, count: int, *, format: Format = Format.BATCH, partitions: int = 1
) -> None:
    """A topic with so many records in each partition, all of them `x`."""
    await http.broker.broker.create_topic(topic, format=format, partition_count=partitions)
    for partition in range(partitions):
        records = [NewRecord(value=msgspec.Raw(b'"x"'), partition=partition) for _ in range(count)]
        await produce(http.context, topic, records)


async def joined(http: HttpStage, group: str, topic: str) -> None:
    """A member of a consumer group (KIP-848) reads the topic."""
    beat = ConsumerHeartbeat(
        "m1",
        0,
        client_id="app",
        client_host="/10.0.0.1",
        rebalance_timeout_ms=1000,
        topics=frozenset({topic}),
        owned=frozenset(),
    )
    assert (await http.broker.broker.groups.consumer_heartbeat(group, beat)).refusal is None


async def left(http: HttpStage, group: str) -> None:
    """That member leaves."""
    assert (await http.broker.broker.groups.consumer_heartbeat(group, ConsumerHeartbeat("m1", -1))).refusal is None


async def committed(http: HttpStage, group: str) -> list[tuple[str, int, int]]:
    """What a group has committed."""
    offsets = (await http.client.get(f"/groups/{group}/offsets")).json()["offsets"]
    return [(each["topic"], each["partition"], each["offset"]) for each in offsets]


async def test_offsets_that_are_set_are_read_back_with_their_lag(http: HttpStage) -> None:
    """A batch topic's lag counts records, a plain one's bytes; the list adds them up."""
    await produced(http, "orders", 10)
    await produced(http, "lines", 10, format=Format.PLAIN)
    body = {"offsets": [at(0, 4), {"topic": "lines", "partition": 0, "offset": 15}]}
    answer = await http.client.put("/groups/billing/offsets", json=body)
    assert answer.status_code == 200
    by_topic = {each["topic"]: each for each in answer.json()["offsets"]}
    assert (by_topic["orders"]["lag"], by_topic["orders"]["offset_unit"]) == (6, "records")
    assert (by_topic["lines"]["lag"], by_topic["lines"]["offset_unit"]) == (35, "bytes")
    assert (await http.client.get("/groups/billing/offsets")).json()["offsets"] == answer.json()["offsets"]
    (line,) = (await http.client.get("/groups")).json()["groups"]
    assert line == {
        "group": "billing", "type": "classic", "state": "Empty", "member_count": 0, "topic_count": 2, "lag": 41,
    }  # fmt: skip


async def test_what_is_not_kept_any_more_is_no_lag(http: HttpStage) -> None:
    """A group that stands before the log's start is behind by what it can still read."""
    await produced(http, "orders", 10)
    await http.client.put("/groups/g/offsets", json={"offsets": [at(0, 2)]})
    await http.broker.broker.trim(TopicPartition("orders", 0), 7)
    (offset,) = (await http.client.get("/groups/g")).json()["offsets"]
    assert (offset["log_start_offset"], offset["lag"]) == (7, 3)


async def test_a_group_is_described_with_who_reads_what(http: HttpStage) -> None:
    """Partitions that a member reads are there before anything was committed for them, then with their offset."""
    await produced(http, "orders", 3, partitions=2)
    await joined(http, "app", "orders")
    group = (await http.client.get("/groups/app")).json()
    (member,) = group["members"]
    assert (group["type"], group["state"], group["protocol"], group["coordinator"]) == (
        "consumer", "Stable", "uniform", "localhost:0",
    )  # fmt: skip
    assert (member["client_id"], member["client_host"]) == ("app", "10.0.0.1")
    assert member["partitions"] == [{"topic": "orders", "partition": 0}, {"topic": "orders", "partition": 1}]
    assert [(each["offset"], each["lag"], each["member_id"]) for each in group["offsets"]] == [(None, None, "m1")] * 2
    assert await committed(http, "app") == []


async def test_while_it_has_members_a_group_cannot_be_moved(http: HttpStage) -> None:
    """Setting, resetting, trying a reset, forgetting and deleting get a 409, and work when they have left."""
    await produced(http, "orders", 3)
    await http.client.put("/groups/app/offsets", json={"offsets": [at(0, 1)]})
    await joined(http, "app", "orders")
    requests: list[tuple[str, str, Any, int]] = [
        ("PUT", "/groups/app/offsets", {"offsets": [at(0, 2)]}, 200),
        ("POST", "/groups/app/reset", {"topic": "orders", "to": "latest", "dry_run": True}, 200),
        ("POST", "/groups/app/reset", {"topic": "orders", "to": "latest"}, 200),
        ("DELETE", "/groups/app/offsets?topic=orders", None, 204),
    ]
    for method, path, body, _ in [*requests, ("DELETE", "/groups/app", None, 0)]:
        answer = await http.client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "GROUP_HAS_MEMBERS"), (method, path)
    assert await committed(http, "app") == [("orders", 0, 1)]
    await left(http, "app")
    for method, path, body, status in requests:
        assert (await http.client.request(method, path, json=body)).status_code == status, (method, path)
    await http.client.put("/groups/app/offsets", json={"offsets": [at(0, 1)]})
    assert (await http.client.delete("/groups/app")).status_code == 204
    assert (await http.client.get("/groups/app")).json()["code"] == "UNKNOWN_GROUP"


@pytest.mark.parametrize(
    ("to", "offset"),
    [
        ("earliest", 0),
        ("latest", 10),
        (7, 7),
        ("7", 7),
        (99, 10),
        ("-3", 7),
        ("@1700000000000", 0),
        ("2123-01-01T00:00Z", 10),
    ],
)
async def test_a_reset_takes_all_that_reading_takes(http: HttpStage, to: str | int, offset: int) -> None:
    """A number beyond the end means the end; the answer says from where to where."""
    await produced(http, "orders", 10)
    await http.client.put("/groups/g/offsets", json={"offsets": [at(0, 5)]})
    answer = await http.client.post("/groups/g/reset", json={"topic": "orders", "to": to})
    assert answer.json() == {"offsets": [{"topic": "orders", "partition": 0, "from": 5, "to": offset}]}
    assert await committed(http, "g") == [("orders", 0, offset)]


async def test_a_dry_run_moves_nothing(http: HttpStage) -> None:
    """It answers what a reset would."""
    await produced(http, "orders", 4, partitions=2)
    await http.client.put("/groups/g/offsets", json={"offsets": [at(0, 1)]})
    body = {"topic": "orders", "to": "latest", "dry_run": True}
    assert (await http.client.post("/groups/g/reset", json=body)).json()["offsets"] == [
        {"topic": "orders", "partition": 0, "from": 1, "to": 4},
        {"topic": "orders", "partition": 1, "from": None, "to": 4},
    ]
    assert await committed(http, "g") == [("orders", 0, 1)]


async def test_one_partition_is_reset_and_one_topic_forgotten(http: HttpStage) -> None:
    """Others stay as they are."""
    await produced(http, "orders", 4, partitions=2)
    await produced(http, "bills", 4)
    body = {
        "offsets": [
            {"topic": topic, "partition": index, "offset": 1}
            for topic, index in [("orders", 0), ("orders", 1), ("bills", 0)]
        ]
    }
    await http.client.put("/groups/g/offsets", json=body)
    await http.client.post("/groups/g/reset", json={"topic": "orders", "to": "latest", "partition": 1})
    assert await committed(http, "g") == [("bills", 0, 1), ("orders", 0, 1), ("orders", 1, 4)]
    await http.client.delete("/groups/g/offsets", params={"topic": "orders", "partition": 0})
    assert await committed(http, "g") == [("bills", 0, 1), ("orders", 1, 4)]
    await http.client.delete("/groups/g/offsets", params={"topic": "orders"})
    assert await committed(http, "g") == [("bills", 0, 1)]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "field"),
    [
        ("GET", "/groups/none", None, 404, "UNKNOWN_GROUP", "group"),
        ("POST", "/groups/none/reset", {"topic": "orders", "to": "latest"}, 404, "UNKNOWN_GROUP", "group"),
        ("POST", "/groups/g/reset", {"topic": "orders", "to": "soon"}, 400, "INVALID_INPUT", "to"),
        ("POST", "/groups/g/reset", {"topic": "orders", "to": -3}, 400, "INVALID_INPUT", "to"),
        ("POST", "/groups/g/reset", {"topic": "none", "to": "latest"}, 404, "UNKNOWN_TOPIC", "topic"),
        ("POST", "/groups/g/reset", {"topic": "orders", "to": 1, "partition": 9}, 404, "UNKNOWN_PARTITION", PARTITION),
        ("POST", "/groups/g/reset", {"topic": "orders", "to": 1, "dry": True}, 400, "INVALID_INPUT", "dry"),
        ("PUT", "/groups/g/offsets", {"offsets": []}, 400, "INVALID_INPUT", "offsets"),
        ("PUT", "/groups/g/offsets", {"offsets": [at(0, -1)]}, 400, "INVALID_INPUT", "offsets[0].offset"),
        ("PUT", "/groups/g/offsets", {"offsets": [at(0, 1)] * 2}, 400, "INVALID_INPUT", "offsets[1]"),
        ("PUT", f"/groups/{'g' * 250}/offsets", {"offsets": [at(0, 1)]}, 400, "INVALID_GROUP", "group"),
        ("DELETE", "/groups/g/offsets", None, 400, "INVALID_INPUT", "topic"),
        ("GET", "/groups?limit=0", None, 400, "INVALID_INPUT", "limit"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_named(
    http: HttpStage, method: str, path: str, body: Any, status: int, code: str, field: str
) -> None:
    """The problem says which input it is."""
    await produced(http, "orders", 1)
    await http.client.put("/groups/g/offsets", json={"offsets": [at(0, 1)]})
    answer = await http.client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"], answer.json().get("field")) == (status, code, field), answer.text


async def test_groups_come_page_by_page(http: HttpStage) -> None:
    """`next` leads on, `search` takes a part of the name in any letter case."""
    await produced(http, "orders", 1)
    for name in ("a1", "a2", "A3", "b"):
        await http.client.put(f"/groups/{name}/offsets", json={"offsets": [at(0, 0)]})
    page = (await http.client.get("/groups", params={"search": "a", "limit": 2})).json()
    assert ([each["group"] for each in page["groups"]], page["total"], page["next"]) == (["A3", "a1"], 3, "a1")
    page = (await http.client.get("/groups", params={"search": "a", "limit": 2, "after": "a1"})).json()
    assert ([each["group"] for each in page["groups"]], page["next"]) == (["a2"], None)


def assignment(*topics: tuple[bytes, list[int]]) -> bytes:
    """What a leader gives a member."""
    parts = [
        struct.pack(f">h{len(name)}si{len(indexes)}i", len(name), name, len(indexes), *indexes)
        for name, indexes in topics
    ]
    return struct.pack(">hi", 0, len(topics)) + b"".join(parts) + b"\xff\xff\xff\xff"


def test_an_assignment_is_read_and_nonsense_is_none() -> None:
    """Cut off anywhere, or with lengths that are not there, it names no partition and raises nothing."""
    whole = assignment((b"orders", [0, 2]), (b"bills", [1]))
    assert assigned_partitions(whole) == [("orders", 0), ("orders", 2), ("bills", 1)]
    for size in range(len(whole) - 4):
        assert assigned_partitions(whole[:size]) == []
    for nonsense in (b"\x00\x00\x7f\xff\xff\xff" * 10, struct.pack(">hihi", 0, 1, -1, -5), assignment((b"\xff", [1]))):
        assert assigned_partitions(nonsense) == []
