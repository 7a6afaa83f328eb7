"""Whatever brokers and services do, what was acknowledged is there once, in order, and never another."""

from __future__ import annotations

import pytest
from tests.simulation.cluster.campaign import Campaign, Ledger
from tests.simulation.cluster.virtual_time import run


def live(seed: int, length_s: float = 120.0) -> Ledger:
    ledger = run(Campaign(seed, length_s).run())
    assert not ledger.violations, (seed, ledger.violations[:5])
    return ledger


@pytest.mark.parametrize("tens", range(10))
def test_nothing_is_lost_doubled_or_forked(tens: int) -> None:
    """Crashes, freezes, lost answers, late and repeated calls."""
    ledgers = [live(seed, 40.0) for seed in range(10 * tens, 10 * tens + 10)]
    assert sum(ledger.takeovers for ledger in ledgers) > 10
    assert sum(len(ledger.acknowledged) for ledger in ledgers) > 1000


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("hundreds", range(20))
def test_two_thousand_lives(hundreds: int) -> None:
    """The same at length."""
    for seed in range(100 * hundreds, 100 * hundreds + 100):
        live(seed)
