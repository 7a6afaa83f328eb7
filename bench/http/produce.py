"""Producing over HTTP with sync=always: how many records a second, in batches and one by one.

python -m bench.http.produce        prints figures as JSON
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench.http.produce_wire import HttpProduce
from bench.measures.figure import Figure
from bench.peers.logmq import LogMQServer
from logmq.client.load.plan import Load, Plan
from logmq.client.load.run import run

_SIZE = 100
_BATCH = 1000
_CLIENTS_ONE_BY_ONE = 64
_CLIENTS_BATCHES = 2
"""While one waits for its commit the other is parsed."""
_GOAL_BATCHES = 100_000
_GOAL_ONE_BY_ONE = 4_000
_WARM_UP_S = 1.0
_DURATION_S = 4.0


def measure(directory: Path) -> list[Figure]:
    """Both figures, each against a broker of its own on an empty directory."""
    return [
        _measure(
            directory / "batches", f"POST of {_BATCH} records of {_SIZE} B", _BATCH, _CLIENTS_BATCHES, _GOAL_BATCHES
        ),
        _measure(
            directory / "one-by-one",
            f"POST of one record of {_SIZE} B, {_CLIENTS_ONE_BY_ONE} connections",
            1,
            _CLIENTS_ONE_BY_ONE,
            _GOAL_ONE_BY_ONE,
        ),
    ]


def _measure(directory: Path, title: str, record_count: int, clients: int, goal: int) -> Figure:
    directory.mkdir(parents=True)
    with LogMQServer(directory) as server:
        before_s = server.cpu_s()
        load = Load("produce", HttpProduce("bench", _SIZE, record_count), clients)
        (result,) = run(Plan(server.address, (load,), duration_s=_DURATION_S, warmup_s=_WARM_UP_S))
        cpu_s = server.cpu_s() - before_s
        with server.client() as client:
            stored = client.describe("bench").partitions[0].high_watermark
    if result.errors:
        raise RuntimeError(f"requests were refused: {dict(result.errors)}")
    rate = result.rate
    details = {
        "records_per_second": round(rate),
        "requests_per_second": round(rate / record_count),
        "latency_ms": {f"p{percent}": result.latency.percentile(percent) / 1e6 for percent in (50, 99)},
        "broker_cpu_us_a_record": round(cpu_s / stored * 1e6, 2),
        "generator_load": round(result.generator_load, 2),
        "clients": clients,
    }
    return Figure(title, f"at least {goal:,} records/s", f"{rate:,.0f} records/s", rate >= goal, details)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as directory:
        print(json.dumps([asdict(figure) for figure in measure(Path(directory))], indent=2))


if __name__ == "__main__":
    main()
