"""Bits that flip on the disk while nobody looks: damage is reported for its exact range, and the rest is served."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

import pytest
from tests.integration.broker import KIB, BrokerProcess, logmq
from tests.integration.line_client import LineClient
from tests.integration.stored import frames_of, log_bytes

SEED = 31337
COUNT = 1000
SIZE = 96  # with its length a frame of 100 bytes, so that offsets are easy to read
PAYLOADS = [b"%0*d" % (SIZE, number) for number in range(COUNT)]


def flip(path: Path, position: int, bit: int = 0) -> None:
    """Turn one bit of a file around."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


def fill(broker: BrokerProcess) -> None:
    """Store the messages."""
    with broker.client() as client:
        client.exchange([b"PRODUCE t %b\n" % payload for payload in PAYLOADS], COUNT)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped broker's directory with the messages in it."""
    directory = tmp_path_factory.mktemp("stopped") / "data"
    with BrokerProcess(directory) as broker:
        fill(broker)
    return directory


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A killed broker's directory with the first hundred messages, which only the journal covers."""
    directory = tmp_path_factory.mktemp("killed") / "data"
    with BrokerProcess(directory) as broker, broker.client() as client:
        for payload in PAYLOADS[:100]:
            client.produce(b"t", payload)
        broker.kill()
    return directory


@pytest.fixture
def data_dir(stopped: Path, tmp_path: Path) -> Path:
    """A copy of the stopped broker's directory."""
    return Path(shutil.copytree(stopped, tmp_path / "data"))


@pytest.fixture
def crashed_dir(killed: Path, tmp_path: Path) -> Path:
    """A copy of the killed broker's directory."""
    return Path(shutil.copytree(killed, tmp_path / "data"))


def findings(data_dir: Path) -> list[dict[str, object]]:
    """What `logmq verify` says, whose exit code must agree."""
    code, words = logmq("verify", "--data-dir", str(data_dir), "--format", "json")
    found = [json.loads(line) for line in words.splitlines() if line.startswith("{")]
    assert code == (1 if found else 0), words
    return found


def walk(client: LineClient) -> tuple[list[tuple[int, bytes]], list[tuple[int, int]]]:
    """Read the topic message by message, over damaged ranges to where they end; returns the messages and the ranges."""
    messages, damaged = [], []
    offset = 0
    while (answer := client.ask(b"CONSUME t %d" % offset)) != b"EOF":
        if answer.startswith(b"ERR DAMAGED t/0 is damaged on disk from offset "):
            words = answer.split(b"from offset ")[1].replace(b";", b"").split()
            damaged.append((int(words[0]), int(words[2])))
            assert answer.endswith(b"the next readable offset is %d" % damaged[-1][1])
            offset = damaged[-1][1]
        else:
            word, at, size, payload = answer.split(b" ", 3)
            assert (word, int(size)) == (b"MESSAGE", len(payload)), answer
            messages.append((int(at), payload))
            offset = int(at) + 4 + len(payload)
    return messages, damaged


@pytest.mark.parametrize("where", ["payload", "length"])
def test_a_flipped_bit_in_a_log(data_dir: Path, where: str) -> None:
    """The damaged range is answered with an error that names it and where to go on; every message outside is served;
    the file stays as it is and grows behind; `logmq verify` names the file and the same range."""
    print(f"seed {SEED}")
    rng = Random(SEED)
    number = rng.randrange(COUNT)
    position = 100 * number + (rng.randrange(4) if where == "length" else rng.randrange(4, 100))
    flip(data_dir / "t.log", position, rng.randrange(8))
    spoiled = (data_dir / "t.log").read_bytes()
    with BrokerProcess(data_dir) as broker, broker.client() as client:
        messages, ((first, stop),) = walk(client)
        assert first <= position < stop
        assert stop - first < 20 * KIB, "the range is no larger than between two entries of the index"
        assert messages == [
            (100 * number, payload) for number, payload in enumerate(PAYLOADS) if not first <= 100 * number < stop
        ]
        for offset in (first, first + 1, 100 * number, stop - 1):
            assert client.ask(b"CONSUME t %d" % offset).startswith(b"ERR DAMAGED "), offset
        assert client.produce(b"t", b"goes on") == 100 * COUNT
        assert client.ask(b"CONSUME t %d" % (100 * COUNT)) == b"MESSAGE %d 7 goes on" % (100 * COUNT)
    assert (data_dir / "t.log").read_bytes()[: len(spoiled)] == spoiled
    (finding,) = findings(data_dir)
    assert (finding["file"], finding["first_offset"], finding["next_offset"]) == ("t.log", first, stop)


def test_a_reader_of_many_is_told_where_it_stops(data_dir: Path) -> None:
    """CONSUME with a count, and FOLLOW, give what is good before the damage, then the error; never a wrong byte."""
    flip(data_dir / "t.log", 100 * 700 + 50)
    with BrokerProcess(data_dir) as broker:
        for command in (b"CONSUME t 0 100000\n", b"FOLLOW t 0\n"):
            with broker.client() as client:
                client.send(command)
                offset = 0
                while (answer := client.line()).startswith(b"MESSAGE "):
                    assert answer == b"MESSAGE %d %d %b" % (offset, SIZE, PAYLOADS[offset // 100])
                    offset += 100
                assert answer.startswith(b"ERR DAMAGED t/0 is damaged on disk from offset %d to " % offset), answer
                assert offset <= 70_000


@pytest.mark.parametrize("place", ["header", "first entry", "last entry"])
def test_a_flipped_bit_in_an_index(data_dir: Path, place: str) -> None:
    """An index can be made anew from its log: every message is served. `logmq verify` names the file before."""
    size = (data_dir / "t.index").stat().st_size
    flip(data_dir / "t.index", {"header": 9, "first entry": 32 + 9, "last entry": size - 20}[place])
    assert [finding["file"] for finding in findings(data_dir)] == ["t.index"]
    with BrokerProcess(data_dir) as broker, broker.client() as client:
        messages, damaged = walk(client)
        assert not damaged
        assert messages == [(100 * number, payload) for number, payload in enumerate(PAYLOADS)]
        assert client.produce(b"t", b"goes on") == 100 * COUNT
    assert findings(data_dir) == []


def test_a_lost_index(data_dir: Path) -> None:
    """So it is when the file is gone."""
    (data_dir / "t.index").unlink()
    with BrokerProcess(data_dir) as broker, broker.client() as client:
        assert walk(client)[1] == []
        assert client.produce(b"t", b"goes on") == 100 * COUNT
    assert findings(data_dir) == []


def test_a_flipped_bit_in_the_checkpoint(data_dir: Path) -> None:
    """The checkpoint is made anew from the indexes: every message is served, offsets go on where they were."""
    flip(data_dir / "checkpoint", 20)
    assert "checkpoint" in [finding["file"] for finding in findings(data_dir)]
    with BrokerProcess(data_dir) as broker, broker.client() as client:
        messages, damaged = walk(client)
        assert (len(messages), damaged) == (COUNT, [])
        assert client.produce(b"t", b"goes on") == 100 * COUNT
    assert findings(data_dir) == []


def journal_record_of(data_dir: Path, payload: bytes) -> int:
    """Where the bytes of a message stand in the journal."""
    position = (data_dir / "journal.1").read_bytes().find(payload)
    assert position > 0
    return position


def test_flipped_bits_in_the_journal_after_a_crash(crashed_dir: Path) -> None:
    """The log has the same bytes: where one of the two is true every message is served."""
    flip(crashed_dir / "journal.1", journal_record_of(crashed_dir, PAYLOADS[40]) + 7)
    with BrokerProcess(crashed_dir) as broker, broker.client() as client:
        messages, damaged = walk(client)
        assert damaged == []
        assert messages == [(100 * number, payload) for number, payload in enumerate(PAYLOADS[:100])]


def test_a_flipped_head_of_a_record_in_the_journal(crashed_dir: Path) -> None:
    """When the journal no longer says what a commit was, its range is reported as damaged or served as it was sent:
    never cut, never something else; and what came behind is served."""
    flip(crashed_dir / "journal.1", journal_record_of(crashed_dir, PAYLOADS[40]) - 30)
    with BrokerProcess(crashed_dir) as broker, broker.client() as client:
        messages, damaged = walk(client)
        expected = [(100 * number, payload) for number, payload in enumerate(PAYLOADS[:100])]
        assert messages == [frame for frame in expected if not any(a <= frame[0] < b for a, b in damaged)]
        assert damaged in ([], [(4000, 4100)])
        assert client.produce(b"t", b"goes on") == 10_000
    assert log_bytes(crashed_dir, "t")[:10_000] == b"".join(b"\x00\x00\x00\x60" + p for p in PAYLOADS[:100])


def test_flipped_bits_in_journal_and_log(crashed_dir: Path) -> None:
    """When neither has the message any more its range, and no other, is an error."""
    flip(crashed_dir / "journal.1", journal_record_of(crashed_dir, PAYLOADS[40]) + 7)
    flip(crashed_dir / "t.log", 100 * 40 + 50)
    spoiled = log_bytes(crashed_dir, "t")
    (finding,) = findings(crashed_dir)
    assert (finding["file"], finding["first_offset"], finding["next_offset"]) == ("t.log", 4000, 4100)
    with BrokerProcess(crashed_dir) as broker, broker.client() as client:
        record = next(record for record in broker.output.records() if "damaged" in record["message"])
        assert (record["partition"], record["first_offset"], record["next_offset"]) == ("t/0", 4000, 4100)
        messages, damaged = walk(client)
        assert damaged == [(4000, 4100)]
        assert len(messages) == 99
    assert log_bytes(crashed_dir, "t") == spoiled


def test_a_log_that_was_cut(data_dir: Path) -> None:
    """A file shorter than what was committed: the lost range is an error, nothing is ever appended into it."""
    with (data_dir / "t.log").open("rb+") as file:
        file.truncate(100 * 990 + 50)
    assert any(finding["file"] == "t.log" for finding in findings(data_dir))
    with BrokerProcess(data_dir) as broker, broker.client() as client:
        assert client.produce(b"t", b"goes on") == 100 * COUNT
        messages, damaged = walk(client)
        assert damaged
        assert damaged[-1][1] == 100 * COUNT
        kept = [(100 * number, payload) for number, payload in enumerate(PAYLOADS) if 100 * number < damaged[0][0]]
        assert messages == [*kept, (100 * COUNT, b"goes on")]


def test_many_flips_in_one_log(tmp_path: Path) -> None:
    """Bits anywhere in a log: each is in a range that is reported; no message outside is lost, none is wrong."""
    print(f"seed {SEED}")
    rng = Random(SEED)
    with BrokerProcess(tmp_path / "data") as broker:
        fill(broker)
        broker.ask(*[b"PRODUCE t %b" % (b"z" * (60 * KIB)) for _ in range(40)])
    frames = frames_of(log_bytes(tmp_path / "data", "t"))
    size = (tmp_path / "data" / "t.log").stat().st_size
    flips = [rng.randrange(size) for _ in range(20)]
    for position in flips:
        flip(tmp_path / "data" / "t.log", position, rng.randrange(8))
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        messages, damaged = walk(client)
    assert all(any(first <= position < stop for first, stop in damaged) for position in flips)
    assert messages == [frame for frame in frames if not any(first <= frame[0] < stop for first, stop in damaged)]
    assert [(one["first_offset"], one["next_offset"]) for one in findings(tmp_path / "data")] == damaged
