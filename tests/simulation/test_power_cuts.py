"""The crash campaign: the power goes, or the process, at any change of the disk, again and again."""

from __future__ import annotations

import pytest
from tests.simulation import campaign
from tests.simulation.campaign import Tally
from tests.simulation.seeds import seeds

_BLOCK = 50


@pytest.mark.parametrize("seed", seeds(100))
def test_what_was_synced_survives_every_end_and_nothing_else_is_served(seed: int) -> None:
    """G1 and G2: after each power cut and kill the logs are in a state they were in, none earlier than the last sync
    (after a kill: the last write), every record that was read included, byte for byte in files and answers."""
    campaign.run(seed)


@pytest.mark.parametrize("seed", seeds(20))
def test_no_payload_passes_for_a_record_of_the_journal(seed: int) -> None:
    """G2: the same for payloads that are journal records in all but the salt."""
    campaign.run(seed, hostile=True)


@pytest.mark.parametrize("seed", seeds(4))
def test_the_power_may_go_at_any_change(seed: int) -> None:
    """The same for a cut at each single change of a short life: commits, rolls and a whole checkpoint."""
    assert campaign.sweep(seed) > 50


def test_the_campaign_reaches_what_it_is_there_for() -> None:
    """The normal run has over 100 cuts, and comes to rolls, spans, undone commits and whatever recovery handles."""
    total = Tally()
    for seed in range(15):
        total.add(campaign.run(seed))
    print(total)
    assert total.cuts + total.kills > 100
    for place in (
        "commits replayed",
        "commits undone",
        "files cut",
        "segments begun",
        "segments deleted",
        "checkpoints",
        "spans",
        "other journal files",
        "recoveries cut off",
    ):
        assert total.reached[place] > 0, place


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(32))
def test_ten_thousand_ends(block: int) -> None:
    """The same for over 10,000 cuts and kills."""
    for seed in range(block * _BLOCK, (block + 1) * _BLOCK):
        campaign.run(seed)
