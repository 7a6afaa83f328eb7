"""Which protocol a client speaks, from its first bytes."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocols.text_session import FakeTransport, ManualTime, settle

from logmq.protocols.detect import PREFIX_SIZE_MAX, Detector, Wire, detect
from logmq.protocols.text.commands import COMMANDS

FIRST_BYTES: list[tuple[bytes, Wire | None]] = [
    (b"", None),
    (b"\x16\x03\x01\x02\x00", Wire.TLS),
    (b"\x00\x00\x00\x2c\x00\x12", Wire.KAFKA),
    (b"\x00", Wire.KAFKA),
    (b"\x07\xff\xff\xff", Wire.KAFKA),
    (b"\x08", Wire.TEXT),
    (b"GET / HTTP/1.1\r\n", Wire.HTTP),
    (b"PRI * HTTP/2.0\r\n", Wire.HTTP),
    (b"OPTIONS *", Wire.HTTP),
    (b"CONNECT x:1", Wire.HTTP),
    (b"G", None),
    (b"GET", None),
    (b"GETX", Wire.TEXT),
    (b"get / HTTP/1.1", Wire.TEXT),
    (b"GET\n", Wire.TEXT),
    (b"P", None),
    (b"PR", None),
    (b"PRO", Wire.TEXT),
    (b"PI", Wire.TEXT),
    (b"PRODUCE t x\n", Wire.TEXT),
    (b"CON", None),
    (b"CONS", Wire.TEXT),
    (b"COMMIT", Wire.TEXT),
    (b"D", None),
    (b"DR", Wire.TEXT),
    (b"DES", Wire.TEXT),
    (b"H", None),
    (b"HELP\n", Wire.TEXT),
    (b"TOPICS\n", Wire.TEXT),
    (b"\n", Wire.TEXT),
    (b"\xff\xff", Wire.TEXT),
]


@pytest.mark.parametrize(("prefix", "wire"), FIRST_BYTES, ids=[repr(prefix) for prefix, _ in FIRST_BYTES])
def test_first_bytes(prefix: bytes, wire: Wire | None) -> None:
    """TLS, Kafka and HTTP have their beginnings, anything else is text, as soon as it can be told."""
    assert detect(prefix) is wire


@given(st.binary(min_size=PREFIX_SIZE_MAX, max_size=20))
def test_decided_within_the_prefix(data: bytes) -> None:
    """At most eight bytes decide, and what is decided does not change with more bytes."""
    verdicts = [detect(data[:size]) for size in range(1, len(data) + 1)]
    decided = [verdict for verdict in verdicts if verdict is not None]
    assert len(set(decided)) == 1
    assert len(verdicts) - len(decided) < PREFIX_SIZE_MAX


def test_no_command_is_a_method() -> None:
    """No text command begins an HTTP request, in any letter case."""
    for name in COMMANDS:
        assert detect(name + b" ") is Wire.TEXT and detect(name.lower() + b"\n") is Wire.TEXT


class Listening(asyncio.Protocol):
    """Notes what it is given."""

    def __init__(self) -> None:
        self.heard: list[bytes | str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.heard.append("made")

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def eof_received(self) -> bool:
        self.heard.append("eof")
        return True


class Port:
    """A detector with its transport, and the protocols it passed the transport on to."""

    def __init__(self, *wires: Wire, requires_tls: bool = False, has_tls: bool = False) -> None:
        self.made: list[Listening] = []
        self.ended: list[Detector] = []
        self.time = ManualTime()
        self.detector = Detector(
            dict.fromkeys(wires or (Wire.TEXT,), self.make),
            loop=self.time.loop,
            timeout_s=10,
            silence_s=600,
            on_end=self.ended.append,
            requires_tls=requires_tls,
        )
        self.transport = FakeTransport(self.detector)
        if has_tls:
            self.transport.extra["sslcontext"] = object()
        self.detector.connection_made(self.transport)

    def make(self) -> Listening:
        self.made.append(Listening())
        return self.made[-1]


async def test_passed_on() -> None:
    """The protocol gets the transport and every byte that came, in whatever pieces it came."""
    for pieces in ([b"PRODUCE t x\n"], [b"P", b"R", b"ODUCE t x\n"], [b"C", b"ONSUME t 0\n"]):
        port = Port()
        for piece in pieces:
            port.detector.data_received(piece)
            if port.made:
                break
        assert port.transport.protocol is port.made[0]
        given_on = b"".join(piece for piece in port.made[0].heard if isinstance(piece, bytes))
        assert port.made[0].heard[0] == "made" and b"".join(pieces).startswith(given_on)
        assert port.ended == [port.detector] and port.time.timer_count == 0


async def test_every_wire_has_its_protocol() -> None:
    """Each protocol that has a factory gets its clients."""
    for first, wire in ((b"\x00\x00\x00\x10", Wire.KAFKA), (b"GET / ", Wire.HTTP), (b"\x16\x03", Wire.TLS)):
        port = Port(wire)
        port.detector.data_received(first)
        assert port.made[0].heard == ["made", first]


async def test_too_little_is_text() -> None:
    """Who begins and says nothing decisive for ten seconds is a person at nc."""
    port = Port()
    port.time.advance(60)
    port.detector.data_received(b"P")
    port.time.advance(9.9)
    assert not port.made
    port.time.advance(0.2)
    assert port.made[0].heard == ["made", b"P"]


async def test_silence_may_be_anybody() -> None:
    """A browser opens connections before it needs them: what it says later counts, until it was silent for too long."""
    port = Port(Wire.TEXT, Wire.HTTP)
    port.time.advance(599)
    assert not port.made and not port.transport.closed
    port.detector.data_received(b"GET / HTTP/1.1\r\n")
    assert port.made[0].heard == ["made", b"GET / HTTP/1.1\r\n"]
    silent = Port()
    silent.time.advance(601)
    assert silent.transport.closed and not silent.made


async def test_too_little_for_the_one_protocol() -> None:
    """Who begins otherwise than the one protocol of a port is told so after a while."""
    port = Port(Wire.KAFKA)
    port.detector.data_received(b"P")
    port.time.advance(10.1)
    assert not port.made and port.transport.written.startswith(b"ERR WRONG_PROTOCOL ")


async def test_http_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """An HTTP client without a protocol gets a 501 that says what is spoken here, and its connection is closed."""
    caplog.set_level(logging.INFO)
    port = Port()
    port.detector.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = bytes(port.transport.written)
    head, body = answer.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 501 ") and b"Connection: close" in head
    assert b"Content-Length: %d" % len(body) in head and body == b"this port speaks text, not HTTP\n"
    assert port.transport.closed
    (record,) = caplog.records
    assert (record.__dict__["wire"], record.__dict__["peer"]) == ("HTTP", "('198.51.100.7', 4711)")
    port = Port()
    port.detector.data_received(b"HEAD / HTTP/1.1\r\n\r\n")
    assert port.transport.written.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("first", "answer", "words"),
    [
        (b"\x16\x03\x01", bytes.fromhex("15030300020228"), "there is no TLS here"),
        (b"\x00\x00\x00\x20", b"", "its protocol is not spoken here"),
    ],
)
async def test_others_are_closed(first: bytes, answer: bytes, words: str, caplog: pytest.LogCaptureFixture) -> None:
    """A TLS client gets an alert, a Kafka client, which would not understand an answer, nothing. The log says why."""
    caplog.set_level(logging.INFO)
    port = Port()
    port.detector.data_received(first)
    port.detector.data_received(b"more")
    assert port.transport.closed and port.transport.written == answer and not port.made
    assert [record.message for record in caplog.records] == [f"refused a client: {words}"]
    await settle()
    assert port.ended == [port.detector] and port.time.timer_count == 0


async def test_text_is_told() -> None:
    """Who types text on a port for another protocol reads which one, as an ERR line, and is closed."""
    port = Port(Wire.KAFKA)
    port.detector.data_received(b"PRODUCE t x\n")
    assert port.transport.written == b"ERR WRONG_PROTOCOL this port speaks Kafka, not text\n"
    assert port.transport.closed and not port.made


async def test_text_is_told_that_tls_is_required() -> None:
    """As an ERR line, whatever it asked; nothing of it is carried out."""
    port = Port(requires_tls=True)
    port.detector.data_received(b"PRODUCE t x\n")
    assert port.transport.written.startswith(b"ERR TLS_REQUIRED this port takes clients with TLS alone: ")
    assert port.transport.written.endswith(b"\n") and port.transport.closed and not port.made


async def test_http_is_told_that_tls_is_required() -> None:
    """As a problem document; a HEAD gets the head alone."""
    port = Port(Wire.HTTP, requires_tls=True)
    port.detector.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    head, body = bytes(port.transport.written).split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ") and b"Content-Type: application/problem+json" in head
    assert b"Content-Length: %d\r\n" % len(body) in head and json.loads(body)["code"] == "TLS_REQUIRED"
    assert port.transport.closed and not port.made
    port = Port(Wire.HTTP, requires_tls=True)
    port.detector.data_received(b"HEAD / HTTP/1.1\r\n")
    assert port.transport.written == head + b"\r\n\r\n"


async def test_kafka_is_closed_where_tls_is_required(caplog: pytest.LogCaptureFixture) -> None:
    """Without a word to the client, and with a line in the log."""
    caplog.set_level(logging.INFO)
    port = Port(Wire.KAFKA, requires_tls=True)
    port.detector.data_received(b"\x00\x00\x00\x20")
    assert port.transport.closed and not port.transport.written and not port.made
    (record,) = caplog.records
    assert "without TLS, which is required" in record.message and record.__dict__["wire"] == "Kafka"


async def test_clients_with_tls_are_served_where_it_is_required() -> None:
    """Whatever they speak."""
    port = Port(Wire.KAFKA, requires_tls=True, has_tls=True)
    port.detector.data_received(b"\x00\x00\x00\x20")
    assert port.made[0].heard == ["made", b"\x00\x00\x00\x20"]


async def test_eof_before_it_is_known() -> None:
    """A client that closes before it is known is text if it said something, and nothing if not."""
    port = Port()
    assert port.detector.eof_received() is False
    port = Port()
    port.detector.data_received(b"P")
    assert port.detector.eof_received() is True
    assert port.made[0].heard == ["made", b"P", "eof"]


async def test_lost_before_it_is_known() -> None:
    """A connection that breaks before anything came leaves no timer."""
    port = Port()
    port.detector.connection_lost(None)
    assert port.ended == [port.detector] and port.time.timer_count == 0
    port.detector.close()


async def test_closed_before_it_is_known() -> None:
    """When the broker stops, who has not spoken yet is closed."""
    port = Port()
    port.detector.close()
    await settle()
    assert port.transport.closed and port.ended
