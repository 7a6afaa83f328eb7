"""How many members a group is about to have, told by who asks for its coordinator. Time is moved by hand."""

from __future__ import annotations

import pytest
from tests.unit.protocols.kafka.kafka_session import MovedClock

from logmq.broker.groups.expected import ExpectedMembers


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def expected(clock: MovedClock) -> ExpectedMembers:
    return ExpectedMembers(clock)


def test_connections_count_while_they_are_open(expected: ExpectedMembers, clock: MovedClock) -> None:
    """Each counts once, for the group that it asked for last, until it is closed."""
    for connection in "abc":
        expected.ask(connection, "billing")
        expected.ask(connection, "billing")
    expected.ask("c", "mail")
    assert (expected.count("billing"), expected.count("mail"), expected.count("other")) == (2, 1, 0)
    clock.seconds += 3600
    expected.close("a")
    expected.close("never asked")
    assert (expected.count("billing"), expected.count("mail")) == (1, 1)


def test_a_client_that_asks_over_two_connections_counts_once(expected: ExpectedMembers) -> None:
    """librdkafka closes its first connection, over which it has asked, and asks over another one."""
    expected.ask("first", "billing")
    expected.close("first")
    assert expected.count("billing") == 1
    expected.ask("second", "billing")
    assert expected.count("billing") == 1


def test_clients_between_two_connections_count(expected: ExpectedMembers, clock: MovedClock) -> None:
    """Who has asked and closed may be about to join, for a quarter of a second."""
    for connection in range(10):
        expected.ask(connection, "billing")
        expected.close(connection)
        clock.seconds += 0.02
    assert expected.count("billing") == 10
    clock.seconds += 0.06
    assert expected.count("billing") == 9
    clock.seconds += 0.25
    assert expected.count("billing") == 0


def test_who_asked_long_before_it_closed_has_gone(expected: ExpectedMembers, clock: MovedClock) -> None:
    """A member that ends is not taken for one that begins."""
    expected.ask("old", "billing")
    clock.seconds += 1
    expected.close("old")
    expected.ask("new", "billing")
    assert expected.count("billing") == 1


def test_nothing_is_kept(expected: ExpectedMembers, clock: MovedClock) -> None:
    """Of connections that are gone nothing stays in memory, and nothing of groups that nobody asks for."""
    for connection in range(1000):
        expected.ask(connection, f"group {connection}")
        expected.close(connection)
    clock.seconds += 1
    expected.count("any")
    assert not expected._asked and not expected._closed
    assert not expected._open_counts and not expected._closed_counts
