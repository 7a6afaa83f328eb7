"""Exit codes: which error leads to which, what is said, and that docs/cli.md lists them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.cli.logmq_command import logmq
from tests.unit.client.scripted_broker import ScriptedBroker

from logmq import errors
from logmq.cli.exits import ExitCode, explain
from logmq.client import errors as client_errors

DOCS = Path(__file__).parents[3] / "docs" / "cli.md"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (client_errors.ServerError("UNKNOWN_TOPIC", "there is none"), ExitCode.REFUSED),
        (client_errors.ProtocolViolation("what is this"), ExitCode.REFUSED),
        (client_errors.CannotConnect("127.0.0.1:1", "refused"), ExitCode.UNREACHABLE),
        (client_errors.ConnectionLost("gone"), ExitCode.UNREACHABLE),
        (errors.InvalidTopicName("a b"), ExitCode.USAGE),
        (errors.InvalidConfig("port: no"), ExitCode.USAGE),
        (errors.DirectoryInUse("data"), ExitCode.REFUSED),
        (errors.Damaged("t/0", 0, 9), ExitCode.REFUSED),
        (FileNotFoundError(2, "No such file or directory", "x.log"), ExitCode.REFUSED),
        (PermissionError(13, "Permission denied"), ExitCode.REFUSED),
    ],
)
def test_each_foreseen_error_has_its_code_and_words(error: Exception, code: ExitCode) -> None:
    """What can go wrong on purpose ends with a documented code and with the error's own words."""
    known = explain(error)
    assert known is not None
    assert known[0] is code
    assert known[1]


def test_an_unforeseen_error_shows_its_trace() -> None:
    """A bug is not dressed up: it passes through."""
    assert explain(RuntimeError("a bug")) is None
    assert explain(KeyError("a bug")) is None


def test_no_broker_says_how_to_start_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3, and the message asks whether the broker is running."""
    monkeypatch.delenv("LOGMQ_SERVER", raising=False)
    assert logmq("topic", "list", "--server", "127.0.0.1:1") == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "cannot reach a broker at 127.0.0.1:1: Connection refused" in captured.err
    assert "is it running? start it with: logmq serve" in captured.err


def test_a_refusal_is_told_in_the_brokers_words(broker: ScriptedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, the reason and the code on standard error, nothing on standard output."""
    assert logmq("topic", "describe", "nope") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "logmq: there is no topic 'nope' (UNKNOWN_TOPIC)\n"


@pytest.mark.parametrize(
    "args",
    [
        ["consume"],
        ["consume", "a b"],
        ["consume", "t/x"],
        ["consume", "t/10000"],
        ["consume", "t", "--from", "-1"],
        ["consume", "t", "--from", "yesterday"],
        ["consume", "t", "--count", "-1"],
        ["consume", "t", "--format", "xml"],
        ["consume", "t", "--server", "a:b"],
        ["produce", "../x", "message"],
        ["topic", "create", ""],
        ["topic", "create", "t", "--partitions", "0"],
        ["topic", "create", "t", "--set", "retention.ms"],
        ["topic", "alter", "t"],
        ["topic", "explode"],
    ],
)
def test_a_wrong_command_line_is_code_2(args: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent for a command line that cannot be meant: there is not even a broker here."""
    monkeypatch.setenv("LOGMQ_SERVER", "127.0.0.1:1")
    assert logmq(*args) == 2


def test_a_reader_that_leaves_ends_the_command_silently(broker: ScriptedBroker) -> None:
    """`logmq consume t | head -1` prints one line and no word of complaint."""
    broker.topics[b"t"] = [b"x" * 100] * 10_000
    shown = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m logmq consume t | head -n 1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        check=False,
    )
    assert shown.stdout == b"x" * 100 + b"\n"
    assert shown.stderr == b""
    assert shown.returncode == 141


def test_ctrl_c_is_code_130_without_a_trace(broker: ScriptedBroker) -> None:
    """A follower that is interrupted has printed what came, and ends as shells expect."""
    broker.topics[b"t"] = [b"first"]
    broker.ends[b"t"] = 9
    with subprocess.Popen(
        [sys.executable, "-m", "logmq", "consume", "t", "--follow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"first\n"
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr.read().strip() == b""


def test_the_page_lists_every_code() -> None:
    """The table of docs/cli.md has exactly the codes that exist here."""
    section = DOCS.read_text().split("\n## Exit codes\n")[1].split("\n## ")[0]
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.M)]
    assert listed == [code.value for code in ExitCode]
