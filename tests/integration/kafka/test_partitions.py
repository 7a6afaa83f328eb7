"""Topics of twelve partitions, as a broker makes them whose default says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.kafka.driver import EARLIEST, Driver
from tests.integration.kafka.message import Message


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker whose new topics have twelve partitions."""
    with BrokerProcess(tmp_path_factory.mktemp("broker") / "data", "--partition-count=12") as broker:
        yield broker


def test_twelve_partitions(kafka: Driver, topic_name: str) -> None:
    """Each of twelve partitions has its own messages in their order, and one consumer reads them all."""
    sent = [Message(b"%d" % number, partition=number % 12) for number in range(120)]
    kafka.produce(topic_name, sent)
    found = kafka.consume(topic_name, 120, dict.fromkeys(range(12), EARLIEST))
    for partition in range(12):
        here = [message for message in found if message.partition == partition]
        assert [message.value for message in here] == [b"%d" % number for number in range(partition, 120, 12)]
        assert [message.offset for message in here] == list(range(10))
