"""What `GET /metrics` costs with 1,000 partitions: how long a scrape takes, and what the other protocols lose by it.

Each load runs in turns with and without a scrape a second, so that a slow minute hits both alike.

python -m bench.http.scrape        prints figures as JSON
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any

from bench.kafka.produce_wire import KafkaProduce
from bench.measures.figure import Figure
from bench.peers.logmq import LogMQServer
from bench.scenarios import DEPTH, SIZE
from logmq.client.load.plan import Load, Plan
from logmq.client.load.run import run
from logmq.client.load.text import TextProduce

_PARTITIONS = 1000
_TOPICS = 20
_GROUPS = 10
_SCRAPE_MS_MAX = 100.0
_LOSS_MAX = 0.05
_PERIOD_S = 1.0
_TURNS = 5
_TURN_S = 2.0
_WARM_UP_S = 0.5
_IDLE_SCRAPES = 20

LOADS: Mapping[str, Load] = {
    "text, 8 connections, pipelined": Load("text", TextProduce("text", SIZE), 8, DEPTH),
    "text, 64 connections, one at a time": Load("text", TextProduce("text", SIZE), 64),
    "Kafka, 64 connections, one record a request": Load("kafka", KafkaProduce("kafka", SIZE), 64),
}


@dataclass(slots=True)
class Turns:
    """What one load did with scraping, or without."""

    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    """The broker's processor time for each record."""


def measure(directory: Path) -> list[Figure]:
    """Scrapes of a broker that rests, then the loss of each load."""
    with LogMQServer(directory) as server:
        _fill(server)
        idle_ms = _scrape_times(server, _IDLE_SCRAPES)
        cpu_ms = _scrape_cpu_ms(server)
        under_load_ms: list[float] = []
        losses = [_loss(title, server, load, under_load_ms) for title, load in LOADS.items()]
    slowest = max(median(idle_ms), median(under_load_ms))
    times = {"idle_ms": _summary(idle_ms), "under_load_ms": _summary(under_load_ms), "broker_cpu_ms": round(cpu_ms, 2)}
    return [
        Figure(
            f"GET /metrics with {_PARTITIONS:,} partitions",
            f"under {_SCRAPE_MS_MAX:g} ms",
            f"{median(idle_ms):.0f} ms at rest, {median(under_load_ms):.0f} ms under load (median)",
            slowest < _SCRAPE_MS_MAX,
            times,
        ),
        *losses,
    ]


def _fill(server: LogMQServer) -> None:
    """Topics with all the partitions, the loads' own, and groups that have committed for some of them."""
    with server.client() as client:
        client.create("text", 1)
        for number in range(_TOPICS):
            client.create(f"topic-{number:02}", _PARTITIONS // _TOPICS)
        for number in range(_GROUPS):
            for index in range(_PARTITIONS // _TOPICS):
                client.commit(f"group-{number}", f"topic-{number:02}", 0, partition=index)
    connection = HTTPConnection("127.0.0.1", server.address.port)
    connection.request("POST", "/topics", json.dumps({"name": "kafka"}), {"content-type": "application/json"})
    if connection.getresponse().status != 201:
        raise RuntimeError("the Kafka load's topic was not made")


def _loss(title: str, server: LogMQServer, load: Load, scrape_ms: list[float]) -> Figure:
    without, scraped = Turns(), Turns()
    for _ in range(_TURNS):
        _turn(server, load, without)
        with _scraping(server, scrape_ms):
            _turn(server, load, scraped)
    rate, reduced = median(without.rates), median(scraped.rates)
    loss = 1 - reduced / rate
    details: dict[str, Any] = {
        "without": asdict(without),
        "scraped": asdict(scraped),
        "cpu_us_a_record": [round(median(turns.cpu_us), 3) for turns in (without, scraped)],
    }
    return Figure(
        f"{title}: loss by a scrape a second",
        f"under {_LOSS_MAX:.0%}",
        f"{loss:.1%} ({rate:,.0f} against {reduced:,.0f} records/s)",
        loss < _LOSS_MAX,
        details,
    )


def _turn(server: LogMQServer, load: Load, turns: Turns) -> None:
    cpu_s = server.cpu_s()
    (result,) = run(Plan(server.address, (load,), _TURN_S, _WARM_UP_S))
    if result.error_count:
        raise RuntimeError(f"{result.error_count} errors: {dict(result.errors)}")
    turns.rates.append(result.rate)
    turns.cpu_us.append((server.cpu_s() - cpu_s) / result.message_count_total * 1e6)


# -- scraping ----------------------------------------------------------------------------------------------------


@contextmanager
def _scraping(server: LogMQServer, scrape_ms: list[float]) -> Iterator[None]:
    """Scrape each second in a process of its own, which the load generator need not share the interpreter with."""
    command = [sys.executable, "-m", "bench.http.scrape", "--scrape", str(server.address.port)]
    scraper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        output, _ = scraper.communicate()  # which closes its input: that ends it
    scrape_ms += map(float, output.split())


def _scrape_until_told(port: int) -> None:
    import select  # noqa: PLC0415 - only this process needs it

    connection = HTTPConnection("127.0.0.1", port)
    while not select.select([sys.stdin], [], [], _PERIOD_S)[0]:
        print(_scrape(connection))


def _scrape(connection: HTTPConnection) -> float:
    """Milliseconds until all of a scrape is there."""
    began = time.perf_counter()
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    text = answer.read()
    took_ms = (time.perf_counter() - began) * 1000
    if answer.status != 200 or text.count(b"\nlogmq_log_size_bytes{") < _PARTITIONS:
        raise RuntimeError(f"a scrape was answered with {answer.status} and {len(text)} bytes")
    return took_ms


def _scrape_times(server: LogMQServer, count: int) -> list[float]:
    connection = HTTPConnection("127.0.0.1", server.address.port)
    return [_scrape(connection) for _ in range(count)]


def _scrape_cpu_ms(server: LogMQServer) -> float:
    before = server.cpu_s()
    count = 5 * _IDLE_SCRAPES
    _scrape_times(server, count)
    return (server.cpu_s() - before) / count * 1000


def _summary(times_ms: list[float]) -> dict[str, float]:
    return {"median": round(median(times_ms), 1), "max": round(max(times_ms), 1), "count": len(times_ms)}


def main(words: list[str]) -> None:
    """Measure and print; with `--scrape PORT` be the scraper."""
    if words[:1] == ["--scrape"]:
        _scrape_until_told(int(words[1]))
        return
    with tempfile.TemporaryDirectory(dir=words[0] if words else None) as directory:
        print(json.dumps([asdict(figure) for figure in measure(Path(directory))], indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
