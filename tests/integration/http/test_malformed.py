"""Bad HTTP, sent to a real broker by raw sockets: each gets a problem document, and nobody else notices.

Nothing of it may be logged as an accident: the fixture looks at what the broker printed.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.integration.broker import KIB, MIB, BrokerProcess
from tests.integration.http.raw_client import HOST, RawClient

POST = b"POST /topics HTTP/1.1\r\n" + HOST
GET = b"GET /topics HTTP/1.1\r\n" + HOST
CHUNKED = b"Transfer-Encoding: chunked\r\n"
JSON = b"Content-Type: application/json\r\n"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker that soon drops clients which do not read."""
    flags = ["--slow-reader-timeout-ms=1s", "--http-allowed-origins=https://app.example", "--sync=never"]
    with BrokerProcess(tmp_path_factory.mktemp("broker") / "data", *flags) as broker:
        with RawClient(broker.port) as client:
            body = json.dumps({"records": [{"value": "x" * 1000}] * 8000}).encode()
            head = b"POST /topics/large/records HTTP/1.1\r\nContent-Length: %d\r\n" % len(body) + JSON
            assert client.ask(head + HOST + b"\r\n" + body).status == 200
        yield broker
        assert [line for line in broker.output.records() if line["level"] not in {"info", "debug"}] == []


@pytest.fixture
def client(broker: BrokerProcess) -> Iterator[RawClient]:
    """A connection; another one, that was open before and is used after, must not notice."""
    with RawClient(broker.port) as bystander, RawClient(broker.port) as client:
        assert bystander.get("/topics").status == 200
        yield client
        assert bystander.get("/topics").status == 200


# -- what is no HTTP/1.1 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n", id="both-lengths"),
        pytest.param(POST + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n", id="both-lengths-other-order"),
        pytest.param(POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", id="length-twice"),
        pytest.param(POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", id="lengths-that-differ"),
        pytest.param(POST + b"Content-Length: 2, 2\r\n\r\n{}", id="list-of-lengths"),
        pytest.param(POST + b"Content-Length: -1\r\n\r\n{}", id="negative-length"),
        pytest.param(POST + b"Content-Length: +2\r\n\r\n{}", id="length-with-sign"),
        pytest.param(POST + b"Content-Length: 0x2\r\n\r\n{}", id="length-in-hex"),
        pytest.param(POST + b"Content-Length: 2_0\r\n\r\n{}", id="length-as-python-has-it"),
        pytest.param(POST + b"Content-Length: \r\n\r\n{}", id="empty-length"),
        pytest.param(POST + b"Content-Length: 99999999999999999999999999\r\n\r\n{}", id="length-beyond-64-bits"),
        pytest.param(POST + b"Content-Length: " + b"9" * 20_000 + b"\r\n\r\n{}", id="length-of-20000-digits"),
        pytest.param(POST + b"Transfer-Encoding: chunked, identity\r\n\r\n", id="chunked-is-not-last"),
        pytest.param(POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n", id="chunked-twice"),
        pytest.param(POST + b"Transfer-Encoding : chunked\r\n\r\n", id="space-before-colon"),
        pytest.param(b"POST /topics HTTP/1.0\r\n" + CHUNKED + b"\r\n0\r\n\r\n", id="chunked-in-http-1.0"),
        pytest.param(POST + CHUNKED + b"\r\n-1\r\n", id="negative-chunk"),
        pytest.param(POST + CHUNKED + b"\r\nffffffffffffffffff\r\n", id="chunk-beyond-64-bits"),
        pytest.param(POST + CHUNKED + b"\r\n1\r\nabc\r\n", id="chunk-longer-than-it-says"),
        pytest.param(POST + CHUNKED + b"\r\n1\na\n0\n\n", id="chunk-with-bare-lf"),
        pytest.param(b"GET /topics HTTP/1.1\nHost: localhost\n\n", id="bare-lf"),
        pytest.param(b"GET /topics HTTP/1.1\r\nHost: localhost\n\r\n", id="bare-lf-after-a-header"),
        pytest.param(GET + b"A: b\rC: d\r\n\r\n", id="bare-cr"),
        pytest.param(GET + b"A: b\r\n c\r\n\r\n", id="folded-header"),
        pytest.param(GET + b"A: b\x00c\r\n\r\n", id="nul-in-a-value"),
        pytest.param(GET + b"A\x00: b\r\n\r\n", id="nul-in-a-name"),
        pytest.param(GET + b"no colon\r\n\r\n", id="header-without-colon"),
        pytest.param(GET + b": b\r\n\r\n", id="header-without-name"),
        pytest.param(b"GET /topics\x00 HTTP/1.1\r\n" + HOST + b"\r\n", id="nul-in-the-path"),
        pytest.param(b"GET /gr\xc3\xb6\xc3\x9fe HTTP/1.1\r\n" + HOST + b"\r\n", id="path-not-encoded"),
        pytest.param(b"GET topics HTTP/1.1\r\n" + HOST + b"\r\n", id="path-without-slash"),
        pytest.param(b"GET /topics HTTP/1.2\r\n" + HOST + b"\r\n", id="version-1.2"),
        pytest.param(b"GET /topics HTTP/1.1\r\n\r\n", id="no-host"),
        pytest.param(GET + HOST + b"\r\n", id="two-hosts"),
        pytest.param(b"GET /topics HTTP/1.1\r\nHost: localhost/x\r\n\r\n", id="host-with-a-path"),
        pytest.param(b"GET /topics HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n", id="host-with-a-user"),
        pytest.param(b"GET http://localhost:x/topics HTTP/1.1\r\n" + HOST + b"\r\n", id="absolute-with-no-port"),
    ],
)
def test_what_is_no_http_gets_a_problem_and_ends_its_connection(client: RawClient, request_: bytes) -> None:
    """400, once; what stands behind it is never taken for a request."""
    answer = client.ask(request_ + GET + b"\r\n")
    assert (answer.status, answer.problem["code"]) == (400, "MALFORMED_REQUEST")
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.is_closed()


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP_VERSION_NOT_SUPPORTED"),
        (b"GET /topics HTTP/2.0\r\n" + HOST + b"\r\n", 505, "HTTP_VERSION_NOT_SUPPORTED"),
        (b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n", 501, "NOT_IMPLEMENTED"),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "NOT_IMPLEMENTED"),
        (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, "NOT_IMPLEMENTED"),
        (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, "URL_TOO_LONG"),
        (b"GET /" + b"a" * 10_000_000, 414, "URL_TOO_LONG"),
        (GET + b"A: " + b"b" * 40_000 + b"\r\n\r\n", 431, "HEADERS_TOO_LARGE"),
        (GET + b"A: " + b"b" * 10_000_000, 431, "HEADERS_TOO_LARGE"),
        (GET + b"a" * 10_000_000, 431, "HEADERS_TOO_LARGE"),
        (GET + b"a: b\r\n" * 100_000 + b"\r\n", 431, "HEADERS_TOO_LARGE"),
        (POST + CHUNKED + b"\r\n1;" + b"x" * 10_000_000, 431, "HEADERS_TOO_LARGE"),
        (POST + CHUNKED + b"\r\n0\r\n" + b"a: b\r\n" * 100_000, 431, "HEADERS_TOO_LARGE"),
        (POST + CHUNKED + b"\r\n0\r\na: " + b"b" * 10_000_000, 431, "HEADERS_TOO_LARGE"),
    ],
    ids=[
        "http-2-preface", "version-2.0", "connect", "gzip-encoding", "unknown-encoding", "long-url", "endless-url",
        "large-header", "endless-value", "endless-name", "100000-headers", "endless-chunk-extension", "100000-trailers",
        "endless-trailer",
    ],
)  # fmt: skip
def test_what_is_too_much_or_of_no_use_is_told_so(client: RawClient, request_: bytes, status: int, code: str) -> None:
    """The answer can be read although the client is still sending."""
    answer = client.ask(request_)
    assert (answer.status, answer.problem["code"]) == (status, code)


def test_empty_lines_without_end_are_no_requests(client: RawClient) -> None:
    """A few are skipped, as RFC 9112 (2.2) has it."""
    assert client.get("/topics").status == 200
    assert client.ask(b"\r\n" * 10 + GET + b"\r\n").status == 200
    assert client.ask(b"\r\n" * 1_000_000).problem["code"] == "HEADERS_TOO_LARGE"


def test_the_largest_lengths_are_too_large_at_once(client: RawClient) -> None:
    """Before any of the body has come."""
    answer = client.ask(POST + b"Content-Length: 18446744073709551615\r\n\r\n")
    assert (answer.status, answer.problem["code"]) == (413, "BODY_TOO_LARGE")


def test_a_body_over_the_limit_is_refused_while_it_comes(broker: BrokerProcess) -> None:
    """Chunked, so that nobody knows before; memory does not grow by more than the limit."""
    mark = broker.memory_mark()
    chunk = b"100000\r\n" + b" " * MIB + b"\r\n"
    with RawClient(broker.port) as client:
        client.send(POST + CHUNKED + b"\r\n")
        for _ in range(20):
            client.send(chunk)
        assert client.answer().problem["code"] == "BODY_TOO_LARGE"
    assert mark.growth_bytes() < 64 * MIB


# -- what is HTTP, though unusual --------------------------------------------------------------------------------------


def test_http_1_0_needs_no_host(client: RawClient) -> None:
    """And its connection ends with the answer."""
    assert client.ask(b"GET /topics HTTP/1.0\r\n\r\n").status == 200
    assert client.is_closed()


def test_a_whole_url_is_taken_by_its_own_host(client: RawClient) -> None:
    """As proxies send it; Host does not count then, so that no name gets by the check of it."""
    assert client.ask(b"GET http://localhost:8080/topics HTTP/1.1\r\n" + HOST + b"\r\n").status == 200
    answer = client.ask(b"GET http://evil.example/topics HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (answer.status, answer.problem["code"]) == (421, "HOST_NOT_ALLOWED")


def test_options_may_ask_for_the_whole_server(client: RawClient) -> None:
    """`OPTIONS *` is a ping; no other method goes with it."""
    assert client.ask(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n").status == 204
    assert client.ask(b"GET * HTTP/1.1\r\n" + HOST + b"\r\n").status == 404


def test_trace_shows_nothing(client: RawClient) -> None:
    """It would repeat headers that a page must not see."""
    answer = client.ask(b"TRACE /topics HTTP/1.1\r\n" + HOST + b"Cookie: secret\r\n\r\n")
    assert (answer.status, answer.problem["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert b"secret" not in answer.body


def test_a_request_after_an_error_is_answered(client: RawClient) -> None:
    """An error of the request is none of the connection."""
    for path, status in (("/nothing", 404), ("/topics?x=1", 400), ("/topics/none", 404), ("/topics", 200)):
        assert client.get(path).status == status
    body = b'{"name": '
    assert client.ask(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body).status == 400
    assert client.get("/topics").status == 200


def test_pipelined_requests_are_answered_in_order(client: RawClient) -> None:
    """Good ones, bad ones and bodies between them, however the bytes are cut."""
    body = b'{"name": "pipelined"}'
    one = (
        b"GET /none HTTP/1.1\r\n"
        + HOST
        + b"\r\n"
        + POST
        + b"Content-Length: %d\r\n\r\n" % len(body)
        + body
        + GET
        + b"\r\n"
    )
    data = one * 100
    for start in range(0, len(data), 777):
        client.send(data[start : start + 777])
    statuses = [client.answer().status for _ in range(300)]
    assert statuses == [404, 201, 200] + [404, 409, 200] * 99


def test_a_client_that_waits_to_be_told_to_go_on_is_told(client: RawClient) -> None:
    """`Expect: 100-continue`: 100 before the body; a refusal instead, if the head says enough."""
    head = POST + b"Expect: 100-continue\r\n"
    body = b'{"name": "expected"}'
    assert client.ask(head + b"Content-Length: %d\r\n\r\n" % len(body)).status == 100
    assert client.ask(body).status == 201
    answer = client.ask(head + b"Content-Length: 999999999\r\n\r\n")
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert client.is_closed()


def test_a_wish_for_http_2_is_ignored(client: RawClient) -> None:
    """Java's HTTP client has it with the first request, with a body as well."""
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
    body = b'{"name": "upgraded"}'
    assert client.ask(POST + wish + b"Content-Length: %d\r\n\r\n" % len(body) + body).status == 201
    assert client.ask(POST + wish + CHUNKED + b"\r\n14\r\n" + body + b"\r\n0\r\n\r\n").status == 409
    assert client.ask(GET + wish + b"\r\n").status == 200


KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
SOCKET = HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
STREAM = b"GET /topics/large/stream HTTP/1.1\r\n" + SOCKET


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (STREAM + b"Sec-WebSocket-Version: 13\r\n", 400),
        (STREAM + b"Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n", 400),
        (STREAM + KEY + b"Sec-WebSocket-Version: 99\r\n", 400),
        (STREAM + KEY + b"Sec-WebSocket-Version: 13\r\nContent-Length: 5\r\n", 400),
        (b"POST /topics/large/stream HTTP/1.1\r\n" + SOCKET + KEY + b"Sec-WebSocket-Version: 13\r\n", 405),
        (b"GET /topics/none/stream HTTP/1.1\r\n" + SOCKET + KEY + b"Sec-WebSocket-Version: 13\r\n", 404),
        (b"GET /nothing HTTP/1.1\r\n" + SOCKET + KEY + b"Sec-WebSocket-Version: 13\r\n", 404),
        (STREAM + KEY + b"Sec-WebSocket-Version: 13\r\n", 101),
    ],
    ids=["no-key", "short-key", "version-99", "body", "post", "no-topic", "no-page", "sound"],
)
def test_a_broken_websocket_handshake_is_refused(client: RawClient, head: bytes, status: int) -> None:
    """Like a request; a sound one opens the socket."""
    assert client.send(head + b"\r\n").answer(to_head=True).status == status


@pytest.mark.parametrize(
    ("origin", "status"), [(b"http://evil.example", 403), (b"null", 403), (b"https://app.example", 101)]
)
def test_a_websocket_of_another_sites_page_is_refused(client: RawClient, origin: bytes, status: int) -> None:
    """Unless its origin is allowed."""
    head = STREAM + KEY + b"Sec-WebSocket-Version: 13\r\nOrigin: " + origin + b"\r\n\r\n"
    assert client.send(head).answer(to_head=True).status == status


def test_other_sites_and_other_names_are_refused(client: RawClient) -> None:
    """A form as text/plain, and a name that somebody pointed here."""
    body = b'{"name": "forged"}'
    form = b"Content-Type: text/plain\r\nContent-Length: %d\r\n" % len(body)
    for origin in (b"http://evil.example", b"null"):
        assert client.ask(POST + form + b"Origin: " + origin + b"\r\n\r\n" + body).problem["code"] == "CROSS_SITE"
    answer = client.ask(b"GET /topics HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    assert answer.problem["code"] == "HOST_NOT_ALLOWED"
    answer = client.ask(
        b"OPTIONS /topics HTTP/1.1\r\n"
        + HOST
        + b"Origin: https://app.example\r\nAccess-Control-Request-Method: PUT\r\n\r\n"
    )
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, "https://app.example")
    assert client.get("/topics/forged").status == 404


# -- clients that leave, and clients that do not read ------------------------------------------------------------------


def test_a_client_that_ends_its_side_is_answered(client: RawClient) -> None:
    """`nc -N` does that behind its last request."""
    client.send((GET + b"\r\n") * 3).end()
    assert [client.answer().status for _ in range(3)] == [200] * 3
    assert client.is_closed()


def test_clients_that_vanish_in_the_middle_leave_nothing(broker: BrokerProcess) -> None:
    """In the head, in the body, while they wait, and while a large answer is on its way."""
    before = broker.descriptor_count()
    read = b"GET /topics/large/records?count=8000&bytes_max=16000000 HTTP/1.1\r\n" + HOST + b"\r\n"
    wait = b"GET /topics/large/records?offset=latest&timeout_ms=60000 HTTP/1.1\r\n" + HOST + b"\r\n"
    for data in (b"GET /to", POST + b"Content-Length: 9\r\n\r\nabc", wait, read, b""):
        for reset in (True, False):
            with RawClient(broker.port, receive_buffer_size=4 * KIB) as client:
                client.send(data)
                time.sleep(0.02)
                if reset:  # close sends RST instead of FIN
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    deadline = time.monotonic() + 20
    while broker.descriptor_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert broker.descriptor_count() <= before


def test_a_client_that_does_not_read_is_dropped(broker: BrokerProcess) -> None:
    """After slow_reader_timeout_ms, with a log line; what waits for it is bounded, and others go on."""
    read = b"GET /topics/large/records?count=8000&bytes_max=16000000 HTTP/1.1\r\n" + HOST + b"\r\n"
    mark = broker.memory_mark()
    with RawClient(broker.port, receive_buffer_size=4 * KIB) as client:
        client.send(read * 50)
        with RawClient(broker.port) as other:
            assert other.get("/topics").status == 200
        broker.output.wait_for("dropped a client that does not read its answers")
    assert mark.growth_bytes() < 64 * MIB


def test_a_thousand_idle_connections_cost_little(broker: BrokerProcess) -> None:
    """Each has asked once, and waits: under 16 KiB."""
    clients = [RawClient(broker.port) for _ in range(100)]
    for client in clients:
        assert client.get("/topics").status == 200
    before = broker.memory_bytes()
    more = [RawClient(broker.port) for _ in range(1000)]
    try:
        for client in more:
            assert client.get("/topics").status == 200
        assert (broker.memory_bytes() - before) / 1000 < 16 * KIB
    finally:
        for client in (*clients, *more):
            client.socket.close()


def test_many_bad_clients_at_once_do_not_stop_a_good_one(broker: BrokerProcess) -> None:
    """Each sends ten megabytes of nonsense."""

    def attack(data: bytes) -> int:
        with RawClient(broker.port) as client:
            return client.ask(data).status

    nonsense = [GET + b"a" * 10_000_000, GET + b"a: b\r\n" * 1_000_000, b"GET /" + b"x" * 10_000_000] * 4
    with ThreadPoolExecutor(12) as pool:
        attacks = [pool.submit(attack, data) for data in nonsense]
        with RawClient(broker.port) as good:
            for _ in range(50):
                assert good.get("/topics").status == 200
        assert {attack.result() for attack in attacks} == {414, 431}


def test_a_drain_lets_requests_finish(tmp_path: Path) -> None:
    """A body whose rest comes during the drain is stored and answered; a long poll is answered at once."""
    with BrokerProcess(tmp_path / "data") as broker:
        body = b'{"value": "last"}'
        head = b"POST /topics/t/records HTTP/1.1\r\n" + HOST + JSON
        with RawClient(broker.port) as busy, RawClient(broker.port) as waiting, RawClient(broker.port) as idle:
            assert idle.get("/topics").status == 200
            assert busy.ask(head + b"Content-Length: %d\r\n\r\n" % len(body) + body).status == 200
            waiting.send(b"GET /topics/t/records?offset=latest&timeout_ms=60000 HTTP/1.1\r\n" + HOST + b"\r\n")
            busy.send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body[:5])
            assert idle.get("/topics").status == 200
            broker.signal(15)
            broker.output.wait_for('"stopping"|stopping')
            assert idle.is_closed()
            assert waiting.answer().status == 200
            answer = busy.ask(body[5:])
            assert (answer.status, json.loads(answer.body)["offsets"][0]["offset"]) == (200, 1)
            assert busy.is_closed()
            assert broker.wait() == 0
