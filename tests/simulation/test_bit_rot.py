"""One flipped bit at rest, anywhere: in a log, an index, the journal or the checkpoint."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.simulation import rot
from tests.simulation.seeds import seeds

_BLOCK = 250


@pytest.mark.parametrize("first", seeds(150)[::25])
def test_a_flipped_bit_is_never_served_and_nothing_is_lost_in_silence(first: int) -> None:
    """G3: after a clean stop, a kill or a power cut, every record is served as it was sent or its exact range answered
    with an error; nothing else is lost; appends go on behind the damage and never over it."""
    for seed in range(first, first + 25):
        rot.run(seed)


def test_the_flips_strike_everywhere() -> None:
    """Bits flip in files of each kind after each kind of end, and records are damaged by some of them."""
    outcomes = [rot.run(seed) for seed in range(100)]
    assert len(Counter((outcome.flip.kind, outcome.end) for outcome in outcomes)) == 12
    assert any(outcome.ranges for outcome in outcomes)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(40))
def test_ten_thousand_flips(block: int) -> None:
    """The same for 10,000 flips."""
    for seed in range(block * _BLOCK, (block + 1) * _BLOCK):
        rot.run(seed)
