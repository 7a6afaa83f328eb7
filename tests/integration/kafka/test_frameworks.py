"""Frameworks on top of Kafka clients ask more of a broker than these do: settings, changelogs, admin."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.kafka.clients import INSTALLED

pytestmark = pytest.mark.long

APPS = Path(__file__).parent / "frameworks"
PYTHON = INSTALLED / "frameworks" / "bin" / "python"
"""An environment of their own: they want other versions of the clients than the other tests have."""


def run_app(app: str, broker: BrokerProcess, name: str) -> list[str]:
    """The lines that an application printed."""
    if not (INSTALLED / "frameworks" / ".complete").exists():
        pytest.skip(f"{PYTHON} is not there (.ci/kafka-clients)")
    command = [str(PYTHON), str(APPS / app), f"127.0.0.1:{broker.port}", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_quix_streams_keeps_its_state(broker: BrokerProcess, topic_name: str) -> None:
    """A stateful application makes its topics and its changelog, and counts each message once."""
    totals = [number * (number + 1) // 2 for number in range(10)]
    assert run_app("quixstreams_app.py", broker, topic_name) == [f'{{"total":{total}}}' for total in totals]


def test_faststream_handlers_pass_messages_on(broker: BrokerProcess, topic_name: str) -> None:
    """Each message goes from handler to handler through two topics."""
    assert sorted(map(int, run_app("faststream_app.py", broker, topic_name))) == list(range(0, 20, 2))
