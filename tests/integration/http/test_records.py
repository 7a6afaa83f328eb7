"""Records over HTTP against a real broker: what lasts, what is bounded, and what happens when somebody goes."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.integration.broker import MIB, BrokerProcess
from tests.integration.http.raw_client import RawClient

LINE = b'{"value": "%s"}\n' % (b"x" * 1000)


@pytest.fixture
def http(broker: BrokerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{broker.port}", timeout=60) as client:
        yield client


@pytest.fixture
def name(topic: bytes) -> str:
    return topic.decode()


def high_watermark(http: httpx.Client, topic: str) -> int:
    answer = http.get(f"/topics/{topic}/records", params={"offset": "latest"})
    return int(answer.json()["high_watermark"]) if answer.status_code == 200 else 0


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def lines_request(topic: str) -> bytes:
    """The head of a request whose body goes on without end."""
    return (
        f"POST /topics/{topic}/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    ).encode()


def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    """Each form of body; the broker is killed right behind the answers."""
    with BrokerProcess(tmp_path / "data") as broker:
        url = f"http://127.0.0.1:{broker.port}/topics/t/records"
        with httpx.Client(timeout=60) as http:
            assert http.post(url, json={"records": [{"value": n} for n in range(500)]}).status_code == 200
            lines = {"content-type": "application/x-ndjson"}
            assert http.post(url, content=LINE * 500, headers=lines).status_code == 200
            assert http.post(url, content=b"raw").status_code == 200
        broker.kill()
    with BrokerProcess(tmp_path / "data") as broker:
        page = httpx.get(f"http://127.0.0.1:{broker.port}/topics/t/records?offset=-2", timeout=60).json()
        assert page["high_watermark"] == 1001
        assert [record["value"] for record in page["records"]] == ["x" * 1000, "raw"]


def test_a_body_without_end_takes_bounded_memory(broker: BrokerProcess, http: httpx.Client, name: str) -> None:
    """100 MB of lines in one request."""
    http.post(f"/topics/{name}/records", content=LINE, headers={"content-type": "application/x-ndjson"})
    piece = LINE * 1000

    def body() -> Iterator[bytes]:
        for _ in range(100):
            yield piece

    mark = broker.memory_mark()
    answer = http.post(f"/topics/{name}/records", content=body(), headers={"content-type": "application/x-ndjson"})
    assert answer.json()["count"] == 100_000
    assert high_watermark(http, name) == 100_001
    assert mark.growth_bytes() < 40 * MIB


def test_lines_are_durable_while_the_request_goes_on(broker: BrokerProcess, http: httpx.Client, name: str) -> None:
    """Somebody who pipes a log file into the broker sees its lines stored, not only at the end."""
    with RawClient(broker.port) as client:
        client.send(lines_request(name))
        for count in (1, 2, 3):
            client.send(chunk(LINE))
            deadline = time.monotonic() + 20
            while high_watermark(http, name) < count:
                assert time.monotonic() < deadline, "the line was not stored"
        client.send(b"0\r\n\r\n")
        assert json.loads(client.answer().body)["count"] == 3


def test_a_client_that_goes_in_the_middle_of_lines(broker: BrokerProcess, http: httpx.Client, name: str) -> None:
    """What was committed stays, half a line does not get in, and the broker goes on without a word of error."""
    before = broker.output.text
    with RawClient(broker.port) as client:
        client.send(lines_request(name) + chunk(LINE * 3 + LINE[:50]))
        deadline = time.monotonic() + 20
        while high_watermark(http, name) < 3:
            assert time.monotonic() < deadline, "the lines were not stored"
    assert http.post(f"/topics/{name}/records", json={"value": "next"}).json()["offsets"][0]["offset"] == 3
    assert "Traceback" not in broker.output.text.removeprefix(before)
    assert "ERROR" not in broker.output.text.removeprefix(before)


def test_a_wrong_line_is_answered_while_the_client_still_sends(broker: BrokerProcess, name: str) -> None:
    """The answer does not wait for the end of the body, and says what is stored."""
    with RawClient(broker.port) as client:
        client.send(lines_request(name) + chunk(LINE * 2) + chunk(b"nonsense\n"))
        answer = client.answer()
    assert answer.status == 400
    assert answer.problem["field"].startswith("records[")
    assert answer.problem["stored"] in {0, 2}


def test_a_long_poll_ends_when_the_broker_stops(tmp_path: Path) -> None:
    """It is answered, empty, rather than cut off; the stop does not wait for its time to pass."""
    with BrokerProcess(tmp_path / "data") as broker, RawClient(broker.port) as poll:
        url = f"http://127.0.0.1:{broker.port}/topics/t/records"
        httpx.post(url, json={"value": "x"}, timeout=60)
        poll.send(b"GET /topics/t/records?offset=latest&timeout_ms=200000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(3):  # whoever comes later is answered, so that the poll has been read by now
            assert httpx.get(url, timeout=60).status_code == 200
        began = time.monotonic()
        broker.signal(signal.SIGTERM)
        answer = poll.answer()
        broker.stop()
        assert time.monotonic() - began < 10
    assert (answer.status, json.loads(answer.body)["records"]) == (200, [])


def test_a_long_poll_is_woken_by_any_protocol(broker: BrokerProcess, http: httpx.Client, name: str) -> None:
    """A record of a text client ends it."""
    broker.ask(b"PRODUCE %s first" % name.encode())
    with RawClient(broker.port) as client:
        client.send(
            f"GET /topics/{name}/records?offset=latest&timeout_ms=20000 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        broker.ask(b"PRODUCE %s second" % name.encode())
        assert json.loads(client.answer().body)["records"][0]["value"] == "second"


def test_search_finds_the_needle_in_many_megabytes(broker: BrokerProcess, http: httpx.Client, name: str) -> None:
    """With progress, and everybody else is served meanwhile."""
    records = [{"value": "x" * 1000} for _ in range(5000)]
    for _ in range(4):
        http.post(f"/topics/{name}/records", json={"records": records})
    http.post(f"/topics/{name}/records", json={"value": "here is the Needle"})
    with http.stream("GET", f"/topics/{name}/search", params={"query": "needle"}) as answer:
        text = "".join(answer.iter_text())
    assert text.count("event: match") == 1
    end = json.loads(text.rpartition("data: ")[2])
    assert (end["reason"], end["matches"], end["scanned_records"]) == ("end", 1, 20_001)
