"""Admin clients: topics come, change and go; groups are listed, described and deleted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.kafka.clients import Client
from tests.integration.kafka.driver import EARLIEST, ClientError, Driver, until
from tests.integration.kafka.message import Message


@pytest.fixture(autouse=True)
def _only_admins(client_kind: Client) -> None:
    client_kind.skip_without("admin")


def create(kafka: Driver, topic: str, partitions: int, *, validate_only: bool = False, **config: str) -> None:
    """Create a topic; settings with underscores for dots."""
    named = {name.replace("_", "."): value for name, value in config.items()}
    kafka.ask("create_topic", topic=topic, partitions=partitions, config=named, validate_only=validate_only)


def test_a_topic_comes_changes_and_goes(kafka: Driver, topic_name: str) -> None:
    """Created with partitions and settings, seen so; altered; given more partitions; deleted."""
    create(kafka, topic_name, 3, retention_ms="86400000", cleanup_policy="delete")
    assert kafka.ask("partition_count", topic=topic_name) == 3
    config = kafka.ask("topic_config", topic=topic_name)
    assert (config["retention.ms"], config["cleanup.policy"]) == ("86400000", "delete")
    assert int(config["max.message.bytes"]) > 1_000_000
    kafka.ask("alter_topic", topic=topic_name, name="retention.ms", value="3600000")
    assert kafka.ask("topic_config", topic=topic_name)["retention.ms"] == "3600000"
    kafka.ask("add_partitions", topic=topic_name, partitions=5)
    until(lambda: kafka.ask("partition_count", topic=topic_name) == 5)
    kafka.ask("delete_topic", topic=topic_name)
    until(lambda: kafka.ask("partition_count", topic=topic_name) == 0)


def test_validate_only_creates_nothing(kafka: Driver, topic_name: str) -> None:
    """A creation that is only tried leaves no topic."""
    create(kafka, topic_name, 3, validate_only=True)
    assert kafka.ask("partition_count", topic=topic_name) == 0


def test_creating_twice_and_wrongly_is_refused(kafka: Driver, topic_name: str) -> None:
    """The second creation, an illegal name, and a setting that does not exist each fail with a reason."""
    create(kafka, topic_name, 1)
    with pytest.raises(ClientError, match=r"(?i)exists"):
        create(kafka, topic_name, 1)
    with pytest.raises(
        ClientError, match=r"(?i)invalid|not a topic name|attempted to perform an operation on an invalid"
    ):
        create(kafka, "no/such/name", 1)
    with pytest.raises(ClientError, match=r"(?i)config"):
        create(kafka, topic_name + "-2", 1, no_such_setting="1")


def test_records_are_deleted_up_to_an_offset(kafka: Driver, topic_name: str) -> None:
    """What lies before the offset is gone, reading from the beginning starts there."""
    create(kafka, topic_name, 1)
    kafka.produce(topic_name, [Message(b"%d" % number) for number in range(10)])
    assert kafka.ask("delete_records", topic=topic_name, partition=0, offset=6) == 6
    assert kafka.offset_at(topic_name, EARLIEST) == 6
    assert [message.value for message in kafka.consume(topic_name, 4)] == [b"6", b"7", b"8", b"9"]


def test_groups_are_listed_described_and_deleted(
    client_kind: Client, kafka: Driver, start: Callable[[], Driver], topic_name: str
) -> None:
    """A group with a member is stable, without one it is empty, its offsets are known, and it can be deleted."""
    create(kafka, topic_name, 2)
    kafka.produce(topic_name, [Message(b"m", partition=number % 2) for number in range(6)])
    member = start()
    member.join(topic_name, topic_name)
    until(lambda: len(member.received()) == 6)
    assert topic_name in kafka.ask("groups")
    assert kafka.ask("group_state", group=topic_name) == {"state": "stable", "members": 1}
    until(lambda: kafka.ask("group_offsets", group=topic_name) == {"0": 3, "1": 3})
    member.leave()
    assert kafka.ask("group_state", group=topic_name) == {"state": "empty", "members": 0}
    client_kind.skip_without("group-delete")
    kafka.ask("delete_group", group=topic_name)
    assert topic_name not in kafka.ask("groups")


def test_topics_of_both_protocols_are_listed(kafka: Driver, broker: BrokerProcess, topic_name: str) -> None:
    """A topic that nc made is a topic like any other."""
    broker.ask(f"PRODUCE {topic_name} hello".encode())
    assert kafka.ask("partition_count", topic=topic_name) == 1
