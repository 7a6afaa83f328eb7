"""One HTTP connection: how long a client may take, how much it may send ahead, in which order it is answered."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.unit.protocols.http.connection_session import (
    SLOW_READER_TIMEOUT_S,
    HttpConnectionSession,
    request,
    turns,
)

from logmq.limits import HTTP_HALF_CLOSED_S, HTTP_HEAD_TIME_MAX_S, HTTP_KEEP_ALIVE_S, HTTP_LINGER_S


class Held:
    """An application whose answers wait until they are let go; each says which path was asked for."""

    def __init__(self, size: int = 0) -> None:
        self.seen: list[str] = []
        self.bodies: list[bytes] = []
        self.gone: list[str] = []
        self.gate = asyncio.Semaphore(0)
        self._size = size

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        self.seen.append(path)
        if path.startswith("/body"):
            body, more = b"", True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    self.gone.append(path)
                    return
                body, more = body + message["body"], message["more_body"]
            self.bodies.append(body)
        await self.gate.acquire()
        body = path.encode() + b"." * self._size
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async def let_go(self, count: int = 1) -> None:
        """Let so many be answered."""
        for _ in range(count):
            self.gate.release()
        await turns()


def problem(answer: bytes) -> Any:
    """The problem document that an answer ends with."""
    return json.loads(answer.rpartition(b"\r\n\r\n")[2])


# -- time --------------------------------------------------------------------------------------------------------------


async def test_headers_that_come_slowly_are_cut_off() -> None:
    """However often a byte of them comes: the whole head has its time, and not a second more."""
    session = HttpConnectionSession(Held())
    head = request()
    for byte in head[:10]:
        session.send(bytes([byte]))
        session.time.advance(HTTP_HEAD_TIME_MAX_S / 11)
    assert session.transport.written == b""
    session.time.advance(HTTP_HEAD_TIME_MAX_S / 11)
    assert (session.statuses, problem(bytes(session.transport.written))["code"]) == ([408], "HEADERS_TOO_SLOW")
    assert session.transport.ended


async def test_the_head_of_each_request_has_its_own_time() -> None:
    """And a connection that waits between two of them is closed without a word."""
    app = Held()
    session = HttpConnectionSession(app)
    for _ in range(3):
        await app.let_go()
        await session.ask(request())
        session.time.advance(HTTP_HEAD_TIME_MAX_S * 2)
    assert session.statuses == [200] * 3
    session.send(b"GET")
    session.time.advance(HTTP_HEAD_TIME_MAX_S)
    assert session.statuses == [200] * 3 + [408]


async def test_a_connection_that_waits_for_long_is_closed() -> None:
    """Empty lines are no requests, and nothing is said to a client that said nothing."""
    app = Held()
    session = HttpConnectionSession(app)
    await app.let_go()
    await session.ask(request())
    for _ in range(3):
        session.time.advance(HTTP_KEEP_ALIVE_S - 1)
        await session.ask(b"\r\n")
    assert not session.transport.closed
    session.time.advance(HTTP_KEEP_ALIVE_S)
    assert session.transport.closed
    assert session.statuses == [200]


async def test_a_client_that_reads_nothing_is_dropped() -> None:
    """After slow_reader_timeout_ms without taking a byte, whatever it was sent."""
    app = Held(size=1_000_000)
    session = HttpConnectionSession(app)
    session.transport.room = 64 * 1024
    await app.let_go()
    await session.ask(request())
    session.time.advance(SLOW_READER_TIMEOUT_S - 1)
    session.transport.take(10)
    session.time.advance(SLOW_READER_TIMEOUT_S)
    assert not session.transport.aborted
    session.time.advance(SLOW_READER_TIMEOUT_S)
    assert session.transport.aborted


async def test_a_client_that_reads_all_is_not_dropped() -> None:
    """The time counts from when it stopped to read."""
    app = Held(size=1_000_000)
    session = HttpConnectionSession(app)
    session.transport.room = 64 * 1024
    await app.let_go()
    await session.ask(request())
    session.time.advance(SLOW_READER_TIMEOUT_S - 1)
    session.transport.read()
    session.time.advance(1)
    assert not session.transport.aborted


async def test_a_closed_connection_whose_last_bytes_nobody_reads_is_dropped() -> None:
    """A transport that closes waits for them without end."""
    app = Held(size=1000)
    session = HttpConnectionSession(app)
    session.transport.room = 64 * 1024
    await app.let_go()
    await session.ask(request("/", "connection: close"))
    assert session.transport.closed
    session.time.advance(SLOW_READER_TIMEOUT_S)
    assert session.transport.aborted


# -- requests that are sent ahead --------------------------------------------------------------------------------------


async def test_requests_sent_ahead_are_answered_in_their_order() -> None:
    """Few are parsed before their turn: the rest waits as bytes, and nothing more is read."""
    app = Held()
    session = HttpConnectionSession(app)
    session.send(b"".join(request(f"/{number}") for number in range(5000)))
    assert len(session.connection.pipeline) < 200
    assert not session.transport.reading
    await app.let_go(5000)
    while len(app.seen) < 5000:
        await turns()
    await turns()
    assert session.statuses == [200] * 5000
    assert app.seen == [f"/{number}" for number in range(5000)]
    assert session.transport.reading


async def test_a_body_behind_another_request_arrives_in_whole() -> None:
    """Its bytes wait, too."""
    app = Held()
    session = HttpConnectionSession(app)
    await app.let_go(3)
    body = bytes(range(256)) * 1000
    await session.ask(request("/") + request("/body", method="POST", body=body) + request("/"))
    for _ in range(100):
        await turns()
    assert app.bodies == [body]
    assert session.statuses == [200] * 3


async def test_what_cannot_be_parsed_is_answered_behind_what_was_asked_before() -> None:
    """Else the client would take the refusal for the answer to its first request."""
    app = Held()
    session = HttpConnectionSession(app)
    await session.ask(request("/a") + request("/b") + b"nonsense\r\n\r\n" + request("/c"))
    assert session.statuses == []
    await app.let_go()
    assert session.statuses == [200]
    await app.let_go()
    assert session.statuses == [200, 200, 400]
    assert app.seen == ["/a", "/b"]
    assert session.transport.ended


async def test_a_broken_body_ends_the_request_that_it_belongs_to() -> None:
    """The handler is told that its client is gone; the client, what was wrong."""
    app = Held()
    session = HttpConnectionSession(app)
    await session.ask(request("/body", "transfer-encoding: chunked", method="POST"))
    answer = await session.ask(b"2\r\nab\r\nzz\r\n")
    assert (app.gone, problem(answer)["code"]) == (["/body"], "MALFORMED_REQUEST")
    await app.let_go()
    assert session.statuses == [400]


async def test_a_broken_body_behind_another_request_ends_only_its_own() -> None:
    """The one before is answered."""
    app = Held()
    session = HttpConnectionSession(app)
    head = request("/body", "transfer-encoding: chunked", method="POST")
    await session.ask(request("/a") + head + b"zz\r\n")
    assert session.statuses == []
    await app.let_go()
    assert (session.statuses, app.seen) == ([200, 400], ["/a"])


async def test_an_answer_before_the_body_is_complete_ends_the_connection() -> None:
    """It says so; what still comes goes by until the client ends its side, or for a few seconds."""
    app = Held()
    session = HttpConnectionSession(app)
    await app.let_go()
    answer = await session.ask(request("/early", "content-length: 1000", method="POST"))
    assert b"\r\nconnection: close\r\n" in answer
    assert session.transport.ended
    assert await session.ask(b"x" * 500 + request("/smuggled")) == b""
    assert app.seen == ["/early"]
    session.time.advance(HTTP_LINGER_S)
    assert session.transport.closed


# -- leaving -----------------------------------------------------------------------------------------------------------


async def test_a_client_that_ends_its_side_is_answered() -> None:
    """All that it has asked for, then the connection ends."""
    app = Held()
    session = HttpConnectionSession(app)
    await session.ask(request("/a") + request("/b"))
    assert session.connection.eof_received()
    await app.let_go(2)
    assert session.statuses == [200, 200]
    assert session.transport.closed


async def test_a_client_that_ended_its_side_is_not_waited_for() -> None:
    """Most that do so have gone: their requests are given up after a few seconds."""
    session = HttpConnectionSession(Held())
    await session.ask(request("/a"))
    assert session.connection.eof_received()
    session.time.advance(HTTP_HALF_CLOSED_S)
    assert session.transport.aborted


@pytest.mark.parametrize("sent", [b"", b"GET / HT", request("/body", "content-length: 9", method="POST") + b"abc"])
async def test_a_client_that_ends_its_side_too_early_has_gone(sent: bytes) -> None:
    """Nothing can be answered."""
    app = Held()
    session = HttpConnectionSession(app)
    await session.ask(sent)
    assert not session.connection.eof_received()
    session.transport.lose()
    await turns()
    assert session.statuses == []
    assert len(session.state.connections) == 0


async def test_a_lost_client_is_told_to_the_request_that_runs() -> None:
    """Even if another one stands behind it."""
    app = Held()
    session = HttpConnectionSession(app)
    session.send(request("/body", "content-length: 1", method="POST"))
    await turns()
    session.transport.lose()
    await turns()
    assert app.gone == ["/body"]


async def test_a_drain_waits_for_what_has_begun() -> None:
    """An idle connection is closed at once, a busy one with its answer, which says so."""
    app = Held()
    idle, busy = HttpConnectionSession(app), HttpConnectionSession(app)
    await busy.ask(request("/a"))
    for session in (idle, busy):
        session.connection.shutdown()
    assert (idle.transport.closed, busy.transport.closed) == (True, False)
    await app.let_go()
    assert busy.statuses == [200]
    assert b"connection: close" in busy.transport.written
    assert busy.transport.closed


# -- other protocols ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wish", ["h2c", "websocket, h2c", "tls/1.0"])
async def test_a_wish_for_another_protocol_is_ignored(wish: str) -> None:
    """Java's clients wish for HTTP/2 with the first request, whose body must not pass for another request."""
    app = Held()
    session = HttpConnectionSession(app)
    await app.let_go(3)
    headers = ("connection: Upgrade, HTTP2-Settings", f"upgrade: {wish}", "http2-settings: AAEAAEAAAAIAAAABAAMAAABkAA")
    body = request("/smuggled")
    await session.ask(request("/body", *headers, method="POST", body=body) + request("/next"))
    assert app.bodies == [body]
    assert (session.statuses, app.seen) == ([200, 200], ["/body", "/next"])


# -- writing -----------------------------------------------------------------------------------------------------------


async def test_an_answer_of_known_length_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Head and body together; a stream's head goes out at once, and so does that of an answer without a body."""

    async def app(scope: Any, _: Any, send: Any) -> None:
        headers = [] if scope["path"] == "/stream" else [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"] == "/stream":
            assert len(writes) == 1
        await send({"type": "http.response.body", "body": b"body"})

    session = HttpConnectionSession(app)
    writes: list[bytes] = []
    write = session.transport.write

    def write_and_note(data: bytes) -> None:
        writes.append(data)
        write(data)

    monkeypatch.setattr(session.transport, "write", write_and_note)
    for asked, count in ((request("/plain"), 1), (request("/stream"), 2), (request("/plain", method="HEAD"), 1)):
        writes.clear()
        await session.ask(asked)
        assert len(writes) == count, writes
        assert writes[0].startswith(b"HTTP/1.1 200")
    assert session.statuses == [200] * 3
