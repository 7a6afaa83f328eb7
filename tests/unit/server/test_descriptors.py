"""Connections never take the descriptors that files need."""

from __future__ import annotations

import resource

import pytest

from logmq.config import Config
from logmq.limits import DESCRIPTOR_RESERVE
from logmq.server.descriptors import with_connections_that_fit


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [
        (1_000_000, 10_000),
        (resource.RLIM_INFINITY, 10_000),
        (10_000 + DESCRIPTOR_RESERVE, 10_000),
        (10_000, 10_000 - DESCRIPTOR_RESERVE),
        (4096, 2048),
        (100, 50),
        (1, 1),
    ],
)
def test_connections_fit(descriptors: int, connections: int, caplog: pytest.LogCaptureFixture) -> None:
    """With enough descriptors nothing changes and nothing is said; with fewer the rest, but at least half, is left."""
    config = Config()
    fitting = with_connections_that_fit(config, descriptors)
    assert fitting.connections_max == connections
    assert (fitting is config) == (not caplog.records)
