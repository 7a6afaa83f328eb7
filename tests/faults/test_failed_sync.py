"""A sync that fails is final: nobody gets an OK for what it should have made durable, nor for anything after it.

The errors are put under a running broker by strace. What they hit is counted from then on.
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import pytest
from tests.faults.strace import attached, needs_strace, under
from tests.integration.broker import KIB, BrokerProcess, logmq
from tests.integration.line_client import LineClient
from tests.integration.stored import frames_of, log_bytes

pytestmark = needs_strace

EXIT_DISK_FAILED = 74
WRITES = ("pwrite64", "pwritev", "pwritev2")


def outcome(client: LineClient, count: int) -> list[bytes]:
    """Up to `count` answers, fewer if the broker closes before."""
    answers: list[bytes] = []
    try:
        while len(answers) < count:
            answers.append(client.line())
    except (EOFError, ConnectionResetError):
        pass
    return answers


def acknowledged_before_all_else(answers: list[bytes]) -> int:
    """How many OKs there are. Raises: AssertionError if one follows something that is none, or if that is not fair."""
    count = sum(answer.startswith(b"OK") for answer in answers)
    assert all(answer.startswith(b"OK") for answer in answers[:count]), answers
    assert all(answer.startswith(b"ERR UNAVAILABLE ") for answer in answers[count:]), answers
    return count


def expect_end(broker: BrokerProcess, words: str) -> None:
    """The broker ends with 74 and says once what failed. Raises: AssertionError."""
    assert broker.wait() == EXIT_DISK_FAILED
    (record,) = [record for record in broker.output.records() if record["level"] == "critical"]
    assert "the disk failed" in record["message"]
    assert words in record["reason"], record
    assert "Traceback" not in broker.output.text, broker.output.text


def expect_messages(data_dir: Path, topic: str, payloads: list[bytes], at_least: int) -> None:
    """After a restart a topic holds these messages in order, at least the first so many. Raises: AssertionError."""
    with BrokerProcess(data_dir) as broker, broker.client() as client:
        frames = frames_of(log_bytes(data_dir, topic))
        assert at_least <= len(frames) <= len(payloads)
        assert [payload for _, payload in frames] == payloads[: len(frames)]
        client.send(b"CONSUME %b 0 1000000\n" % topic.encode())
        for frame in frames:
            assert client.message() == frame
        assert client.line().startswith(b"END ")


@pytest.mark.parametrize(("error", "nth"), [("EIO", 3), ("ENOSPC", 1)])
def test_a_failed_sync_of_the_journal_stops_the_broker(tmp_path: Path, error: str, nth: int) -> None:
    """Only appends before it are acknowledged, whatever the error is; the broker says why it stops and exits with 74; a
    restart serves all that was acknowledged."""
    payloads = [b"message-%d" % number for number in range(20)]
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        client.produce(b"t", payloads[0])
        injection = f"fdatasync:error={error}:when={nth}+"
        with attached(broker, injection, paths=[tmp_path / "data" / "journal.1"]):
            answers = []
            for payload in payloads[1:]:
                client.send(b"PRODUCE t %b\n" % payload)
                answers += outcome(client, 1)
                if not answers or not answers[-1].startswith(b"OK"):
                    break
            count = acknowledged_before_all_else(answers)
            assert nth - 1 <= count <= 2 * (nth - 1)  # each of the two threads that may sync has its own count
            expect_end(broker, "fdatasync of journal.1 failed: ")
    expect_messages(tmp_path / "data", "t", payloads, at_least=1 + count)
    code, words = logmq("verify", "--data-dir", str(tmp_path / "data"))
    assert code == 0, words


def test_everybody_who_waits_is_told(tmp_path: Path) -> None:
    """Many clients with appends in flight when the sync fails: each gets an error or a closed connection, none an OK;
    followers see nothing of these messages."""
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as follower:
        broker.ask(b"PRODUCE t first")
        assert follower.ask(b"FOLLOW t 0") == b"MESSAGE 0 5 first"
        clients = [broker.client() for _ in range(10)]
        with attached(broker, "fdatasync:error=EIO:when=1+", paths=[tmp_path / "data" / "journal.1"]):
            for client in clients:
                client.send(b"PRODUCE t waiting\n" * 20)
            for client in clients:
                assert acknowledged_before_all_else(outcome(client, 20)) == 0
                client.close()
            shown = follower.rest()
            assert b"waiting" not in shown, shown
            expect_end(broker, "fdatasync of journal.1 failed: Input/output error")
    expect_messages(tmp_path / "data", "t", [b"first"] + [b"waiting"] * 200, at_least=1)


def test_a_failed_sync_of_a_log_stops_the_broker(tmp_path: Path) -> None:
    """A message so large that it is synced in its own file counts as any other."""
    large = b"x" * (400 * KIB)
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        client.produce(b"t", b"first")
        with attached(broker, "fdatasync:error=EIO:when=1", paths=[tmp_path / "data" / "t.log"]):
            client.send(b"PRODUCE t %b\n" % large)
            assert acknowledged_before_all_else(outcome(client, 1)) == 0
            expect_end(broker, "fdatasync of t.log failed: Input/output error")
    expect_messages(tmp_path / "data", "t", [b"first", large], at_least=1)


def test_a_failed_sync_of_the_directory_stops_the_broker(tmp_path: Path) -> None:
    """A topic whose file might vanish takes no messages: its first one is not acknowledged."""
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        client.produce(b"t", b"first")
        with attached(broker, "fsync:error=EIO:when=1", paths=[tmp_path / "data"]):
            client.send(b"PRODUCE new-topic one\n")
            assert acknowledged_before_all_else(outcome(client, 1)) == 0
            expect_end(broker, "fsync of the directory")
    expect_messages(tmp_path / "data", "t", [b"first"], at_least=1)
    with BrokerProcess(tmp_path / "data") as broker:
        assert broker.ask(b"PRODUCE new-topic one") == [b"OK 0"]


def test_a_failed_sync_of_the_checkpoint_ends_a_stop_with_an_error(tmp_path: Path) -> None:
    """When the last checkpoint cannot be synced the exit code says that the disk failed; the journal has everything."""
    with BrokerProcess(tmp_path / "data") as broker:
        broker.ask(b"PRODUCE t first", b"PRODUCE t second")
        with attached(broker, "fdatasync:error=EIO:when=1", paths=[tmp_path / "data" / "t.log"]):
            broker.signal(15)
            expect_end(broker, "fdatasync of t.log failed: Input/output error")
    expect_messages(tmp_path / "data", "t", [b"first", b"second"], at_least=2)


def test_a_failed_sync_during_recovery_stops_the_start(tmp_path: Path) -> None:
    """Recovery syncs what it accepts before anybody can read it; when that fails the broker does not start, and the
    next start begins again."""
    payloads = [b"message-%d" % number for number in range(50)]
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        for payload in payloads:
            client.produce(b"t", payload)
        broker.kill()
    for nth in (1, 3):
        with BrokerProcess(
            tmp_path / "data", under=under(f"fdatasync:error=EIO:when={nth}"), await_ready=False
        ) as broker:
            assert broker.wait() in {1, EXIT_DISK_FAILED}
            assert "ready on" not in broker.output.text
            assert "Input/output error" in broker.output.text or "disk I/O error" in broker.output.text
            assert "Traceback" not in broker.output.text
    expect_messages(tmp_path / "data", "t", payloads, at_least=len(payloads))


def test_a_failed_write_that_is_no_full_disk_stops_the_broker(tmp_path: Path) -> None:
    """EIO from a write means as much as from a sync: what the disk holds is unknown."""
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        client.produce(b"t", b"first")
        with attached(broker, "pwrite64:error=EIO:when=1", paths=[tmp_path / "data" / "t.log"]):
            client.send(b"PRODUCE t second\n")
            assert acknowledged_before_all_else(outcome(client, 1)) == 0
            expect_end(broker, "Input/output error")
    expect_messages(tmp_path / "data", "t", [b"first", b"second"], at_least=1)


def test_a_write_without_room_refuses_one_message(tmp_path: Path) -> None:
    """A full disk, a used-up quota and a limit on file sizes, at the log or at the journal: one message is refused and
    leaves nothing, the next one is stored."""
    stored = [b"first"]
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        client.produce(b"t", b"first")
        for error in ("ENOSPC", "EDQUOT", "EFBIG"):
            for file in ("t.log", "journal.1"):
                injections = [f"{call}:error={error}:when=1" for call in WRITES]
                with attached(broker, *injections, paths=[tmp_path / "data" / file]) as trace:
                    assert client.ask(b"PRODUCE t refused").startswith(b"ERR DISK_FULL ")
                    trace.wait_for("INJECTED")
                stored.append(b"stored after %b at %b" % (error.encode(), file.encode()))
                client.produce(b"t", stored[-1])
        broker.kill()
    expect_messages(tmp_path / "data", "t", stored, at_least=len(stored))


def test_an_interrupted_call_is_made_again(tmp_path: Path) -> None:
    """EINTR from any of the calls that store a message is nobody's problem."""
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        client.produce(b"t", b"first")
        # Of each call five in a row in each thread, so at least fifteen.
        injections = [f"{call}:error=EINTR:when=1..5" for call in (*WRITES, "fdatasync", "pread64")]
        with attached(
            broker, *injections, paths=[tmp_path / "data" / name for name in ("t.log", "journal.1")]
        ) as trace:
            for number in range(10):
                assert client.produce(b"t", b"message-%d" % number) == 9 + 13 * number
            trace.wait_for_count("EINTR", 15)
        stored = [payload for _, payload in frames_of(log_bytes(broker.data_dir, "t"))]
        assert stored == [b"first"] + [b"message-%d" % number for number in range(10)]


def test_ok_waits_for_the_sync(tmp_path: Path) -> None:
    """On a disk that takes 300 ms for a sync no OK comes earlier than that, and one sync serves all that waited."""
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        client.produce(b"t", b"first")
        with attached(broker, "fdatasync:delay_enter=300000", paths=[tmp_path / "data" / "journal.1"]) as trace:
            began = monotonic()
            answers = client.exchange([b"PRODUCE t %d\n" % number for number in range(100)], 100)
            took_s = monotonic() - began
            assert answers[-1].startswith(b"OK ")
            assert took_s >= 0.3
            assert trace.text.count("fdatasync(") <= took_s / 0.3


@pytest.mark.parametrize("file", ["meta.sqlite-wal", "meta.sqlite"])
def test_a_failed_sync_of_the_topics_names_stops_the_broker(tmp_path: Path, file: str) -> None:
    """When the database of topics cannot be synced, be it a transaction or what is taken over from its log, whether the
    change survives is unknown: CREATE says so, and the broker ends. What was acknowledged before is there later."""
    with BrokerProcess(tmp_path / "data") as broker, broker.client() as client:
        assert client.ask(b"CREATE before") == b"OK"
        with attached(broker, "fdatasync:error=EIO:when=1", paths=[tmp_path / "data" / file]):
            created = 0
            while (answer := client.ask(b"CREATE during-%d" % created)) == b"OK":
                created += 1
                assert created <= 200
            assert answer.startswith(b"ERR UNAVAILABLE ")
            expect_end(broker, "sync of meta.sqlite failed: disk I/O error")
    with BrokerProcess(tmp_path / "data") as broker:
        names = [b"before", *(b"during-%d" % number for number in range(created))]
        assert broker.ask(*(b"CONSUME %b 0" % name for name in names)) == [b"EOF"] * len(names)
