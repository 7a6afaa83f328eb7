"""Brokers for integration tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.line_client import LineClient
from tests.integration.on_failure import pytest_runtest_makereport

__all__ = ["broker", "client", "pytest_runtest_makereport", "topic"]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """One broker with default settings for all tests of a file, which use topics of their own."""
    with BrokerProcess(tmp_path_factory.mktemp("broker") / "data") as broker:
        yield broker


@pytest.fixture
def client(broker: BrokerProcess) -> Iterator[LineClient]:
    """A connection to that broker."""
    with broker.client() as client:
        yield client


@pytest.fixture
def topic(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    """A topic that no other test uses."""
    return tmp_path.name.replace("[", "-").replace("]", "").encode()
