"""What a broker printed is shown when a test of faults fails."""

from __future__ import annotations

from tests.integration.on_failure import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]
