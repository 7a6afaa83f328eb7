"""kill -9 at random moments under load, over and over on one growing data directory.

After each restart: every acknowledged message is at its offset, each client's order is kept, nothing is there that was
not sent, nothing that a reader was shown is gone, the files are exactly frames. That holds in every sync mode, because
an acknowledgement comes after the write and the page cache outlives the process.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from tests.faults.ledger import Ledger
from tests.faults.load import Committer, Follower, Peer, Sender, drive, take_the_last
from tests.integration.broker import BrokerProcess, logmq

TOPICS = ["a", "b", "c"]
SYNC_MODES = ["always", "20ms", "always", "never"]
FLAGS = ["--segment-size-bytes=1MiB", "--checkpoint-interval-ms=1s", "--journal-file-size-bytes=8MiB"]
CLIENT_COUNT = 6


class Campaign:
    """A data directory, what clients were told about it, and rounds of load that end with kill -9."""

    def __init__(self, data_dir: Path, seed: int) -> None:
        self._data_dir = data_dir
        self._rng = Random(seed)
        self._ledger = Ledger()
        self._followers: Sequence[Follower] = ()
        self._topics: list[str] = []
        self._committer: Committer | None = None
        self.interrupted_starts = 0

    @property
    def message_count(self) -> int:
        """How many messages were acknowledged."""
        return self._ledger.message_count

    def run(self, round_count: int) -> None:
        """Play the rounds, then check everything from the beginning, also with `logmq verify`."""
        for round in range(round_count):
            if self._rng.random() < 0.25:
                self._interrupt_a_start()
            mode = SYNC_MODES[round % len(SYNC_MODES)]
            with BrokerProcess(self._data_dir, f"--sync={mode}", *FLAGS) as broker:
                if round == 0:
                    assert broker.ask(*[b"CREATE %b" % topic.encode() for topic in TOPICS]) == [b"OK"] * len(TOPICS)
                self._check(broker)
                self._load(broker, round)
        with BrokerProcess(self._data_dir) as broker:
            self._check(broker)
        self._ledger.check_all(self._data_dir)
        code, words = logmq("verify", "--data-dir", str(self._data_dir))
        assert code == 0, words

    def _interrupt_a_start(self) -> None:
        """Kill a broker while it recovers, or soon before or after."""
        broker = BrokerProcess(self._data_dir, *FLAGS, await_ready=False)
        try:
            broker.wait(self._rng.uniform(0.15, 0.5))
        except TimeoutError:
            self.interrupted_starts += 1
        finally:
            broker.kill()

    def _load(self, broker: BrokerProcess, round: int) -> None:
        """Let clients send as fast as they can until the kill."""
        rng, port = self._rng, broker.port
        fresh = f"new-{round}"  # a topic that these messages create
        shares = [[TOPICS[0]], [TOPICS[1]], [TOPICS[2]], TOPICS, [*TOPICS[:1], fresh], [fresh]]
        senders = [Sender(port, round, client, topics, rng) for client, topics in enumerate(shares)]
        followers = [Follower(port, topic, self._ledger.checked_end(topic)) for topic in TOPICS]
        committer = Committer(port, TOPICS[0], self._committer)
        peers: list[Peer] = [*senders, *followers, committer]
        # Now and then long enough to fill a journal file and to make a checkpoint under load.
        drive(peers, rng.uniform(0.0, 0.1 if rng.random() < 0.9 else 0.8))
        broker.kill()
        take_the_last(peers)
        self._ledger.take(senders)
        self._followers, self._topics = followers, [*TOPICS, fresh]
        self._committer = committer

    def _check(self, broker: BrokerProcess) -> None:
        self._ledger.check(broker, self._topics, self._followers)
        if self._committer is not None and self._committer.acknowledged:
            (answer,) = broker.ask(b"COMMITTED g %b" % TOPICS[0].encode())
            committed = int(answer.removeprefix(b"OFFSET "))
            assert self._committer.acknowledged <= committed <= self._committer.sent


def play(data_dir: Path, seed: int, round_count: int) -> None:
    """A campaign from a seed; its data directory is kept when it fails."""
    print(f"seed {seed}, data in {data_dir}")
    campaign = Campaign(data_dir, seed)
    campaign.run(round_count)
    size = sum(path.stat().st_size for path in data_dir.iterdir())
    print(f"{round_count} kills under load, {campaign.interrupted_starts} during a start;")
    print(f"{campaign.message_count} messages acknowledged and found, {size / 1e6:.0f} MB")
    shutil.rmtree(data_dir)


@pytest.mark.timeout(240)
def test_thirty_kills_lose_nothing(tmp_path: Path) -> None:
    """Thirty rounds on one directory."""
    play(tmp_path / "data", 20260, 30)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_kills_lose_nothing(tmp_path: Path, seed: int) -> None:
    """A thousand rounds, a hundred on each of ten directories."""
    play(tmp_path / "data", seed, 100)
