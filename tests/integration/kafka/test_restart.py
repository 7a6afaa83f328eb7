"""Clients outlive their broker: it stops, is killed and starts again on its port, and they go on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.kafka.clients import Client
from tests.integration.kafka.driver import Driver, until
from tests.integration.kafka.message import Message

MANY = 20_000


class Restartable:
    """A broker that can be started again on its port."""

    def __init__(self, data_dir: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._data_dir = data_dir
        self.process = self.start()

    def start(self) -> BrokerProcess:
        """Start it on the same files and port."""
        self.process = BrokerProcess(self._data_dir, f"--port={self.port}")
        return self.process


@pytest.fixture
def restartable(tmp_path: Path) -> Iterator[Restartable]:
    """A broker of this test's own."""
    broker = Restartable(tmp_path / "data")
    yield broker
    if broker.process.is_running():
        broker.process.stop()


@pytest.fixture
def driver(client_kind: Client, restartable: Restartable) -> Iterator[Driver]:
    """A driver connected to it."""
    with client_kind.start(restartable.port) as driver:
        yield driver


def test_producers_and_members_go_on_after_a_restart(
    client_kind: Client, restartable: Restartable, driver: Driver
) -> None:
    """A producer and a member of a group that were connected go on by themselves, and no message is lost."""
    client_kind.skip_without("live-producer")
    driver.produce("orders", [Message(b"%d" % number) for number in range(10)])
    with client_kind.start(restartable.port) as member:
        member.join("readers", "orders")
        until(lambda: len(member.received()) == 10)
        restartable.process.stop()
        restartable.start()
        driver.produce("orders", [Message(b"%d" % number) for number in range(10, 20)])
        until(lambda: len({message.offset for message in member.received()}) == 20)
        assert {int(message.value or b"-1") for message in member.received()} == set(range(20))


def test_an_idempotent_producer_across_a_killed_broker(
    client_kind: Client, restartable: Restartable, driver: Driver
) -> None:
    """The broker is killed in the middle of a stream: after it is back each message is there once, in order."""
    client_kind.skip_without("live-producer")
    driver.produce("orders", [Message(b"0")], idempotent=True)
    log = restartable.process.data_dir / "orders.log"
    done = driver.begin_produce(
        "orders", [Message(b"%d" % number + b" " * 100) for number in range(1, MANY)], idempotent=True
    )
    until(lambda: log.stat().st_size > 200_000)
    restartable.process.kill()
    restartable.start()
    done()
    found = driver.consume("orders", MANY)
    assert [int(message.value or b"-1") for message in found] == list(range(MANY))
    assert driver.offset_at("orders", -1) == MANY


def test_committed_offsets_survive_a_kill(client_kind: Client, restartable: Restartable, driver: Driver) -> None:
    """What a group committed is where its next member begins, though the broker was killed in between."""
    driver.produce("orders", [Message(b"%d" % number) for number in range(10)])
    with client_kind.start(restartable.port) as member:
        member.join("readers", "orders")
        until(lambda: len(member.received()) == 10)
        member.leave()
    restartable.process.kill()
    restartable.start()
    driver.produce("orders", [Message(b"%d" % number) for number in range(10, 20)])
    with client_kind.start(restartable.port) as member:
        member.join("readers", "orders")
        until(lambda: len(member.received()) == 10)
        assert [message.offset for message in member.received()] == list(range(10, 20))
