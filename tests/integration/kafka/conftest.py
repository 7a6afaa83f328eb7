"""A broker for each file of scenarios, and each client in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.kafka.clients import Client, every_client
from tests.integration.kafka.driver import Driver


@pytest.fixture(scope="module", params=every_client())
def client_kind(request: pytest.FixtureRequest) -> Client:
    """A client library that is installed here."""
    kind: Client = request.param
    reason = kind.missing()
    if reason is not None:
        pytest.skip(reason)
    return kind


@pytest.fixture(scope="module")
def kafka(client_kind: Client, broker: BrokerProcess) -> Iterator[Driver]:
    """One driver of that library, connected to the file's broker."""
    with client_kind.start(broker.port) as driver:
        yield driver


@pytest.fixture
def topic_name(topic: bytes) -> str:
    """A topic that no other test uses, as Kafka clients take it."""
    return topic.decode()


@pytest.fixture
def start(client_kind: Client, broker: BrokerProcess) -> Iterator[Callable[[], Driver]]:
    """Starts further drivers of that library; they end with the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(client_kind.start(broker.port))
