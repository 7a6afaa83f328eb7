from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from logmq.cli.bench import app

QUICK = ["--duration", "100ms", "--warmup", "0"]


def bench(*words: str, port: int) -> Result:
    """Run `logmq bench` with these words."""
    return CliRunner().invoke(app, [*words, "--server", f"127.0.0.1:{port}"], catch_exceptions=False)


@pytest.mark.parametrize(
    "words",
    [
        ["produce"],
        ["produce", "--clients", "3", "--pipeline", "50", "--size", "1KiB"],
        ["produce", "--rate", "1000", "--topic", "t/2"],
        ["consume", "--pipeline", "10"],
        ["consume", "--mode", "many", "--batch", "10"],
    ],
    ids=" ".join,
)
def test_a_load_ends_with_a_table(words: list[str], broker_port: int) -> None:
    """Standard output has a line of figures for the load, and the exit code is 0."""
    result = bench(*words, *QUICK, port=broker_port)
    assert result.exit_code == 0, result.output
    figures = result.stdout.splitlines()[1].split()
    assert figures[0] == words[0]
    assert int(figures[1].replace(",", "")) > 0
    assert figures[-1] == "0"


def test_follow_reads_what_is_there(broker_port: int) -> None:
    """It ends after the messages that the topic held, without a latency, which a stream does not have."""
    result = bench("consume", "--mode", "follow", "--duration", "30s", port=broker_port)
    assert result.exit_code == 0
    assert re.match(r"follow +[\d,]+ +[\d.]+ +- +- +- +- +0", result.stdout.splitlines()[1])


def test_mixed_shows_both_sides(broker_port: int) -> None:
    """Producers and followers have a line each."""
    result = bench("mixed", *QUICK, port=broker_port)
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == ["produce", "deliver"]


def test_refusals_are_shown_and_the_exit_code_is_one(broker_port: int) -> None:
    """What the broker said stands on standard error, with its count."""
    result = bench("produce", "--topic", "refused", *QUICK, port=broker_port)
    assert result.exit_code == 1
    assert re.search(r"produce: [\d,]+ x ERR DISK_FULL the disk is full", result.stderr)


def test_a_rate_not_reached_is_said(broker_port: int) -> None:
    """One client at a time cannot send ten million a second."""
    result = bench("produce", "--rate", "1e7", *QUICK, port=broker_port)
    assert "the rate of 1e+07/s was not reached" in result.stderr


def test_json_has_everything(broker_port: int, tmp_path: Path) -> None:
    """Figures with their units in the names, what was asked for, and the whole histogram."""
    file = tmp_path / "figures.json"
    assert bench("produce", "--json", str(file), *QUICK, port=broker_port).exit_code == 0
    document = json.loads(file.read_text())
    assert document["loads"]["produce"]["pipeline"] == 1
    figures = document["results"]["produce"]
    assert {"p50", "p99", "p99.9", "max"} == set(figures["latency_us"])
    assert sum(count for _, count in figures["latency_buckets_ns"]) == figures["messages"] > 0


def test_json_to_stdout_is_nothing_but_json(broker_port: int) -> None:
    """`--json -` suits a pipe."""
    result = bench("produce", "--json", "-", *QUICK, port=broker_port)
    assert json.loads(result.stdout)["results"]["produce"]["messages"] > 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["consume", "--topic", "empty"], "fill it first"),
        (["mixed", "--size", "19"], "20 bytes"),
        (["produce", "--topic", "t/one"], "not a partition"),
        (["produce", "--duration", "soon"], "write it like"),
        (["produce", "--pipeline", "0"], "than or equal to 1"),
    ],
)
def test_what_cannot_be_measured_is_a_usage_error(words: list[str], complaint: str, broker_port: int) -> None:
    """Exit code 2 and words that say what to do."""
    result = bench(*words, port=broker_port)
    assert result.exit_code == 2
    assert complaint in result.stderr
