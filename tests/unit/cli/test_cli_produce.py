"""`logmq produce`: messages from the command line and from standard input."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.unit.cli.logmq_command import logmq
from tests.unit.client.scripted_broker import ScriptedBroker

Feed = Callable[[bytes], None]


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Feed]:
    """Puts a file in the place of standard input."""
    with ExitStack() as opened:

        def feed(content: bytes) -> None:
            (tmp_path / "input").write_bytes(content)
            monkeypatch.setattr("sys.stdin", opened.enter_context((tmp_path / "input").open("rb")))

        yield feed


def test_a_message_on_the_command_line_prints_its_offset(
    broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    """The offset is data: it goes to standard output, alone."""
    assert logmq("produce", "t", "hello world") == 0
    assert logmq("produce", "t", "two\nlines") == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("0\n15\n", "")
    assert broker.topics == {b"t": [b"hello world", b"two\nlines"]}


def test_bytes_that_are_no_text_arrive_as_they_were_typed(broker: ScriptedBroker) -> None:
    """A message that is not UTF-8 goes through the command line unharmed."""
    assert logmq("produce", "t", os.fsdecode(b"\xff\xfe")) == 0
    assert broker.topics == {b"t": [b"\xff\xfe"]}


def test_the_partition_stands_behind_the_topic(broker: ScriptedBroker) -> None:
    """`orders/2` is partition 2 of orders, as in the text protocol."""
    assert logmq("produce", "t/2", "x") == 0
    assert broker.lines == [b"PRODUCE t/2 x"]


def test_each_line_of_standard_input_is_a_message(
    broker: ScriptedBroker, feed: Feed, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines are stored byte by byte as they are, the summary goes to standard error."""
    feed(b"one\n\n  two \r\nthree")
    assert logmq("produce", "t") == 0
    assert broker.topics == {b"t": [b"one", b"", b"  two \r", b"three"]}
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "4 messages stored in t/0, offsets 0 to 22\n")


def test_offsets_of_lines_are_printed_when_asked_for(
    broker: ScriptedBroker, feed: Feed, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--offsets` prints one a line, `--quiet` leaves out the summary."""
    feed(b"one\ntwo\n")
    assert logmq("produce", "t", "--offsets", "--quiet") == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("0\n7\n", "")


def test_many_lines_go_through_in_order(broker: ScriptedBroker, feed: Feed, capsys: pytest.CaptureFixture[str]) -> None:
    """A file larger than one read arrives whole and in order."""
    lines = [b"%06d %b" % (i, b"x" * (i % 90)) for i in range(30_000)]
    feed(b"\n".join(lines) + b"\n")
    assert logmq("produce", "t") == 0
    assert broker.topics[b"t"] == lines
    assert capsys.readouterr().err.startswith("30,000 messages stored in t/0, offsets 0 to ")


def test_no_input_stores_nothing(broker: ScriptedBroker, feed: Feed, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty standard input is no message at all."""
    feed(b"")
    assert logmq("produce", "t") == 0
    assert capsys.readouterr().err == "0 messages stored in t/0\n"
    assert broker.topics == {}


def test_a_refused_line_is_named(broker: ScriptedBroker, feed: Feed, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, the number of the line, and what became of the others."""
    broker.answers[b"PRODUCE t bad"] = b"ERR MESSAGE_TOO_LARGE it is\n"
    feed(b"good\nbad\nalso good\nbad\n")
    assert logmq("produce", "t") == 1
    assert broker.topics == {b"t": [b"good", b"also good"]}
    assert capsys.readouterr().err.splitlines() == [
        "logmq: line 2 was refused, and 1 more behind it: it is (MESSAGE_TOO_LARGE)",
        "logmq: the other lines up to 4 are stored, those behind were not sent",
    ]


def test_a_typed_line_is_stored_before_the_next_one(broker: ScriptedBroker) -> None:
    """A line that comes through a pipe is sent at once, not when the pipe ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "logmq", "produce", "t", "--offsets"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for line, offset in [(b"one\n", b"0\n"), (b"two\n", b"7\n")]:
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == offset
        process.stdin.close()
        assert process.wait(10) == 0
