"""Two brokers of a cluster as people run them: one leads, the other stands by; whatever becomes of the first."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.cluster.processes import Etcd

from logmq.server.engines import EXIT_TAKEN_OVER

Start = Callable[[], BrokerProcess]


@pytest.fixture
def start(etcd: Etcd, tmp_path: Path) -> Iterator[Start]:
    """Starts a broker of the test's own cluster, which need not be ready yet."""
    name = uuid4().hex
    with ExitStack() as stack:

        def begin() -> BrokerProcess:
            flags = (f"--cluster=etcd://{etcd.address}/{name}", f"--objects=file://{tmp_path}/objects")
            broker = BrokerProcess(tmp_path / "unused", *flags, await_ready=False)
            stack.callback(broker.kill)
            return broker

        yield begin


class Writer:
    """Produces numbers, one at a time, and remembers which were acknowledged, wherever the leader is."""

    def __init__(self) -> None:
        self.acknowledged: dict[int, bytes] = {}
        self.broker: BrokerProcess | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._over.is_set():
            broker = self.broker
            if broker is None:
                time.sleep(0.01)
                continue
            number += 1
            payload = b"%d" % number
            try:
                with broker.client(timeout_s=3) as client:
                    answer = client.ask(b"PRODUCE numbers " + payload)
            except (OSError, EOFError, AssertionError):
                continue
            if answer.startswith(b"OK "):
                self.acknowledged[int(answer[3:])] = payload

    def await_count(self, count: int) -> None:
        """Wait until so many are acknowledged."""
        wanted = len(self.acknowledged) + count
        deadline = time.monotonic() + 30
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, "nothing is acknowledged any more"
            time.sleep(0.01)

    def audit(self, broker: BrokerProcess) -> None:
        """Every acknowledged number is at its offset."""
        assert self.acknowledged
        offsets = sorted(self.acknowledged)
        answers = broker.ask(*(b"CONSUME numbers %d" % offset for offset in offsets))
        for offset, answer in zip(offsets, answers, strict=True):
            payload = self.acknowledged[offset]
            assert answer == b"MESSAGE %d %d %b" % (offset, len(payload), payload)


def test_a_killed_leader_is_taken_over(start: Start) -> None:
    """kill -9 under load: the other broker serves all that was acknowledged, after its lease has ended."""
    first = start()
    first.await_ready()
    second = start()
    second.output.wait_for("standing by")
    with Writer() as writer:
        writer.broker = first
        writer.await_count(30)
        first.kill()
        writer.broker = None
        second.await_ready()
        writer.broker = second
        writer.await_count(30)
    writer.audit(second)


def test_a_frozen_leader_finds_that_it_is_none_any_more(start: Start) -> None:
    """SIGSTOP for longer than its lease: it acknowledges nothing afterwards, and ends with a code of its own."""
    first = start()
    first.await_ready()
    second = start()
    second.output.wait_for("standing by")
    with Writer() as writer:
        writer.broker = first
        writer.await_count(10)
        with first.client(timeout_s=60) as frozen:
            first.signal(signal.SIGSTOP)
            writer.broker = None
            frozen.send(b"PRODUCE numbers from-the-dead\n")
            second.await_ready()
            writer.broker = second
            writer.await_count(10)
            first.signal(signal.SIGCONT)
            assert first.wait() == EXIT_TAKEN_OVER
        writer.await_count(10)
    writer.audit(second)
    assert "leads no longer" in first.output.text


def test_a_stopped_leader_hands_over_at_once(start: Start) -> None:
    """SIGTERM: its key goes with it, so that nobody waits for a lease; the next one reads a checkpoint."""
    first = start()
    first.await_ready()
    assert first.ask(b"PRODUCE t hello", b"COMMIT g t 9")[0] == b"OK 0"
    second = start()
    second.output.wait_for("standing by")
    first.stop()
    stopped = time.monotonic()
    second.await_ready()
    assert time.monotonic() - stopped < 5, "less than a lease"
    answers = second.ask(b"CONSUME t 0", b"COMMITTED g t", b"PRODUCE t again")
    assert answers == [b"MESSAGE 0 5 hello", b"OFFSET 9", b"OK 9"]
    assert "0 commits since the checkpoint" in second.output.text


def test_a_broker_that_stands_by_stops_when_asked(start: Start) -> None:
    """With exit code 0."""
    first = start()
    first.await_ready()
    second = start()
    second.output.wait_for("standing by")
    second.stop()


def test_a_cluster_needs_both_services(tmp_path: Path) -> None:
    """One alone is a mistake that is explained."""
    broker = BrokerProcess(tmp_path / "data", f"--objects=file://{tmp_path}/objects", await_ready=False)
    assert broker.wait() == 2 or "both --cluster etcd://... and --objects s3://..." in broker.output.text
    assert "both --cluster" in broker.output.text
