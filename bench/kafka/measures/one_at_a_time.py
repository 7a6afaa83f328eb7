"""64 producers that each await the answer to one record before they send the next."""

from __future__ import annotations

from collections.abc import Mapping

from bench.kafka import client
from bench.kafka.produce_wire import KafkaProduce
from bench.peers.process import ServerProcess
from logmq.client.load.plan import Load, Plan
from logmq.client.load.run import run

CLIENTS = 64
SIZE = 100
_TOPIC = "one-at-a-time"


def measure(server: ServerProcess, duration_s: float, warmup_s: float) -> Mapping[str, float]:
    """Requests a second, and the median and 99th percentile of an answer in milliseconds.

    Raises: RuntimeError if anything was refused, or if the broker has not exactly what it acknowledged.
    """
    client.create(server.address, _TOPIC)
    load = Load("produce", KafkaProduce(_TOPIC, SIZE), CLIENTS)
    (result,) = run(Plan(server.address, (load,), duration_s, warmup_s))
    if result.error_count:
        raise RuntimeError(f"{result.error_count} errors: {dict(result.errors)}")
    if (stored := client.end_offset(server.address, _TOPIC)) != result.message_count_total:
        raise RuntimeError(f"{result.message_count_total} records were acknowledged, {stored} are there")
    return {
        "single-rate": result.rate,
        "single-p50": result.latency.percentile(50) / 1e6,
        "single-p99": result.latency.percentile(99) / 1e6,
    }
