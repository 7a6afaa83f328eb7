"""confluent-kafka as all brokers are measured with it: one set of settings, topics, and a check of what is stored."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from logmq.client.address import Address

_TIMEOUT_S = 60.0
_TAIL_TIMEOUT_S = 0.5
_TAIL_BATCH = 10_000
_LOST = {"log_level": 2, "log.connection.close": False}
"""That the broker was killed when all was measured is not worth a line; what fails is told by exceptions."""


def common(address: Address) -> dict[str, Any]:
    """What every client is told."""
    return {"bootstrap.servers": f"{address.host}:{address.port}", "socket.nagle.disable": True, **_LOST}


def producer(address: Address, linger_ms: float, **settings: Any) -> Producer:
    """A producer that waits for every acknowledgement, with 64 MB of messages waiting at most."""
    return Producer(
        {
            **common(address),
            "acks": "all",
            "linger.ms": linger_ms,
            "batch.size": 1_000_000,
            "batch.num.messages": 100_000,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 64_000,
            **settings,
        }
    )


def consumer(address: Address, group: str = "bench", **settings: Any) -> Consumer:
    """A consumer that commits nothing and never lets its own queue run dry."""
    return Consumer(
        {
            **common(address),
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            # By default it fetches nothing for a second once 100,000 messages wait, and reads them in a tenth of one.
            "queued.min.messages": 1_000_000,
            "fetch.queue.backoff.ms": 5,
            "queued.max.messages.kbytes": 16_000,
            **settings,
        }
    )


def create(address: Address, topic: str, partitions: int = 1) -> None:
    """Create a topic. Raises: KafkaException."""
    admin = AdminClient(common(address))
    admin.create_topics([NewTopic(topic, partitions, 1)], request_timeout=_TIMEOUT_S)[topic].result(_TIMEOUT_S)


def end_offset(address: Address, topic: str) -> int:
    """One past the last record of partition 0 that can be read; 0 if there is none. Raises: RuntimeError.

    The high watermark says only where to look: Tansu's stays behind until the next batch comes.
    """
    reading = consumer(address)
    try:
        _, high_watermark = reading.get_watermark_offsets(TopicPartition(topic, 0), _TIMEOUT_S)
        end: int = max(high_watermark - 1, 0)
        reading.assign([TopicPartition(topic, 0, end)])
        messages = reading.consume(1, _TIMEOUT_S) if high_watermark else []
        while messages:
            last = messages[-1].offset()
            if last is None or messages[-1].error():
                raise RuntimeError(f"the end of {topic} cannot be read: {messages[-1].error()}")
            end = last + 1
            messages = reading.consume(_TAIL_BATCH, _TAIL_TIMEOUT_S)
        return end
    finally:
        reading.close()
