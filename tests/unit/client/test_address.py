"""Addresses as people write them."""

from __future__ import annotations

import pytest

from logmq.client.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("example.com:9000", "example.com", 9000),
        ("example.com", "example.com", 8080),
        (":9000", "127.0.0.1", 9000),
        ("[::1]:9000", "::1", 9000),
        ("[::1]", "::1", 8080),
        ("::1", "::1", 8080),
    ],
)
def test_an_address_is_a_host_a_port_or_both(text: str, host: str, port: int) -> None:
    """What is left out is 127.0.0.1 and 8080; IPv6 takes brackets when a port follows."""
    assert parse_address(text) == Address(host, port)


@pytest.mark.parametrize(
    "text", ["", "a:b", "a:0", "a:65536", "a:-1", "[::1", "[::1]9000", "a b:1", "a:9" + "9" * 99, "a:²"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    """The error shows how an address is written."""
    with pytest.raises(ValueError, match=r"is not an address: write host:port, such as 127\.0\.0\.1:8080"):
        parse_address(text)


@pytest.mark.parametrize("text", ["example.com:9000", "[::1]:9000"])
def test_an_address_prints_as_it_is_read(text: str) -> None:
    """Messages show an address that can be used again."""
    assert str(parse_address(text)) == text
