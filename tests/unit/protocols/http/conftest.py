"""A broker for the HTTP API's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.protocols.http.http_session import HttpStage, http_stage


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[HttpStage]:
    async with http_stage(tmp_path / "data") as made:
        yield made
