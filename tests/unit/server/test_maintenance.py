"""Background work goes on whatever happens to it."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

import pytest

from logmq.server.maintenance import maintain
from logmq.storage.engine import LogStore


class Store:
    """Fails as often as it is told to, then works."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    async def maintain(self) -> None:
        self.calls += 1
        if self.calls <= self.failures:
            raise ZeroDivisionError(f"bug {self.calls}")


async def test_an_unexpected_error_is_said_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """Each failure is logged with its traceback; the pauses grow to a minute, and are short again after a success."""
    store, pauses = Store(failures=7), []

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) > 9:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await maintain(cast(LogStore, store), sleep)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 1, 1]
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [str(record.exc_info[1]) for record in errors if record.exc_info] == [f"bug {n}" for n in range(1, 8)]
