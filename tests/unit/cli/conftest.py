"""A broker for the commands to talk to, found through LOGMQ_SERVER as a person would set it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.unit.client.scripted_broker import ScriptedBroker, running_in_thread


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedBroker]:
    """A broker in memory that LOGMQ_SERVER names."""
    with running_in_thread() as broker:
        monkeypatch.setenv("LOGMQ_SERVER", broker.address)
        yield broker
