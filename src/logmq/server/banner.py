"""What the broker says when it starts: where it listens, where data lies, what OK means, and what to try."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from logmq import __version__
from logmq.config import Config, show_address
from logmq.server.tls import Tls

_CLIENTS = {"any": "every protocol", "text": "text alone", "kafka": "Kafka alone", "http": "HTTP alone"}


def banner_lines(
    config: Config, addresses: Sequence[tuple[str, int]], facts: Iterable[tuple[str, str]], start_s: float
) -> Iterator[str]:
    """The lines of the banner; `addresses` are the port's and those of `config.listen`, as they came to be."""
    host, port = addresses[0]
    here = _reachable(host)
    yield f"LogMQ {__version__}  ready on {show_address(host, port)} after {start_s * 1000:.0f} ms"
    for address, listen in zip(addresses[1:], config.listen, strict=True):
        yield f"  also on   {show_address(*address)}, for {_CLIENTS[listen.protocol]}"
    for name, text in facts:
        yield f"  {name:<9} {text}"
    scheme = "https" if config.tls == "require" else "http"
    client = (
        f"openssl s_client -quiet -connect {show_address(here, port)}"
        if config.tls == "require"
        else f"nc {here} {port}"
    )
    yield f"  console   {scheme}://{show_address(here, port)}/"
    yield f"  try       printf 'PRODUCE greetings hello-world\\nCONSUME greetings 0\\nQUIT\\n' | {client}"


def tls_facts(tls: Tls | None) -> Iterator[tuple[str, str]]:
    """What the banner says of TLS, if clients can have it."""
    if tls is not None:
        words = "every client must come with it" if tls.required else "clients may come with it"
        yield "tls", f"{words}; the certificate is valid until {tls.expires:%Y-%m-%d}"


def _reachable(host: str) -> str:
    """An address for clients on this machine: not every one of them can go to one that means all interfaces."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
