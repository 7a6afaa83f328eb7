"""`logmq consume`: what is printed, from where, and when it ends."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.unit.cli.logmq_command import logmq
from tests.unit.client.scripted_broker import ScriptedBroker


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
