"""How long a message takes from the producer's call to the consumer's hands, at a steady 1,000 a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.kafka import client
from bench.peers.process import ServerProcess
from logmq.client.load.histogram import Histogram
from logmq.client.load.text import payload

RATE = 1000
SIZE = 100
_TOPIC = "latency"
_STAMP_SIZE = 8
_TIMEOUT_S = 30.0


def measure(server: ServerProcess, duration_s: float, warmup_s: float) -> Mapping[str, float]:
    """Median and 99th percentile in milliseconds; producer (no linger) and consumer are threads of this process.

    Raises: RuntimeError if a message does not arrive.
    """
    client.create(server.address, _TOPIC)
    producer = client.producer(server.address, 0)
    consumer = client.consumer(server.address)
    try:
        consumer.assign([TopicPartition(_TOPIC, 0, 0)])
        warm_count, count = int(warmup_s * RATE), int(duration_s * RATE)
        sender = threading.Thread(target=_send, args=(producer, warm_count + count))
        sender.start()
        _receive(consumer, warm_count)
        latency = _receive(consumer, count)
        sender.join()
    finally:
        consumer.close()
    return {"latency-p50": latency.percentile(50) / 1e6, "latency-p99": latency.percentile(99) / 1e6}


def _send(producer: Producer, count: int) -> None:
    rest = payload(SIZE - _STAMP_SIZE)
    start_s = time.monotonic()
    for number in range(count):
        time.sleep(max(start_s + number / RATE - time.monotonic(), 0))
        producer.produce(_TOPIC, time.monotonic_ns().to_bytes(_STAMP_SIZE, "big") + rest, None, 0)
    producer.flush(_TIMEOUT_S)


def _receive(consumer: Consumer, count: int) -> Histogram:
    latency = Histogram()
    for number in range(count):
        message = consumer.poll(_TIMEOUT_S)
        now_ns = time.monotonic_ns()
        value = None if message is None or message.error() else message.value()
        if value is None:
            raise RuntimeError(f"message {number} of {count} did not arrive: {message and message.error()}")
        latency.record(now_ns - int.from_bytes(value[:_STAMP_SIZE], "big"))
    return latency
