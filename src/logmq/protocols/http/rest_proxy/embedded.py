"""Keys and values as they stand in a request: base64, any JSON, or text."""

from __future__ import annotations

import binascii
from typing import Literal, TypeAlias

import msgspec
from msgspec import Raw

from logmq.protocols.http.problems import InvalidInput

Embedding: TypeAlias = Literal["BINARY", "JSON", "STRING"]


def embedded(given: Raw, kind: Embedding, name: str) -> bytes | None:
    """The bytes that are embedded as JSON; null is null whatever the kind. Raises: InvalidInput."""
    text = bytes(given)
    if text == b"null":
        return None
    if kind == "JSON":
        return text
    if not text.startswith(b'"'):
        raise InvalidInput(f"{name} is no {'base64' if kind == 'BINARY' else 'string'}", name)
    string = _STRING.decode(text)
    if kind == "STRING":
        return string.encode()
    try:
        return binascii.a2b_base64(string, strict_mode=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"{name} is no base64", name) from None


_STRING = msgspec.json.Decoder(str)
