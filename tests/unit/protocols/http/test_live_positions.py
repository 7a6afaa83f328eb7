"""Where a live subscriber is, as the ids of events say it."""

from __future__ import annotations

import pytest

from logmq.protocols.http.live.positions import Positions, parse
from logmq.protocols.http.problems import InvalidInput


def test_an_id_of_one_partition_is_the_offset_of_the_last_record() -> None:
    """The stream goes on behind it; -1 is before the first record."""
    assert Positions({3: 42}, follows_all=False).render() == "41"
    assert Positions({0: 0}, follows_all=True).render() == "-1"
    assert parse("41") == 42
    assert parse("-1") == 0


def test_an_id_of_several_partitions_names_all_of_them() -> None:
    """Those too that nothing was sent of: after a reconnect nothing is lost and nothing comes twice."""
    positions = Positions({0: 42, 1: 0, 2: 8}, follows_all=True)
    assert positions.render() == "0=41,1=-1,2=7"
    assert parse(positions.render()) == positions


def test_a_record_changes_its_own_part_of_the_id() -> None:
    """What stands before and behind the record's offset is the same for all records of a piece of a partition."""
    positions = Positions({0: 42, 1: 0, 2: 8}, follows_all=True)
    assert positions.around(1) == ("0=41,1=", ",2=7")
    assert positions.around(2) == ("0=41,1=-1,2=", "")
    assert Positions({1: 5}, follows_all=False).around(1) == ("", "")


def test_a_partition_that_comes_later_changes_the_form() -> None:
    """A topic of one partition that got a second one has ids of the longer form from then on."""
    positions = Positions({0: 42}, follows_all=True)
    assert positions.render() == "41"
    positions[1] = 0
    assert positions.render() == "0=41,1=-1"


@pytest.mark.parametrize(
    "text", ["", "x", "-2", "1.5", "0=", "=1", "0=1,", "0=1,2", "0=-2", "1" * 30, "٣", "0=1;1=2", "0=1,1=2 "]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text)
