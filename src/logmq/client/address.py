"""Where a broker listens, as a person writes it.

broker.example.com:8080                                  as it is
logmqs://broker.example.com:8080                         with TLS, by the authorities that the system trusts
logmqs://broker.example.com?ca=ca.pem                    by those in a file
logmqs://broker.example.com?cert=me.pem&key=me-key.pem   showing a certificate
logmqs://localhost?verify=no                             whoever it is
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from logmq.client.tls import ClientTls

PORT = 8080
_PLAIN, _TLS = "logmq://", "logmqs://"
_NOT_IN_HOSTS = set(" /?")
_FILES = {"ca": "ca", "cert": "certificate", "key": "key"}


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port, and how to speak TLS there; None is not at all."""

    host: str
    port: int
    tls: ClientTls | None = None

    def __str__(self) -> str:
        place = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        return place if self.tls is None else f"{_TLS}{place}"


def parse_address(text: str) -> Address:
    """Read `host:port`, `host`, `:port` or `[IPv6]:port`; the host defaults to 127.0.0.1, the port to 8080.

    `logmqs://` before it is TLS; `?ca=FILE`, `cert=FILE`, `key=FILE` and `verify=no` may follow, with `&` between.

    Raises:
        ValueError: the text is none of these.
    """
    if text.startswith(_TLS):
        place, _, options = text.removeprefix(_TLS).partition("?")
        host, port = _parse_place(place.removesuffix("/"), text)
        return Address(host, port, _parse_tls(options, text))
    return Address(*_parse_place(text.removeprefix(_PLAIN), text))


def _parse_place(place: str, text: str) -> tuple[str, int]:
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        if not bracket or rest[:1] not in ("", ":"):
            raise _invalid(text)
        port = rest[1:]
    elif place.count(":") > 1:
        host, port = place, ""
    else:
        host, _, port = place.partition(":")
    if not place or not host.isprintable() or set(host) & _NOT_IN_HOSTS or not (port == "" or _is_port(port)):
        raise _invalid(text)
    return host or "127.0.0.1", int(port) if port else PORT


def _parse_tls(options: str, text: str) -> ClientTls:
    files: dict[str, str] = {}
    verify = True
    for option in options.split("&") if options else ():
        name, _, value = option.partition("=")
        if name in _FILES and value and _FILES[name] not in files:
            files[_FILES[name]] = unquote(value)
        elif name == "verify" and value in ("yes", "no"):
            verify = value == "yes"
        else:
            raise _invalid(text, f": {option!r} is none of ca=FILE, cert=FILE, key=FILE, verify=no")
    if "key" in files and "certificate" not in files:
        raise _invalid(text, ": a key needs the certificate that it belongs to, cert=FILE")
    return ClientTls(files.get("ca"), files.get("certificate"), files.get("key"), verify)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text[:6]) < 1 << 16


def _invalid(text: str, why: str = "") -> ValueError:
    example = "write host:port, such as 127.0.0.1:8080 or [::1]:8080, or logmqs://host:port?ca=FILE for TLS"
    return ValueError(f"{text!r} is not an address{why or ': ' + example}")
