"""When a test fails, what its brokers printed is shown beside it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from tests.integration.broker import STARTED

_SHOWN_SIZE_MAX = 8000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Add a section for each broker to the report of a failed test, and forget those that have ended after each."""
    report = yield
    if report.failed:
        for broker in STARTED:
            title = f"broker {broker.pid} on {broker.data_dir}"
            report.sections.append((title, broker.output.text[-_SHOWN_SIZE_MAX:]))
    if report.when == "teardown":
        STARTED[:] = [broker for broker in STARTED if broker.is_running()]
    return report
