"""confluent-kafka as all brokers are measured with it: one set of settings, topics, and a check of what is stored."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from logmq.client.address import Address

_TIMEOUT_S = 60.0
_LOST = {"log_level": 3, "log.connection.close": False}
"""Only errors are worth a line; that a broker was stopped is not one."""


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
    """The high watermark of partition 0, from the broker. Raises: KafkaException."""
    asking = consumer(address)
    try:
        offsets = asking.get_watermark_offsets(TopicPartition(topic, 0), _TIMEOUT_S)
    finally:
        asking.close()
    if offsets is None:
        raise KafkaException(f"no offsets of {topic}")
    return int(offsets[1])
