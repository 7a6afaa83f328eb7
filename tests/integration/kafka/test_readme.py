"""What the README shows of Kafka clients happens as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.kafka.clients import CLIENTS

README = (Path(__file__).parents[3] / "README.md").read_text()
CONFLUENT = CLIENTS[0]


def block(language: str, word: str) -> str:
    """The README's code block in a language that has this word in it."""
    found = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (one,) = [code for code in found if word in code]
    return str(one)


@pytest.mark.skipif(shutil.which("kcat") is None or shutil.which("nc") is None, reason="needs kcat and nc")
def test_one_topic_every_client(broker: BrokerProcess, tmp_path: Path) -> None:
    """nc, kcat, Python and curl write to one topic and read each other's messages, with the output that is shown."""
    reason = CONFLUENT.missing()
    if reason is not None:
        pytest.skip(reason)
    for step in block("console", "kcat").split("$ ")[1:]:
        command, _, shown = step.partition("\n")
        command = command.replace("8080", str(broker.port))
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, check=True)
        assert done.stdout == shown
    session = tmp_path / "session.txt"
    session.write_text(block("pycon", "Consumer").replace("8080", str(broker.port)))
    checked = subprocess.run(
        [sys.executable, "-m", "doctest", str(session)], capture_output=True, text=True, timeout=30, check=False
    )
    assert checked.returncode == 0, checked.stdout
    for step in block("console", "curl").split("$ ")[1:]:
        command, _, shown = step.partition("\n")
        command = command.replace("8080", str(broker.port)).replace("curl", "curl -s", 1)
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, check=True)
        assert done.stdout.strip() == shown.strip()
