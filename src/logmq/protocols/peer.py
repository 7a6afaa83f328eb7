"""Who is at the other end of a connection, as far as the connection itself can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

_SHORT_NAMES: Mapping[str, str] = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}
"""The names that RFC 4514 abbreviates."""


def principal_of(transport: asyncio.BaseTransport) -> str | None:
    """The subject of the certificate that the client has shown and the broker has verified; None without one.

    It is written as Kafka writes it (RFC 4514, most specific part first): `CN=billing,O=Example`.
    """
    certificate = transport.get_extra_info("peercert")
    return distinguished_name(certificate["subject"]) if certificate else None


def distinguished_name(subject: Any) -> str:
    """A subject, as `ssl.SSLSocket.getpeercert` gives it, in the words of RFC 4514."""
    parts = ["+".join(f"{_SHORT_NAMES.get(name, name)}={_escaped(value)}" for name, value in part) for part in subject]
    return ",".join(reversed(parts))


def _escaped(value: str) -> str:
    text = "".join(f"\\{character}" if character in '\\"+,;<>' else character for character in value)
    text = text.replace("\0", "\\00")
    if text[:1] in ("#", " "):
        text = "\\" + text
    if text.endswith(" ") and len(value) > 1:
        text = text[:-1] + "\\ "
    return text
