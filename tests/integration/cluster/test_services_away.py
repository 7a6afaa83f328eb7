"""etcd or the object store away for a while, and all brokers at once: what was acknowledged is there afterwards."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.cluster.processes import Etcd, Seaweed
from tests.integration.cluster.test_takeover import Writer

from logmq.server.engines import EXIT_TAKEN_OVER

Start = Callable[[], BrokerProcess]


@pytest.fixture
def own_etcd(tmp_path: Path) -> Iterator[Etcd]:
    with Etcd(tmp_path / "etcd") as etcd:
        yield etcd


@pytest.fixture
def start(own_etcd: Etcd, seaweed: Seaweed, tmp_path: Path) -> Iterator[Start]:
    """Starts a broker on an etcd of the test's own and on S3."""
    seaweed.await_ready()
    name = uuid4().hex
    with ExitStack() as stack:

        def begin() -> BrokerProcess:
            flags = (f"--cluster=etcd://{own_etcd.address}/{name}", f"--objects=s3://test/{name}")
            broker = BrokerProcess(tmp_path / "unused", *flags, variables=seaweed.variables, await_ready=False)
            stack.callback(broker.kill)
            return broker

        yield begin


def test_etcd_is_killed_and_comes_back(start: Start, own_etcd: Etcd) -> None:
    """On its data, within a lease: the leader goes on, and has acknowledged nothing that is gone."""
    broker = start()
    broker.await_ready()
    with Writer() as writer:
        writer.broker = broker
        writer.await_count(20)
        own_etcd.kill()
        time.sleep(1)
        own_etcd.start()
        deadline = time.monotonic() + 20
        before = len(writer.acknowledged)
        while broker.is_running() and len(writer.acknowledged) < before + 20 and time.monotonic() < deadline:
            time.sleep(0.1)
        if not broker.is_running():  # it could not know whether it still led
            assert broker.wait() == EXIT_TAKEN_OVER
            broker = start()
            broker.await_ready()
        writer.broker = broker
        writer.await_count(20)
    writer.audit(broker)


def test_the_object_store_freezes(start: Start, seaweed: Seaweed) -> None:
    """Appends wait meanwhile, and go on: the same leader, nothing lost."""
    broker = start()
    broker.await_ready()
    with Writer() as writer:
        writer.broker = broker
        writer.await_count(20)
        seaweed.signal(signal.SIGSTOP)
        try:
            time.sleep(0.5)
            before = len(writer.acknowledged)
            time.sleep(3)
            assert len(writer.acknowledged) == before, "nothing is acknowledged that is not written"
        finally:
            seaweed.signal(signal.SIGCONT)
        writer.await_count(20)
    writer.audit(broker)


def test_all_brokers_stop_and_start(start: Start) -> None:
    """Nothing was on them."""
    first = start()
    first.await_ready()
    second = start()
    second.output.wait_for("standing by")
    with Writer() as writer:
        writer.broker = first
        writer.await_count(20)
    second.stop()
    first.stop()
    third = start()
    third.await_ready()
    writer.audit(third)
    assert "0 commits since the checkpoint" in third.output.text


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_minute_of_accidents(start: Start, own_etcd: Etcd, seaweed: Seaweed) -> None:
    """kill -9 and freezes of brokers, restarts of etcd, freezes of the object store, at random."""
    random = Random(1)
    brokers = [start(), start(), start()]
    end = time.monotonic() + 75
    with Writer() as writer:
        while time.monotonic() < end:
            writer.broker = leader(brokers)
            time.sleep(random.uniform(1, 4))
            accident(random, brokers, own_etcd, seaweed)
            for number, broker in enumerate(brokers):
                if not broker.is_running():
                    brokers[number] = start()
        writer.broker = leader(brokers)
        writer.await_count(20)
        writer.broker = leader(brokers)
    assert len(writer.acknowledged) > 100
    writer.audit(leader(brokers))


def leader(brokers: list[BrokerProcess]) -> BrokerProcess:
    """The one that listens and answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for broker in brokers:
            if broker.is_running() and "ready on" in broker.output.text:
                try:
                    with broker.client(timeout_s=2) as client:
                        if client.ask(b"PRODUCE probe x").startswith(b"OK"):
                            return broker
                except (OSError, EOFError, AssertionError):
                    pass
        time.sleep(0.1)
    pytest.fail("nobody leads")


def accident(random: Random, brokers: list[BrokerProcess], etcd: Etcd, seaweed: Seaweed) -> None:
    kind = random.choice(["kill", "kill", "freeze", "etcd", "objects"])
    victim = random.choice(brokers)
    print(f"accident: {kind}")
    if kind == "kill":
        victim.kill()
    elif kind == "freeze":
        victim.signal(signal.SIGSTOP)
        time.sleep(random.choice([2, 9]))
        victim.signal(signal.SIGCONT)
    elif kind == "etcd":
        etcd.kill()
        time.sleep(random.choice([0.5, 4]))
        etcd.start()
    else:
        seaweed.signal(signal.SIGSTOP)
        time.sleep(random.choice([1, 5]))
        seaweed.signal(signal.SIGCONT)
