"""Which protocol a client speaks, from its first bytes: decided once, from at most eight of them.

    16                  TLS: a handshake record
    00 to 07            Kafka: the size of the first request, four bytes, below 128 MiB
    GET , POST , ...    HTTP: a method and a space (PRI is how HTTP/2 begins)
    anything else       text

Text commands share no first word with HTTP, so that every prefix is decided by its first word at the latest. A client
that sends too little to tell is taken for a person at `nc` after a while. One that sends nothing may be anybody:
browsers open connections before they need them, and use them later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import cast

from logmq.protocols import refusals

_log = logging.getLogger(__name__)


class Wire(StrEnum):
    """The protocols that may arrive at the port."""

    TLS = "TLS"
    KAFKA = "Kafka"
    HTTP = "HTTP"
    TEXT = "text"


TLS_FIRST_BYTE = b"\x16"
"""A TLS record that holds a part of a handshake (RFC 8446, section 5.1)."""
_KAFKA_FIRST_END = 0x08
_METHODS = tuple(
    method + b" "
    for method in (
        b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE", b"PRI",
    )
)  # fmt: skip
PREFIX_SIZE_MAX = max(map(len, _METHODS))
"""Bytes after which every client is known."""


def detect(prefix: bytes) -> Wire | None:
    """The protocol that begins with `prefix`; None if more bytes are needed to tell."""
    if not prefix:
        return None
    if prefix.startswith(TLS_FIRST_BYTE):
        return Wire.TLS
    if prefix[0] < _KAFKA_FIRST_END:
        return Wire.KAFKA
    if prefix.startswith(_METHODS):
        return Wire.HTTP
    if len(prefix) < PREFIX_SIZE_MAX and any(method.startswith(prefix) for method in _METHODS):
        return None
    return Wire.TEXT


class Detector(asyncio.Protocol):
    """Waits for the first bytes and passes the transport on to the protocol that they belong to.

    A protocol without a factory is refused in a way that its client understands, and so is a client without TLS, if it
    `requires_tls`. From the first byte on there are `timeout_s` to tell; who is silent for `silence_s` is dropped (0:
    never). `on_end` is called once, when the detector has passed its transport on, or lost it.
    """

    __slots__ = (
        "_factories", "_loop", "_on_end", "_prefix", "_requires_tls", "_silence_s", "_timeout_s", "_timer",
        "_transport",
    )  # fmt: skip

    def __init__(
        self,
        factories: Mapping[Wire, Callable[[], asyncio.Protocol]],
        *,
        loop: asyncio.AbstractEventLoop,
        timeout_s: float,
        silence_s: float = 0,
        on_end: Callable[[Detector], None] | None = None,
        requires_tls: bool = False,
    ) -> None:
        self._factories = factories
        self._requires_tls = requires_tls
        self._loop = loop
        self._timeout_s = timeout_s
        self._silence_s = silence_s
        self._on_end = on_end
        self._prefix = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait."""
        self._transport = cast(asyncio.Transport, transport)
        if self._silence_s:
            self._timer = self._loop.call_later(self._silence_s, self.close)

    def data_received(self, data: bytes) -> None:
        """The first bytes, or some of them."""
        if not self._prefix:
            self._stop_timer()
            self._timer = self._loop.call_later(self._timeout_s, self._decide, Wire.TEXT)
        self._prefix += data
        wire = detect(self._prefix[:PREFIX_SIZE_MAX])
        if wire is not None:
            self._decide(wire)

    def eof_received(self) -> bool:
        """Too little came to tell, and no more will. Returns whether the transport stays open."""
        if not self._prefix:
            return False
        protocol = self._decide(Wire.TEXT)
        return protocol is not None and bool(protocol.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone before it said what it wants."""
        self._end()

    def close(self) -> None:
        """Drop the client, which has asked for nothing yet."""
        if self._transport is not None:
            self._transport.close()

    def _end(self) -> None:
        self._transport = None
        self._stop_timer()
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _decide(self, wire: Wire) -> asyncio.Protocol | None:
        """Pass the transport on; returns the protocol that has it now."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return None
        if self._requires_tls and transport.get_extra_info("sslcontext") is None:
            self._refuse_plaintext(transport, wire)
            return None
        factory = self._factories.get(wire)
        if factory is None:
            self._refuse(transport, wire)
            return None
        self._end()
        protocol = factory()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._prefix:
            protocol.data_received(self._prefix)
        return protocol

    def _refuse(self, transport: asyncio.Transport, wire: Wire) -> None:
        reason = "there is no TLS here" if wire is Wire.TLS else "its protocol is not spoken here"
        _log.info(f"refused a client: {reason}", extra=_facts(transport, wire))
        words = f"this port speaks {' and '.join(self._factories)}, not {wire}"
        if wire is Wire.HTTP:
            transport.write(refusals.http_not_spoken(words, with_body=not self._prefix.startswith(b"HEAD ")))
        elif wire is Wire.TEXT:
            transport.write(refusals.text_not_spoken(words))
        elif wire is Wire.TLS:
            transport.write(refusals.TLS_ALERT)
        transport.close()

    def _refuse_plaintext(self, transport: asyncio.Transport, wire: Wire) -> None:
        _log.info("refused a client: it came without TLS, which is required", extra=_facts(transport, wire))
        if wire is Wire.HTTP:
            transport.write(refusals.http_needs_tls(with_body=not self._prefix.startswith(b"HEAD ")))
        elif wire is Wire.TEXT:
            transport.write(refusals.text_needs_tls())
        transport.close()


def _facts(transport: asyncio.Transport, wire: Wire) -> dict[str, str]:
    return {"wire": str(wire), "peer": str(transport.get_extra_info("peername"))}
