"""`logmq consume`: what is printed, from where, and when it ends."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import aclosing

import pytest
from tests.unit.cli.logmq_command import logmq
from tests.unit.client.scripted_broker import ScriptedBroker

from logmq.cli.consume import Place
from logmq.client.address import parse_address
from logmq.model import TopicPartition


@pytest.fixture(autouse=True)
def messages(broker: ScriptedBroker) -> None:
    """Three messages at 0, 7 and 14."""
    broker.topics[b"t"] = [b"one", b"two", b"\xff\n"]
    broker.ends[b"t"] = 20


def test_raw_messages_are_their_bytes_and_a_newline(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """From the start to the end of the log, nothing on standard error."""
    assert logmq("consume", "t") == 0
    captured = capfdbinary.readouterr()
    assert (captured.out, captured.err) == (b"one\ntwo\n\xff\n\n", b"")


def test_json_messages_are_an_object_a_line(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Offset, partition and value; bytes that are not UTF-8 as base64."""
    assert logmq("consume", "t", "--format", "json") == 0
    assert [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()] == [
        {"offset": 0, "partition": 0, "value": "one"},
        {"offset": 7, "partition": 0, "value": "two"},
        {"offset": 14, "partition": 0, "base64": "/wo="},
    ]


@pytest.mark.parametrize(
    ("args", "out"),
    [
        (["--from", "7", "--count", "1"], b"two\n"),
        (["--from", "5", "-n", "1"], b"two\n"),
        (["--from", "latest"], b""),
        (["--from", "earliest", "--count", "2"], b"one\ntwo\n"),
        (["--count", "0"], b""),
        (["--follow", "--count", "2"], b"one\ntwo\n"),
        (["-f", "--from", "7", "-n", "1"], b"two\n"),
    ],
)
def test_offsets_and_counts_bound_what_is_printed(
    args: list[str], out: bytes, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """`--from` is where to begin (at or after), `--count` how many at most, with and without --follow."""
    assert logmq("consume", "t", *args) == 0
    assert capfdbinary.readouterr().out == out


def test_what_came_before_an_error_is_printed(
    broker: ScriptedBroker, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A damaged record ends the output with exit code 1 after all that could be read."""
    broker.answers[b"CONSUME t earliest 1000000"] = b"MESSAGE 0 3 one\nERR DAMAGED t/0 from 7 to 14\n"
    assert logmq("consume", "t") == 1
    captured = capfdbinary.readouterr()
    assert (captured.out, captured.err) == (b"one\n", b"logmq: t/0 from 7 to 14 (DAMAGED)\n")


def test_a_follower_prints_what_comes_at_once(broker: ScriptedBroker) -> None:
    """A message is printed when it is there, without waiting for more."""
    with subprocess.Popen(
        [sys.executable, "-m", "logmq", "consume", "t", "--follow", "--count", "4", "--from", "7"],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"two\n"
        assert logmq("produce", "t", "three") == 0
        assert logmq("produce", "t", "four") == 0
        assert process.stdout.read() == b"\xff\n\nthree\nfour\n"
        assert process.wait(10) == 0


def test_a_group_goes_on_where_it_stopped(broker: ScriptedBroker, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Each run begins behind what the one before printed; --from counts for a group that has committed nothing."""
    assert logmq("consume", "t", "--group", "g", "--from", "7", "--count", "1") == 0
    assert capfdbinary.readouterr().out == b"two\n"
    assert logmq("consume", "t", "--group", "g", "--from", "earliest") == 0
    assert capfdbinary.readouterr().out == b"\xff\n\n"
    assert logmq("consume", "t", "-g", "g") == 0
    assert capfdbinary.readouterr().out == b""
    assert [line for line in broker.lines if line.startswith(b"COMMIT ")] == [b"COMMIT g t 8", b"COMMIT g t 15"]


def test_a_group_commits_only_what_was_printed(
    broker: ScriptedBroker, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Messages that came in but were beyond the count stay for the next run; without messages nothing is committed."""
    assert logmq("consume", "t", "--group", "g", "--follow", "--count", "2") == 0
    assert logmq("consume", "t", "--group", "h", "--from", "latest") == 0
    assert [line for line in broker.lines if line.startswith(b"COMMIT ")] == [b"COMMIT g t 8"]
    assert capfdbinary.readouterr().out == b"one\ntwo\n"


def test_a_group_with_members_is_refused(broker: ScriptedBroker, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """What the broker says to a commit is shown, with exit code 1, and a name that is none is not sent."""
    broker.answers[b"COMMIT busy t 15"] = b"ERR GROUP_HAS_MEMBERS group 'busy' has members\n"
    assert logmq("consume", "t", "--group", "busy") == 1
    assert b"has members" in capfdbinary.readouterr().err
    assert logmq("consume", "t", "--group", "two words") == 2


def test_a_silent_connection_may_be_closed(broker: ScriptedBroker) -> None:
    """When the broker closed the connection for commits meanwhile, the commit is made on a new one."""

    async def commit_twice() -> None:
        async with aclosing(Place(parse_address(broker.address), "g", TopicPartition("t", 0))) as place:
            await place.commit(7)
            assert place._connection is not None
            await place._connection.close()
            await place.commit(14)

    asyncio.run(commit_twice())
    assert broker.committed == {b"g t": b"14"}
