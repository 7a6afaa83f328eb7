"""Addresses to listen on: which texts are read, and which are not."""

from __future__ import annotations

import pytest

from logmq.config import SETTINGS, ListenAddress

LISTEN = SETTINGS["listen"].kind


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("kafka://0.0.0.0:9092", ListenAddress("kafka", "0.0.0.0", 9092)),
        ("text://localhost:0", ListenAddress("text", "localhost", 0)),
        ("http://[::1]:8081", ListenAddress("http", "::1", 8081)),
        ("any://[fe80::1%eth0]:8080", ListenAddress("any", "fe80::1%eth0", 8080)),
    ],
)
def test_an_address_reads_and_shows_as_it_is_written(text: str, address: ListenAddress) -> None:
    """Protocol, host and port; an IPv6 address takes brackets in both directions."""
    assert ListenAddress.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9092",
        "localhost:9092",
        "kafka://9092",
        "kafka://:9092",
        "kafka://localhost",
        "kafka://localhost:65536",
        "kafka://localhost:",
        "kafka://::1:9092",
        "kafka://me@localhost:1",
        "kafka://localhost:1/path",
        "amqp://localhost:5672",
        "kafka://local\x00host:1",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """A protocol that is not spoken, a missing host or port, anything behind them: nothing is guessed."""
    with pytest.raises(ValueError):
        ListenAddress.parse(text)


def test_several_addresses_stand_with_commas_between() -> None:
    """The protocol may be written in any case; `none` and the empty tuple are the same."""
    both = (ListenAddress("kafka", "a", 1), ListenAddress("text", "::1", 2))
    assert LISTEN.parse("KAFKA://a:1, text://[::1]:2") == both
    assert LISTEN.show(both) == "kafka://a:1,text://[::1]:2"
    assert LISTEN.parse("none") == () and LISTEN.show(()) == "none"


@pytest.mark.parametrize("text", ["kafka://a:1,text://a:1", ",".join(f"any://a:{port}" for port in range(1, 18)), ","])
def test_an_address_stands_once_and_there_are_so_many(text: str) -> None:
    """The same place for two protocols, or more places than a list without a mistake would have, are refused."""
    with pytest.raises(ValueError):
        LISTEN.parse(text)


@pytest.mark.parametrize(("text", "address"), [("a:1", ("a", 1)), ("[::1]:9092", ("::1", 9092)), ("none", None)])
def test_an_advertised_address_reads_and_shows(text: str, address: tuple[str, int] | None) -> None:
    """A host and a port; one that the system chooses could not be told to anybody."""
    kind = SETTINGS["advertise"].kind
    assert kind.parse(text) == address and kind.show(address) == text
    for wrong in ("a", "a:0", "a:70000", "kafka://a:1", ""):
        with pytest.raises(ValueError):
            kind.parse(wrong)


def test_the_system_may_choose_more_than_one_port() -> None:
    """Port 0 may stand more than once: each gets a port of its own."""
    assert len(LISTEN.parse("kafka://a:0,kafka://a:0")) == 2
