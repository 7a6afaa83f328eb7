"""Where a broker listens, as a person writes it."""

from __future__ import annotations

from dataclasses import dataclass

PORT = 8080


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read `host:port`, `host`, `:port` or `[IPv6]:port`; the host defaults to 127.0.0.1, the port to 8080.

    Raises:
        ValueError: the text is none of these.
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or rest[:1] not in ("", ":"):
            raise _invalid(text)
        port = rest[1:]
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if not text or not host.isprintable() or " " in host or not (port == "" or _is_port(port)):
        raise _invalid(text)
    return Address(host or "127.0.0.1", int(port) if port else PORT)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text[:6]) < 1 << 16


def _invalid(text: str) -> ValueError:
    return ValueError(f"{text!r} is not an address: write host:port, such as 127.0.0.1:8080 or [::1]:8080")
