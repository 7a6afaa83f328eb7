"""Groups over HTTP with a real Kafka consumer as their member, by both protocols of groups."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.integration.broker import BrokerProcess

confluent_kafka = pytest.importorskip("confluent_kafka")

COUNT = 20
PLAIN_SIZE = 4 + len(b"value-00")
"""Bytes that a message takes in a plain topic."""


@pytest.fixture
def http(broker: BrokerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{broker.port}") as client:
        yield client


@pytest.fixture(params=["classic", "consumer"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def start_consumer(broker: BrokerProcess, group: str, protocol: str, *topics: str) -> Any:
    """A consumer that commits only when it is told to."""
    settings = {
        "bootstrap.servers": f"127.0.0.1:{broker.port}", "group.id": group, "group.protocol": protocol,
        "enable.auto.commit": False, "auto.offset.reset": "earliest", "client.id": "reader",
    }  # fmt: skip
    consumer = confluent_kafka.Consumer(settings)
    consumer.subscribe(list(topics))
    return consumer


def read(consumer: Any, count: int) -> list[tuple[str, int, bytes]]:
    """So many messages."""
    found: list[tuple[str, int, bytes]] = []
    deadline = time.monotonic() + 30
    while len(found) < count and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            found.append((message.topic(), message.offset(), message.value()))
    assert len(found) == count
    return found


def test_lag_and_reset_of_a_group_with_a_real_member(
    broker: BrokerProcess, http: httpx.Client, topic: bytes, protocol: str
) -> None:
    """A member's partitions and lag are shown, in records and in bytes; it is reset once its member has left."""
    group, batch, plain = f"group-{topic.decode()}", f"batch-{topic.decode()}", f"plain-{topic.decode()}"
    values = [f"value-{number:02}" for number in range(COUNT)]
    assert (
        http.post(f"/topics/{batch}/records", json={"records": [{"value": each} for each in values]}).status_code == 200
    )
    broker.ask(*(f"PRODUCE {plain} {each}".encode() for each in values))

    consumer = start_consumer(broker, group, protocol, batch, plain)
    found = read(consumer, 2 * COUNT)
    assert sorted(value for _, _, value in found) == sorted(each.encode() for each in values * 2)
    at = [confluent_kafka.TopicPartition(batch, 0, 15), confluent_kafka.TopicPartition(plain, 0, 10 * PLAIN_SIZE)]
    consumer.commit(offsets=at, asynchronous=False)

    shown = http.get(f"/groups/{group}").json()
    (member,) = shown["members"]
    assert (shown["type"], shown["state"], member["client_id"]) == (protocol, "Stable", "reader")
    assert member["client_host"] == "127.0.0.1"
    assert member["partitions"] == [{"topic": batch, "partition": 0}, {"topic": plain, "partition": 0}]
    assert [(each["topic"], each["offset"], each["lag"], each["offset_unit"]) for each in shown["offsets"]] == [
        (batch, 15, 5, "records"), (plain, 10 * PLAIN_SIZE, 10 * PLAIN_SIZE, "bytes"),
    ]  # fmt: skip
    assert {each["member_id"] for each in shown["offsets"]} == {member["member_id"]}

    reset = {"topic": plain, "to": "earliest"}
    answer = http.post(f"/groups/{group}/reset", json=reset)
    assert (answer.status_code, answer.json()["code"]) == (409, "GROUP_HAS_MEMBERS")
    consumer.close()
    answer = http.post(f"/groups/{group}/reset", json=reset)
    assert answer.json() == {"offsets": [{"topic": plain, "partition": 0, "from": 10 * PLAIN_SIZE, "to": 0}]}

    again = start_consumer(broker, group, protocol, batch, plain)
    found = read(again, COUNT + 5)
    assert sorted(offset for name, offset, _ in found if name == plain) == [PLAIN_SIZE * n for n in range(COUNT)]
    assert sorted(offset for name, offset, _ in found if name == batch) == list(range(15, COUNT))
    again.close()
    assert http.delete(f"/groups/{group}").status_code == 204
    assert group not in [each["group"] for each in http.get("/groups").json()["groups"]]
