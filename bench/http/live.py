"""Live streams: how long a message takes to all subscribers of its topic, and what that costs the broker.

python -m bench.http.live        prints figures as JSON

Messages carry the moment at which they were sent. They are produced over a connection of its own, one by one, each when
its time has come; subscribers are plain sockets in one process, read as soon as there is something.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import selectors
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path

from bench.measures.figure import MB, Figure
from bench.peers.logmq import LogMQServer
from logmq.client.address import Address
from logmq.client.load.histogram import Histogram

_TOPIC = "live"
_SIZE = 100
_GOAL_S = 0.1
_GOAL_SIZE = 150 * MB
_WARM_UP_S = 2.0
_SENT = re.compile(rb'"value":"(\d{19})')
_RECEIVE_SIZE = 1 << 18


def measure(directory: Path, duration_s: float) -> list[Figure]:
    """The figures, each against a broker of its own on an empty directory."""
    return [
        _measure(directory / "many", 200, 100, duration_s),
        _measure(directory / "fast", 3, 10_000, duration_s),
    ]


def _measure(directory: Path, subscriber_count: int, rate: int, duration_s: float) -> Figure:
    directory.mkdir(parents=True)
    with LogMQServer(directory) as server, ExitStack() as stack:
        with server.client() as client:
            client.create(_TOPIC)
        sockets = [stack.enter_context(_subscribe(server.address)) for _ in range(subscriber_count)]
        producer = multiprocessing.Process(target=_produce, args=(server.address, rate, _WARM_UP_S + duration_s))
        producer.start()
        stack.callback(producer.join)
        _receive(sockets, _WARM_UP_S)
        before_s, began = server.cpu_s(), time.monotonic()
        latency, count, own_cpu_s = _receive(sockets, duration_s)
        cpu_s, took_s = server.cpu_s() - before_s, time.monotonic() - began
        size = server.memory_peak_bytes()
    p50, p99 = (latency.percentile(percent) / 1e9 for percent in (50, 99))
    met = p99 < _GOAL_S and size < _GOAL_SIZE and count >= 0.95 * subscriber_count * rate * took_s
    details = {
        "p50_ms": round(p50 * 1000, 2),
        "p99_ms": round(p99 * 1000, 2),
        "broker_rss_mb": round(size / MB, 1),
        "broker_cpu_percent": round(100 * cpu_s / took_s, 1),
        "broker_cpu_us_an_event": round(cpu_s / count * 1e6, 2),
        "events_per_second": round(count / took_s),
        "subscribers": subscriber_count,
        "messages_per_second": rate,
        "receiver_cpu_percent": round(100 * own_cpu_s / took_s, 1),
    }
    title = f"SSE: {subscriber_count} subscribers of one topic at {rate:,} messages/s"
    goal = f"p99 under {_GOAL_S * 1000:.0f} ms, under {_GOAL_SIZE // MB} MB"
    return Figure(title, goal, f"p99 {p99 * 1000:.1f} ms, {size / MB:.0f} MB", met, details)


def _subscribe(address: Address) -> socket.socket:
    connection = socket.create_connection((address.host, address.port))
    connection.sendall(f"GET /topics/{_TOPIC}/stream HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    while b"id: " not in connection.recv(_RECEIVE_SIZE):
        pass
    connection.setblocking(False)
    return connection


def _receive(sockets: list[socket.socket], duration_s: float) -> tuple[Histogram, int, float]:
    """Read for a while: the time that each event took in nanoseconds, how many there were, and the CPU that took."""
    latency, count = Histogram(), 0
    deadline, before_s = time.monotonic() + duration_s, time.process_time()
    with selectors.DefaultSelector() as selector:
        for connection in sockets:
            selector.register(connection, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            for sent in _events(selector):
                latency.record(time.monotonic_ns() - sent)
                count += 1
    return latency, count, time.process_time() - before_s


def _events(selector: selectors.BaseSelector) -> Iterator[int]:
    for key, _ in selector.select(0.1):
        assert isinstance(key.fileobj, socket.socket)
        for sent in _SENT.findall(key.fileobj.recv(_RECEIVE_SIZE)):
            yield int(sent)


def _produce(address: Address, rate: int, duration_s: float) -> None:
    """PRODUCE one by one at an even pace; at high rates some that are due at the same time go out together."""
    with socket.create_connection((address.host, address.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began, sent = time.monotonic(), 0
        while (now := time.monotonic()) < began + duration_s:
            due = int((now - began) * rate) - sent
            if due <= 0:
                time.sleep(min(1 / rate, 0.001))
                continue
            value = f"{time.monotonic_ns():019d}".ljust(_SIZE, "x")
            connection.sendall(f"PRODUCE {_TOPIC} {value}\n".encode() * due)
            sent += due
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.recv(_RECEIVE_SIZE)  # the answers are of no interest
            connection.setblocking(True)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as directory:
        print(json.dumps([asdict(figure) for figure in measure(Path(directory), 20.0)], indent=2))


if __name__ == "__main__":
    main()
