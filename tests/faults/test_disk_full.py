"""A disk that is full: messages are refused and leave nothing behind, reads go on, room brings the writes back.

Once on a real file system of 24 MiB (needs root), once with a limit on the size of files, which anybody may set.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.faults.small_disk import fill, needs_mount, small_disk
from tests.integration.broker import KIB, MIB, BrokerProcess, logmq, run, serve_command
from tests.integration.line_client import LineClient
from tests.integration.stored import frames_of, log_bytes

SEED = 8128


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB, of which a broker takes 9 for its journal and its topics' names."""
    with small_disk(tmp_path / "disk", 24 * MIB) as disk:
        yield disk


class Stored:
    """What should be in each topic: the messages that were acknowledged, and no others."""

    def __init__(self) -> None:
        self.frames: dict[bytes, list[tuple[int, bytes]]] = {}

    def note(self, topic: bytes, payload: bytes, answer: bytes) -> bool:
        """Take an answer to a PRODUCE; returns whether the message was stored."""
        if answer.startswith(b"OK "):
            self.frames.setdefault(topic, []).append((int(answer[3:]), payload))
            return True
        assert answer.startswith(b"ERR DISK_FULL the disk is full, nothing was stored: "), answer
        return False

    def produce(self, client: LineClient, topic: bytes, payload: bytes) -> bool:
        """Send a message; returns whether there was room for it."""
        return self.note(topic, payload, client.ask(b"PRODUCE %b %b" % (topic, payload)))

    def produce_until_full(self, client: LineClient, topic: bytes, size: int) -> int:
        """Send messages until there is no room for another; returns how many were stored."""
        count = 0
        while self.produce(client, topic, b"%0*d" % (size, count)):
            count += 1
        return count

    def check(self, client: LineClient, data_dir: Path) -> None:
        """Files and answers hold exactly these messages, each at its offset. Raises: AssertionError."""
        for topic, frames in self.frames.items():
            assert frames_of(log_bytes(data_dir, topic.decode())) == frames
            client.send(b"CONSUME %b 0 1000000\n" % topic)
            for frame in frames:
                assert client.message() == frame
            assert client.line().startswith(b"END ")


@needs_mount
def test_a_full_disk_costs_nothing_that_was_acknowledged(disk: Path) -> None:
    """When the disk is full messages are refused and reads go on; deleting something or dropping a topic brings the
    writes back without a restart; a restart finds exactly what was acknowledged."""
    stored = Stored()
    filler = disk / "filler"
    filler.write_bytes(bytes(4 * MIB))
    with BrokerProcess(disk / "data") as broker, broker.client() as client:
        assert stored.produce_until_full(client, b"first", 32 * KIB) > 100
        stored.check(client, broker.data_dir)
        assert not stored.produce(client, b"first", b"x" * (900 * KIB))

        filler.unlink()
        assert stored.produce_until_full(client, b"second", 32 * KIB) > 100
        assert stored.produce_until_full(client, b"first", 32 * KIB) < 2
        stored.check(client, broker.data_dir)

        assert client.ask(b"DROP first") == b"OK"
        del stored.frames[b"first"]
        filler.write_bytes(bytes(MIB))
        assert stored.produce_until_full(client, b"third", 32 * KIB) > 100
        assert stored.produce_until_full(client, b"third", 100) < 400
        stored.check(client, broker.data_dir)
        broker.kill()
    filler.unlink()
    with BrokerProcess(disk / "data") as broker, broker.client() as client:
        stored.check(client, broker.data_dir)
        assert client.ask(b"CONSUME first 0").startswith(b"ERR UNKNOWN_TOPIC ")
    code, words = logmq("verify", "--data-dir", str(disk / "data"))
    assert code == 0, words


@needs_mount
def test_what_is_refused_leaves_nothing_behind(disk: Path) -> None:
    """Pipelined messages of any size to several topics, on a disk that is full now and then: a topic holds exactly
    those that were answered with OK, in order, never one that was refused, nor a part of one."""
    print(f"seed {SEED}")
    rng = Random(SEED)
    stored = Stored()
    with BrokerProcess(disk / "data", "--segment-size-bytes=1MiB") as broker, broker.client() as client:
        refused = 0
        for round in range(8):
            fill(disk / "filler")
            os.truncate(disk / "filler", max(0, (disk / "filler").stat().st_size - rng.randrange(2 * MIB)))
            sent = []
            for number in range(150):
                size = rng.choice((10, 500, 20_000, 60_000))
                sent.append((rng.choice((b"a", b"b", b"c")), b"%d %d " % (round, number) + b"x" * size))
            answers = client.exchange([b"PRODUCE %b %b\n" % message for message in sent], len(sent))
            refused += sum(not stored.note(*message, answer) for message, answer in zip(sent, answers, strict=True))
            (disk / "filler").unlink()
        print(f"{refused} refused, {sum(map(len, stored.frames.values()))} stored")
        assert refused > 100
        assert set(stored.frames) == {b"a", b"b", b"c"}
        stored.check(client, broker.data_dir)
        broker.kill()
    with BrokerProcess(disk / "data") as broker, broker.client() as client:
        stored.check(client, broker.data_dir)


@needs_mount
def test_a_crash_on_a_full_disk(disk: Path) -> None:
    """Recovery needs a little room. Without any the broker does not start, says why, and touches nothing; with room
    again it starts and everything acknowledged is there."""
    stored = Stored()
    (disk / "filler").write_bytes(bytes(MIB))
    with BrokerProcess(disk / "data") as broker, broker.client() as client:
        stored.produce_until_full(client, b"t", 60 * KIB)
        fill(disk / "rest")
        broker.kill()
    code, words = run(serve_command(disk / "data"))
    assert code == 1, words
    assert words.startswith("logmq: ") and words.count("\n") == 1, words
    assert str(disk / "data") in words
    (disk / "filler").unlink()
    with BrokerProcess(disk / "data") as broker, broker.client() as client:
        stored.check(client, broker.data_dir)


@needs_mount
def test_a_start_with_little_room(disk: Path) -> None:
    """With a few pages left after a clean stop the broker starts, so that what is there can be read and dropped."""
    stored = Stored()
    with BrokerProcess(disk / "data") as broker, broker.client() as client:
        stored.produce(client, b"t", b"x" * MIB)
    os.truncate(disk / "filler", fill(disk / "filler") - 48 * KIB)
    with BrokerProcess(disk / "data") as broker, broker.client() as client:
        stored.check(client, broker.data_dir)
        assert not stored.produce(client, b"t", b"x" * (100 * KIB))
        (disk / "filler").unlink()
        assert stored.produce(client, b"t", b"x" * (100 * KIB))
        stored.check(client, broker.data_dir)


@pytest.mark.parametrize("size_max", [300 * KIB, 9 * MIB])
def test_a_limit_on_the_size_of_files(tmp_path: Path, size_max: int) -> None:
    """RLIMIT_FSIZE is a full disk for each file alone: for the journal, whose bytes lie within the first 8 MiB, or only
    for a log that has grown beyond the limit. Either way it is as above."""
    stored = Stored()
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        stored.produce(client, b"t", b"before")
        broker.limit(resource.RLIMIT_FSIZE, size_max)
        stored.produce_until_full(client, b"t", 50 * KIB)
        assert size_max - 100 * KIB < len(log_bytes(broker.data_dir, "t")) <= size_max
        assert not stored.produce(client, b"t", b"x" * (50 * KIB))
        stored.check(client, broker.data_dir)
        broker.limit(resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)
        assert stored.produce(client, b"t", b"x" * (50 * KIB))
        assert stored.produce(client, b"u", b"x" * (50 * KIB))
        stored.check(client, broker.data_dir)
        broker.kill()
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        stored.check(client, broker.data_dir)
