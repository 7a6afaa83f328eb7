"""How fast one client reads back what was just produced, and what that costs the broker."""

from __future__ import annotations

import time
from collections.abc import Mapping

from confluent_kafka import TopicPartition

from bench.kafka import client, usage
from bench.kafka.measures.produce import topic
from bench.peers.process import ServerProcess

_BATCH = 10_000
_FIRST_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 1.0


def measure(server: ServerProcess, size: int, duration_s: float) -> Mapping[str, float]:
    """Messages and megabytes a second from the first batch on, until the log or the time is over; CPU s a gigabyte.

    Raises: RuntimeError if nothing came, or not every message in its order.
    """
    consumer = client.consumer(server.address)
    try:
        cpu_s = usage.cpu_s(server.pid)
        consumer.assign([TopicPartition(topic(size), 0, 0)])
        first = consumer.consume(1, _FIRST_TIMEOUT_S)
        if not first or first[0].error():
            raise RuntimeError(f"nothing to read: {first and first[0].error()}")
        start_s = end_s = time.monotonic()
        count = 0
        while end_s < start_s + duration_s:
            messages = consumer.consume(_BATCH, _END_TIMEOUT_S)
            if len(messages) < _BATCH:  # it waits its whole time for a full batch: this is the end of the log
                break
            end_s = time.monotonic()
            count += len(messages)
            if messages[-1].offset() != count:
                raise RuntimeError(f"message {count} has offset {messages[-1].offset()}: {messages[-1].error()}")
        cpu_s = usage.cpu_s(server.pid) - cpu_s
    finally:
        consumer.close()
    seconds = end_s - start_s
    size_gb = count * size / 1e9
    return {
        f"consume-{size}-rate": count / seconds,
        f"consume-{size}-mb": size_gb * 1000 / seconds,
        f"consume-{size}-cpu": cpu_s / size_gb,
    }
