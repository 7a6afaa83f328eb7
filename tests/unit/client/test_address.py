"""Addresses as people write them."""

from __future__ import annotations

import pytest

from logmq.client.address import Address, parse_address
from logmq.client.tls import ClientTls


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


@pytest.mark.parametrize(
    ("text", "host", "tls"),
    [
        ("logmqs://example.com", "example.com", ClientTls()),
        ("logmqs://[::1]:8080?ca=ca.pem", "::1", ClientTls(ca="ca.pem")),
        ("logmqs://a/?ca=/a%26b.pem&cert=me.pem&key=k=1.pem", "a", ClientTls("/a&b.pem", "me.pem", "k=1.pem")),
        ("logmqs://a:8080?verify=no", "a", ClientTls(verify=False)),
        ("logmq://a", "a", None),
    ],
)
def test_logmqs_is_tls(text: str, host: str, tls: ClientTls | None) -> None:
    """How the broker is checked, and which certificate it is shown, may stand behind."""
    assert parse_address(text) == Address(host, 8080, tls)


@pytest.mark.parametrize(
    "text",
    ["logmqs://", "logmqs://a?ca", "logmqs://a?ca=", "logmqs://a?x=1", "logmqs://a?verify=maybe", "logmqs://a?key=k",
     "logmqs://a?ca=1&ca=2", "https://a", "a?ca=x"],
)  # fmt: skip
def test_options_that_do_not_exist_are_refused(text: str) -> None:
    """A mistake must not become a connection without TLS, or without a check."""
    with pytest.raises(ValueError, match="is not an address"):
        parse_address(text)


@pytest.mark.parametrize("text", ["example.com:9000", "[::1]:9000", "logmqs://[::1]:9000"])
def test_an_address_prints_as_it_is_read(text: str) -> None:
    """Messages show an address that can be used again."""
    assert str(parse_address(text)) == text
