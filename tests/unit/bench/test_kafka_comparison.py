"""The comparison with Kafka's brokers: goals, medians and tables are worked out rightly, and its batches are true."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from bench.kafka import usage
from bench.kafka.batches import batch, varint
from bench.kafka.brokers import APACHE, CEILING, OWN, Broker
from bench.kafka.figures import FIGURES, Figure
from bench.kafka.report import from_json, table, to_json
from bench.kafka.rounds import Comparison, Settings, compare
from bench.peers.process import ServerProcess

from logmq.records import batches
from logmq.records.records import decode

SETTINGS = Settings(1, 3.0, 1.0, (), Path())
FACTS = {"date": "2026-11-24"}


@pytest.mark.parametrize(
    ("figure", "values", "met"),
    [
        (Figure("f", "", "", over_peer=APACHE), {OWN: 100.0, APACHE: 100.0}, True),
        (Figure("f", "", "", over_peer=APACHE), {OWN: 99.9, APACHE: 100.0}, False),
        (Figure("f", "", "", over_peer=CEILING, ratio=0.9), {OWN: 90.0, CEILING: 100.0}, True),
        (Figure("f", "", "", over_peer=CEILING, ratio=0.9), {OWN: 89.9, CEILING: 100.0}, False),
        (Figure("f", "", "", over_peer=CEILING), {OWN: 89.9}, None),
        (Figure("f", "", "", at_least=20), {OWN: 20.0}, True),
        (Figure("f", "", "", at_least=20), {OWN: 19.0, APACHE: 99.0}, False),
        (Figure("f", "", "", under=10), {OWN: 9.9}, True),
        (Figure("f", "", "", under=10), {OWN: 10.0}, False),
        (Figure("f", "", "", under=10), {APACHE: 1.0}, None),
        (Figure("f", "", ""), {OWN: 1.0}, None),
    ],
)
def test_goals(figure: Figure, values: Mapping[str, float], met: bool | None) -> None:
    """A goal is met by LogMQ's own figure, if need be beside its peer's in the same run, or there is nothing to say."""
    assert figure.met({"f": values}) is met
    assert figure.met({}) is None


def test_goals_in_words() -> None:
    """The table says the goal with the figure's own digits."""
    assert Figure("f", "", "", over_peer=CEILING, ratio=0.9).goal() == "0.9x the client's ceiling"
    assert Figure("f", "", "", at_least=20_000).goal() == "at least 20,000"
    assert Figure("f", "", "", ".2f", under=2.5).goal() == "under 2.50"
    assert Figure("f", "", "").goal() == ""


def filled() -> Comparison:
    """Three rounds of one figure."""
    comparison = Comparison(SETTINGS, {OWN: "0.1", APACHE: "4"})
    for rate in (1000.0, 3000.0, 2000.0):
        comparison.add(OWN, {"produce-1024-rate": rate})
        comparison.add(APACHE, {"produce-1024-rate": rate + 1})
    return comparison


def test_the_table_has_medians() -> None:
    """A row has each broker's median, and whether the goal was met; a broker that lacks the figure has a dash."""
    comparison = filled()
    comparison.versions[CEILING] = "1"
    (row,) = [line for line in table(comparison) if line.startswith("| produce, 1 KiB | messages/s")]
    assert row == "| produce, 1 KiB | messages/s | 2,000 | 2,001 | - | 1x Apache Kafka: MISSED |"


def test_a_comparison_goes_on() -> None:
    """What was written is taken up again with all its rounds, and more are added to it."""
    first = filled()
    first.failures.append("LogMQ, idle: none")
    written = json.loads(json.dumps(to_json(first, FACTS)))
    again = from_json(written, SETTINGS)
    again.add(OWN, {"produce-1024-rate": 9000.0})
    assert (again.rounds, again.versions, again.failures) == (4, first.versions, first.failures)
    assert again.medians()["produce-1024-rate"] == {OWN: 2500.0, APACHE: 2001.0}
    with pytest.raises(ValueError, match="duration"):
        from_json(written, Settings(1, 2.0, 1.0, (), Path()))


class Missing:
    """A broker that is not installed."""

    name = "nowhere"
    stores = True

    def version(self) -> str:
        raise FileNotFoundError("it is not installed: install it")

    def start(self, directory: Path) -> ServerProcess:
        raise AssertionError(f"started in {directory}")


def test_a_broker_that_is_not_installed_is_left_out() -> None:
    """It is named as a failure, and nothing of it is run."""
    missing: Broker = Missing()
    comparison = Comparison(SETTINGS)
    compare([missing], comparison)
    assert comparison.failures == ["nowhere: it is not installed: install it"]
    assert not comparison.versions and not comparison.values


def test_every_figure_has_a_name_of_its_own() -> None:
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)


@pytest.mark.parametrize("value", [0, -1, 1, 63, 64, -64, -65, 300, 1 << 40])
def test_varints(value: int) -> None:
    """Zigzag: the sign is the lowest bit."""
    decoded = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(varint(value)))
    assert (decoded >> 1) ^ -(decoded & 1) == value


@pytest.mark.parametrize(("size", "count"), [(100, 1), (1024, 900)])
def test_batches(size: int, count: int) -> None:
    """The prebuilt batches are what the broker itself takes for true."""
    made = batch(size, count)
    ((_, header),) = batches.check(made)
    assert header.record_count == count
    assert {len(record.value or b"") for record in decode(made, 1 << 22)} == {size}


def test_usage_counts_children() -> None:
    """CPU and memory are those of the whole process tree."""
    busy = "import time\nwhile time.process_time() < 0.2: pass\nprint('done', flush=True)\ntime.sleep(60)"
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}])"],
        stdout=subprocess.PIPE,
    )
    try:
        assert parent.stdout is not None and parent.stdout.readline() == b"done\n"
        assert len(usage.tree(parent.pid)) == 2
        assert usage.cpu_s(parent.pid) >= 0.2
        assert usage.memory_bytes(parent.pid) > usage.memory_bytes(os.getpid()) / 100
    finally:
        for pid in reversed(usage.tree(parent.pid)):
            os.kill(pid, 9)
        parent.communicate()
