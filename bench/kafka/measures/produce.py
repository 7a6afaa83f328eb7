"""How fast one client fills one partition, every batch acknowledged, and what that costs the broker."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from confluent_kafka import Producer

from bench.kafka import client, usage
from bench.peers.process import ServerProcess
from logmq.client.load.text import payload

LINGER_MS = 5
_CHUNK = 1000
_FLUSH_TIMEOUT_S = 60.0
_FULL_WAIT_S = 0.001


def topic(size: int) -> str:
    """The topic of messages of this size."""
    return f"bench-{size}"


def measure(server: ServerProcess, size: int, duration_s: float, warmup_s: float, stores: bool) -> Mapping[str, float]:
    """Messages and megabytes a second from the first one sent to the last one acknowledged; CPU seconds a gigabyte.

    Of a broker that stores also how many acknowledged messages it does not have (below zero: has twice).

    Raises: RuntimeError if a message was refused.
    """
    name = topic(size)
    if stores:
        client.create(server.address, name)
    refused: Counter[str] = Counter()
    producer = client.producer(
        server.address,
        LINGER_MS,
        # Success is not reported: a call of Python's for each message would be most of what is measured.
        **{"on_delivery": lambda error, _: refused.update([str(error)]), "delivery.report.only.error": True},
    )
    count = _fill(producer, name, size, warmup_s)
    cpu_s, start_s = usage.cpu_s(server.pid), time.monotonic()
    measured_count = _fill(producer, name, size, duration_s)
    seconds = time.monotonic() - start_s
    cpu_s = usage.cpu_s(server.pid) - cpu_s
    count += measured_count
    if refused:
        raise RuntimeError(f"{refused.total()} of {count} messages were refused: {dict(refused)}")
    size_gb = measured_count * size / 1e9
    missing = {f"produce-{size}-missing": count - client.end_offset(server.address, name)} if stores else {}
    return {
        f"produce-{size}-rate": measured_count / seconds,
        f"produce-{size}-mb": size_gb * 1000 / seconds,
        f"produce-{size}-cpu": cpu_s / size_gb,
        **missing,
    }


def _fill(producer: Producer, topic: str, size: int, duration_s: float) -> int:
    """Produce for so long and await all acknowledgements; how many messages. Raises: RuntimeError if one is missing."""
    value = payload(size)
    produce = producer.produce
    end_s = time.monotonic() + duration_s
    count = 0
    while time.monotonic() < end_s:
        try:
            for _ in range(_CHUNK):
                produce(topic, value, None, 0)
                count += 1
        except BufferError:
            producer.poll(_FULL_WAIT_S)
    if left := producer.flush(_FLUSH_TIMEOUT_S):
        raise RuntimeError(f"{left} of {count} messages were not acknowledged")
    return count
