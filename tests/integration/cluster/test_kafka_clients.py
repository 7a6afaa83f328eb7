"""A Kafka client that knows both brokers of a cluster, across a takeover."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from tests.integration.broker import BrokerProcess
from tests.integration.cluster.processes import Etcd, free_ports


class Pair:
    """Two brokers on ports that are known beforehand; whichever dies is started again."""

    def __init__(self, etcd: Etcd, path: Path, stack: ExitStack) -> None:
        self._flags = (f"--cluster=etcd://{etcd.address}/{uuid4().hex}", f"--objects=file://{path}/objects")
        self._path = path
        self._stack = stack
        self.ports = free_ports(2)
        self.brokers = [self._start(port) for port in self.ports]
        self.servers = ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def _start(self, port: int) -> BrokerProcess:
        broker = BrokerProcess(self._path / "unused", *self._flags, f"--port={port}", await_ready=False)
        self._stack.callback(broker.kill)
        return broker

    def leader(self) -> int:
        """Which of them listens."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for number, port in enumerate(self.ports):
                with socket.socket() as client:
                    if client.connect_ex(("127.0.0.1", port)) == 0:
                        return number
            time.sleep(0.05)
        pytest.fail("nobody leads")

    def kill_leader(self) -> None:
        """kill -9; a supervisor starts it again, to stand by."""
        number = self.leader()
        self.brokers[number].kill()
        self.brokers[number] = self._start(self.ports[number])


@pytest.fixture
def pair(etcd: Etcd, tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(etcd, tmp_path, stack)


@contextmanager
def producing(servers: str, topic: str) -> Iterator[list[int]]:
    """An idempotent producer, at work in a thread; the list is what it was told is stored, in this order."""
    acknowledged: list[int] = []
    over = threading.Event()
    producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, "message.timeout.ms": 60_000})

    def told(error: object, message: object) -> None:
        assert error is None, error
        acknowledged.append(int(message.key()))  # type: ignore[attr-defined]

    def run() -> None:
        number = 0
        while not over.is_set():
            producer.produce(topic, key=b"%d" % number, value=b"x" * 100, partition=0, on_delivery=told)
            number += 1
            producer.poll(0.002)
        producer.flush(60)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield acknowledged
    finally:
        over.set()
        thread.join()


def await_more(numbers: list[int], count: int, timeout_s: float = 30) -> None:
    wanted, deadline = len(numbers) + count, time.monotonic() + timeout_s
    while len(numbers) < wanted:
        assert time.monotonic() < deadline, "nothing comes any more"
        time.sleep(0.02)


def consume(servers: str, topic: str, count: int) -> list[int]:
    """The first `count` keys of the partition, in order."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": uuid4().hex, "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: list[int] = []
        deadline = time.monotonic() + 30
        while len(found) < count and time.monotonic() < deadline:
            found += [int(one.key()) for one in consumer.consume(1000, 0.5) if one.error() is None]
        return found
    finally:
        consumer.close()


def test_an_idempotent_producer_loses_and_doubles_nothing(pair: Pair) -> None:
    """kill -9 of the leader while it produces: every record once, in order, under both leaders."""
    pair.leader()
    with producing(pair.servers, "t") as acknowledged:
        await_more(acknowledged, 300)
        pair.kill_leader()
        await_more(acknowledged, 300)
    assert acknowledged == list(range(len(acknowledged)))
    assert consume(pair.servers, "t", len(acknowledged)) == acknowledged


def test_a_group_goes_on_where_it_had_committed(pair: Pair) -> None:
    """kill -9 of the leader between its commits: nothing is left out, and what was committed does not come again."""
    pair.leader()
    with producing(pair.servers, "t") as acknowledged:
        await_more(acknowledged, 200)
    settings = {"bootstrap.servers": pair.servers, "group.id": "g", "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, "enable.auto.commit": False, "session.timeout.ms": 10_000})
    consumer.subscribe(["t"])
    read: list[int] = []
    deadline = time.monotonic() + 45
    while len(read) < len(acknowledged):
        assert time.monotonic() < deadline, f"{len(read)} of {len(acknowledged)} were read"
        messages = [one for one in consumer.consume(50, 0.5) if one.error() is None]
        read += [int(one.key()) for one in messages]
        if messages and len(read) <= 100:
            consumer.commit(asynchronous=False)
            if len(read) > 50:
                pair.kill_leader()
    committed = consumer.committed([TopicPartition("t", 0)], timeout=20)[0].offset
    consumer.close()
    assert read == acknowledged
    assert 50 < committed <= 100
    with consuming_again(settings) as again:
        assert again == acknowledged[committed]


@contextmanager
def consuming_again(settings: dict[str, str]) -> Iterator[int]:
    """The first record that another member of the group gets."""
    consumer = Consumer({**settings, "enable.auto.commit": False})
    consumer.subscribe(["t"])
    deadline = time.monotonic() + 30
    try:
        while (message := consumer.poll(0.5)) is None or message.error() is not None:
            assert time.monotonic() < deadline
        yield int(message.key())
    finally:
        consumer.close()
