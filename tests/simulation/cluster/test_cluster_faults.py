"""Whatever brokers and services do, what was acknowledged is there once, in order, and never another."""

from __future__ import annotations

import pytest
from tests.simulation.cluster.campaign import Campaign, Ledger
from tests.simulation.cluster.virtual_time import run


def live(seed: int, length_s: float = 120.0) -> Ledger:
    ledger = run(Campaign(seed, length_s).run())
    assert not ledger.violations, (seed, ledger.violations[:5])
    return ledger


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_doubled_or_forked(seed: int) -> None:
    """Crashes, freezes, lost answers, late and repeated calls."""
    ledger = live(seed)
    assert ledger.takeovers > 1
    assert len(ledger.acknowledged) > 100
