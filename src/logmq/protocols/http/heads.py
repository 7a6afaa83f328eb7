"""What is wrong with the head of a request beyond its syntax, which the parser has checked. Pure functions on bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from logmq.protocols.http.problems import MalformedRequest, NotImplementedHere, WrongVersion

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Names are in lower case."""

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\[\]\\,]*)(?::[0-9]{0,5})?")


def check_head(method: bytes, version: str, target: bytes, headers: Headers) -> None:
    """Raises: RequestProblem, if two servers could understand the request differently, or we cannot at all."""
    if version not in {"1.0", "1.1"}:
        raise WrongVersion(f"HTTP/{version} is not spoken here; use HTTP/1.1")
    if method == b"CONNECT":
        raise NotImplementedHere("this is a broker, no proxy: CONNECT leads nowhere")
    if not target.startswith(b"/") and target != b"*" and authority_of(target) is None:
        raise MalformedRequest("the target of the request is no path; it begins with a slash")
    _check_encoding(version, _values(headers, b"transfer-encoding"))
    hosts = _values(headers, b"host")
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise MalformedRequest("the request must have one header Host, no more and no fewer (RFC 9112, 3.2)")
    for host in (*hosts, authority_of(target) or b""):
        if _HOST.fullmatch(host) is None:
            raise MalformedRequest("the header Host is no name and port")


def _check_encoding(version: str, encodings: Sequence[bytes]) -> None:
    if not encodings:
        return
    if version == "1.0":
        raise MalformedRequest("HTTP/1.0 has no Transfer-Encoding")
    if [each.strip().lower() for each in encodings] != [b"chunked"]:
        raise NotImplementedHere("Transfer-Encoding can be chunked and nothing else")


def authority_of(target: bytes) -> bytes | None:
    """Host and port of a target that is a whole URL, as proxies send them."""
    match = _ABSOLUTE.match(target)
    return None if match is None else match[1]


def has_body(headers: Headers) -> bool:
    """Whether a body follows the head."""
    lengths = _values(headers, b"content-length")
    return bool(_values(headers, b"transfer-encoding")) or any(length.strip(b"0") for length in lengths)


def without_upgrade(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """The head anew, without the wish for another protocol."""
    lines = [b" ".join((method, target, b"HTTP/" + version.encode()))]
    for name, value in headers:
        if name == b"connection":
            kept = [
                token for token in value.split(b",") if token.strip().lower() not in {b"upgrade", b"http2-settings"}
            ]
            lines.append(b"connection: " + b",".join(kept))
        elif name not in {b"upgrade", b"http2-settings"}:
            lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _values(headers: Headers, wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]
