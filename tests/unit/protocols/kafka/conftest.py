"""A broker for the Kafka protocol's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.protocols.kafka.kafka_session import Stage, stage


@pytest.fixture
async def staged(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path / "data") as made:
        yield made
