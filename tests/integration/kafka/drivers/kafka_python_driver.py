"""kafka-python: the client in Python alone, on threads."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, NewTopic
from kafka.errors import CommitFailedError, RetriableError
from tests.integration.kafka.drivers.loop import Concurrent, Membership, fields, serve, to_bytes

TIMEOUT_S = 25
POLL_MS = 2000
"""A poll that ends while a join is under way loses it: kafka-python 3.0 then has its SyncGroup answered, yet never
takes the assignment nor sends heartbeats. So a poll must outlast a rebalance; messages end it at once."""

_RETRY_S = 0.1


class Assignments(ConsumerRebalanceListener):  # type: ignore[misc]  # its base has no types
    """Writes into a membership what the group gave and took."""

    def __init__(self, membership: Membership) -> None:
        self._membership = membership

    def on_partitions_revoked(self, revoked: Any) -> None:
        self._membership.assigned -= {partition.partition for partition in revoked}

    def on_partitions_assigned(self, assigned: Any) -> None:
        self._membership.assigned |= {partition.partition for partition in assigned}


class KafkaPythonDriver(Concurrent):
    """See driver.py."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._producers: dict[tuple[str, bool], KafkaProducer] = {}
        self._membership = Membership()
        self._member: threading.Thread | None = None
        self._admin_client: KafkaAdminClient | None = None

    # -- records -----------------------------------------------------------------------------------------------------

    def produce(self, topic: str, messages: list[dict[str, Any]], codec: str, idempotent: bool) -> list[int]:
        if (codec, idempotent) not in self._producers:
            self._producers[codec, idempotent] = self._new_producer(codec, idempotent)
        return _send(self._producers[codec, idempotent], topic, messages)

    def produce_alone(self, topic: str, messages: list[dict[str, Any]]) -> list[int]:
        producer = self._new_producer("none", False)
        try:
            return _send(producer, topic, messages)
        finally:
            producer.close()

    def _new_producer(self, codec: str, idempotent: bool) -> KafkaProducer:
        return KafkaProducer(
            bootstrap_servers=self._address,
            compression_type=None if codec == "none" else codec,
            enable_idempotence=idempotent,
            acks="all",
            linger_ms=2,
            max_request_size=2_000_000,
            reconnect_backoff_max_ms=500,
        )

    def consume(self, topic: str, starts: list[list[int]], count: int) -> list[dict[str, Any]]:
        consumer = KafkaConsumer(bootstrap_servers=self._address, max_partition_fetch_bytes=2_000_000)
        try:
            consumer.assign([TopicPartition(topic, partition) for partition, _ in starts])
            for partition, offset in starts:
                where = TopicPartition(topic, partition)
                if offset < 0:
                    consumer.seek_to_beginning(where)
                else:
                    consumer.seek(where, offset)
            found: list[dict[str, Any]] = []
            deadline = time.monotonic() + TIMEOUT_S
            while len(found) < count:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{len(found)} of {count} messages came")
                batches = consumer.poll(100, max_records=count - len(found))
                found += [_fields(message) for batch in batches.values() for message in batch]
            return found
        finally:
            consumer.close()

    def offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        consumer = KafkaConsumer(bootstrap_servers=self._address)
        try:
            where = TopicPartition(topic, partition)
            if timestamp == -2:
                return int(consumer.beginning_offsets([where])[where])
            if timestamp == -1:
                return int(consumer.end_offsets([where])[where])
            found = consumer.offsets_for_times({where: timestamp})[where]
            return -1 if found is None else int(found.offset)
        finally:
            consumer.close()

    # -- groups ------------------------------------------------------------------------------------------------------

    def join(self, group: str, topic: str, protocol: str, instance_id: str | None) -> None:
        membership = self._membership = Membership()
        consumer = KafkaConsumer(
            bootstrap_servers=self._address,
            group_id=group,
            group_instance_id=instance_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6000,
            heartbeat_interval_ms=500,
        )
        consumer.subscribe([topic], listener=Assignments(membership))
        self._member = threading.Thread(target=self._read, args=(consumer, membership), daemon=True)
        self._member.start()

    def _read(self, consumer: KafkaConsumer, membership: Membership) -> None:
        try:
            uncommitted = False
            while uncommitted or not membership.leaving.is_set():
                try:
                    batches = consumer.poll(POLL_MS)
                    membership.received += [_fields(message) for batch in batches.values() for message in batch]
                    uncommitted = uncommitted or bool(batches)
                    if uncommitted:
                        consumer.commit()
                        uncommitted = False
                except CommitFailedError:
                    pass  # the group has changed meanwhile: again in the next generation
                except RetriableError:  # the broker is away for a moment, and the call met that
                    time.sleep(_RETRY_S)
            consumer.close()
        except Exception as error:
            membership.error = f"{type(error).__name__}: {error}"

    def assigned(self) -> list[int]:
        self._membership.check()
        return sorted(self._membership.assigned)

    def received(self) -> list[dict[str, Any]]:
        self._membership.check()
        return self._membership.received

    def leave(self) -> None:
        self._membership.leaving.set()
        assert self._member is not None
        self._member.join(TIMEOUT_S)
        self._membership.check()

    # -- admin -------------------------------------------------------------------------------------------------------

    @property
    def _admin(self) -> KafkaAdminClient:
        if self._admin_client is None:
            self._admin_client = KafkaAdminClient(bootstrap_servers=self._address)
        return self._admin_client

    def create_topic(self, topic: str, partitions: int, config: dict[str, str], validate_only: bool) -> None:
        self._admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)], validate_only=validate_only)

    def delete_topic(self, topic: str) -> None:
        self._admin.delete_topics([topic])

    def add_partitions(self, topic: str, partitions: int) -> None:
        self._admin.create_partitions({topic: partitions})

    def partition_count(self, topic: str) -> int:
        if topic not in self._admin.list_topics():
            return 0
        (described,) = self._admin.describe_topics([topic])
        return len(described["partitions"])

    def topic_config(self, topic: str) -> dict[str, str | None]:
        found = self._admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")
        return {name: entry["value"] for name, entry in found["topic"][topic].items()}

    def alter_topic(self, topic: str, name: str, value: str) -> None:
        self._admin.alter_configs([ConfigResource("TOPIC", topic, configs={name: value})])

    def delete_records(self, topic: str, partition: int, offset: int) -> int:
        where = TopicPartition(topic, partition)
        found = self._admin.delete_records({where: offset})[where]
        return int(found["low_watermark"] if isinstance(found, dict) else found)

    def groups(self) -> list[str]:
        return [group["group_id"] for group in self._admin.list_groups()]

    def group_state(self, group: str) -> dict[str, Any]:
        described = self._admin.describe_groups([group])[group]
        return {"state": described["group_state"].lower(), "members": len(described["members"])}

    def group_offsets(self, group: str) -> dict[str, int]:
        found = self._admin.list_group_offsets({group: None})[group]
        return {str(where.partition): offset.offset for where, offset in found.items()}

    def delete_group(self, group: str) -> None:
        self._admin.delete_groups([group])


def _send(producer: KafkaProducer, topic: str, messages: list[dict[str, Any]]) -> list[int]:
    sent = [
        producer.send(
            topic,
            to_bytes(message["value"]),
            to_bytes(message["key"]),
            [(name, to_bytes(value)) for name, value in message["headers"]],
            message["partition"],
            message["timestamp"],
        )
        for message in messages
    ]
    producer.flush(TIMEOUT_S)
    return [result.get(TIMEOUT_S).offset for result in sent]


def _fields(message: Any) -> dict[str, Any]:
    return fields(message.value, message.key, message.headers, message.partition, message.timestamp, message.offset)


if __name__ == "__main__":
    serve(KafkaPythonDriver(sys.argv[1]))
