"""A group moves from the classic protocol to KIP-848's while it reads: processes are replaced one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.kafka.clients import CLIENTS, Client
from tests.integration.kafka.driver import Driver, until
from tests.integration.kafka.test_groups import balanced, numbered, values

NEW = CLIENTS[0]
"""confluent-kafka speaks both protocols."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker whose new topics have twelve partitions, and whose members hear soon of changes."""
    flags = ["--partition-count=12", "--consumer-session-timeout-ms=6s", "--consumer-heartbeat-interval-ms=500ms"]
    with BrokerProcess(tmp_path_factory.mktemp("broker") / "data", *flags) as broker:
        yield broker


def test_members_of_any_library_are_replaced_one_by_one(
    client_kind: Client, kafka: Driver, start: Callable[[], Driver], broker: BrokerProcess, topic_name: str
) -> None:
    """Two members of the classic protocol; a new one joins and all three share; the old ones are replaced, and every
    message arrives, those of a moment of change at most twice."""
    assert NEW.missing() is None
    kafka.produce(topic_name, numbered(0, 120))
    old = [start(), start()]
    for member in old:
        member.join(topic_name, topic_name)
    until(lambda: balanced(old))
    until(lambda: set(values(old)) == set(range(120)))
    with NEW.start(broker.port) as first, NEW.start(broker.port) as second:
        first.join(topic_name, topic_name, protocol="consumer")
        until(lambda: balanced([*old, first]), timeout_s=50)
        kafka.produce(topic_name, numbered(120, 240))
        until(lambda: set(values([*old, first])) == set(range(240)))
        received: Counter[int] = Counter()
        for member in list(old):
            received |= values([member])
            old.remove(member)
            member.leave()
        second.join(topic_name, topic_name, protocol="consumer")
        until(lambda: balanced([first, second]), timeout_s=50)
        kafka.produce(topic_name, numbered(240, 360))
        until(lambda: set(received | values([first, second])) == set(range(360)))
