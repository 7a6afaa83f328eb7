"""The conformance suite of the Durable Streams protocol against a real broker.

Its runner is Node's; .ci/durable-streams installs it where $DURABLE_STREAMS_DIR says. Without it these tests skip.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.integration.broker import BrokerProcess

SUITE = Path(os.environ.get("DURABLE_STREAMS_DIR") or Path.home() / ".cache" / "logmq-durable-streams")
RUNNER = SUITE / "node_modules" / ".bin" / "vitest"

SLOW = "TTL Expiration Behavior|Fork - TTL and Expiry|Property-Based Tests"
"""Parts of the suite that wait for seconds or ask thousands of times."""

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not RUNNER.exists(), reason="Node or the conformance suite is not installed"
)


def run_suite(directory: Path, names: str) -> dict[str, Any]:
    """Run the tests whose names match; returns the runner's report."""
    report = directory / "report.json"
    flags = ["--stream-long-poll-ms=300ms", "--http-allowed-origins=https://example.com", "--sync=never"]
    with BrokerProcess(directory / "data", *flags) as broker:
        command = [str(RUNNER), "run", "--root", str(SUITE), "--testTimeout=30000", "--reporter=json"]
        command += [f"--outputFile={report}", f"--testNamePattern={names}"]
        variables = os.environ | {"CONFORMANCE_TEST_URL": f"http://127.0.0.1:{broker.port}"}
        done = subprocess.run(command, env=variables, capture_output=True, timeout=150, check=False)
        assert report.exists(), done.stdout.decode() + done.stderr.decode()
    made: dict[str, Any] = json.loads(report.read_text())
    return made


def failures(report: dict[str, Any]) -> list[str]:
    return [
        f"{test['fullName']}: {''.join(test['failureMessages'])[:300]}"
        for file in report["testResults"]
        for test in file["assertionResults"]
        if test["status"] == "failed"
    ]


def test_the_suite_passes_but_for_what_waits(tmp_path: Path) -> None:
    """All of it but the slow parts, which the long tests run."""
    report = run_suite(tmp_path, f"^(?!.*({SLOW}))")
    assert failures(report) == []
    assert report["numPassedTests"] >= 280


@pytest.mark.long
@pytest.mark.timeout(200)
def test_the_whole_suite_passes(tmp_path: Path) -> None:
    """Only what the suite itself turns off is left out: subscriptions, an optional part of the protocol."""
    report = run_suite(tmp_path, ".")
    assert failures(report) == []
    assert report["numPassedTests"] >= 332
