"""What a client is told, in its own protocol, when a port does not take it. Kafka has no words for that."""

from __future__ import annotations

import json

TLS_ALERT = bytes.fromhex("15 0303 0002 02 28")
"""A TLS record: an alert, of two bytes: fatal, handshake_failure (RFC 8446, section 6)."""

_TLS_REQUIRED = "this port takes clients with TLS alone"


def http_not_spoken(words: str, *, with_body: bool) -> bytes:
    """An HTTP answer that says so."""
    return _answer("501 Not Implemented", "text/plain; charset=utf-8", f"{words}\n", with_body=with_body)


def text_not_spoken(words: str) -> bytes:
    """A line of text that says so."""
    return f"ERR WRONG_PROTOCOL {words}\n".encode()


def http_needs_tls(*, with_body: bool) -> bytes:
    """A problem document. Its status is 400 as other servers' is: 426 would promise that TLS can begin from here."""
    problem = {
        "type": "urn:logmq:error:tls-required",
        "title": "Tls required",
        "status": 400,
        "code": "TLS_REQUIRED",
        "detail": f"T{_TLS_REQUIRED[1:]}: begin the address with https://",
    }
    return _answer("400 Bad Request", "application/problem+json", json.dumps(problem), with_body=with_body)


def text_needs_tls() -> bytes:
    """A line of text that says so."""
    return f"ERR TLS_REQUIRED {_TLS_REQUIRED}: openssl s_client -quiet -connect HOST:PORT, or logmqs://HOST:PORT\n".encode()


def _answer(status: str, content_type: str, body: str, *, with_body: bool) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return (head + (body if with_body else "")).encode()
