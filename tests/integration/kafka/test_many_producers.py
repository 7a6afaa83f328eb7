"""Fifty producers at once, each with connections of its own."""

from __future__ import annotations

from collections import defaultdict

import pytest
from tests.integration.kafka.clients import Client
from tests.integration.kafka.driver import Driver

PRODUCERS = 50
EACH = 200


@pytest.mark.long
def test_fifty_producers_at_once(client_kind: Client, kafka: Driver, topic_name: str) -> None:
    """All messages of all producers arrive, each producer's in its order."""
    client_kind.skip_without("live-producer")
    sent = kafka.ask("produce_concurrently", topic=topic_name, producers=PRODUCERS, count=EACH)
    assert sent == PRODUCERS * EACH
    found: dict[int, list[int]] = defaultdict(list)
    for message in kafka.consume(topic_name, PRODUCERS * EACH):
        producer, number = (message.value or b"").split(b":")
        found[int(producer)].append(int(number))
    assert found == {producer: list(range(EACH)) for producer in range(PRODUCERS)}
