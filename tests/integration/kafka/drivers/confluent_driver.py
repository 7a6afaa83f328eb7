"""confluent-kafka: librdkafka, the C library under most clients that are not Java."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)
from tests.integration.kafka.drivers.loop import Concurrent, Membership, fields, serve, to_bytes

TIMEOUT_S = 25


class ConfluentDriver(Concurrent):
    """See driver.py."""

    def __init__(self, address: str) -> None:
        self._common = {"bootstrap.servers": address, "message.max.bytes": 2_000_000}
        self._producers: dict[tuple[str, bool], Producer] = {}
        self._consumer: Consumer | None = None
        self._membership = Membership()
        self._member_thread: threading.Thread | None = None
        self._admin_client: AdminClient | None = None

    # -- records -----------------------------------------------------------------------------------------------------

    def produce(self, topic: str, messages: list[dict[str, Any]], codec: str, idempotent: bool) -> list[int]:
        if (codec, idempotent) not in self._producers:
            self._producers[codec, idempotent] = self._new_producer(codec, idempotent)
        return self._send(self._producers[codec, idempotent], topic, messages)

    def produce_alone(self, topic: str, messages: list[dict[str, Any]]) -> list[int]:
        return self._send(self._new_producer("none", False), topic, messages)

    def _new_producer(self, codec: str, idempotent: bool) -> Producer:
        return Producer(
            {
                **self._common,
                "compression.type": codec,
                "enable.idempotence": idempotent,
                "acks": "all",
                "linger.ms": 2,
                "batch.num.messages": 1000,
                "reconnect.backoff.max.ms": 500,
            }
        )

    def _send(self, producer: Producer, topic: str, messages: list[dict[str, Any]]) -> list[int]:
        offsets = [-1] * len(messages)
        errors: list[str] = []

        def delivered(index: int) -> Any:
            def callback(error: Any, message: Any) -> None:
                if error is not None:
                    errors.append(str(error))
                else:
                    offsets[index] = message.offset()

            return callback

        for index, message in enumerate(messages):
            producer.produce(
                topic,
                to_bytes(message["value"]),
                to_bytes(message["key"]),
                message["partition"],
                on_delivery=delivered(index),
                headers=[(name, to_bytes(value)) for name, value in message["headers"]],
                **({} if message["timestamp"] is None else {"timestamp": message["timestamp"]}),
            )
            producer.poll(0)
        left = producer.flush(TIMEOUT_S)
        if errors or left:
            raise RuntimeError(errors[0] if errors else f"{left} messages were not delivered")
        return offsets

    def consume(self, topic: str, starts: list[list[int]], count: int) -> list[dict[str, Any]]:
        consumer = Consumer(
            {**self._common, "group.id": "unused", "enable.auto.commit": False, "auto.offset.reset": "error"}
        )
        try:
            consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in starts])
            found: list[dict[str, Any]] = []
            deadline = time.monotonic() + TIMEOUT_S
            while len(found) < count:
                for message in consumer.consume(count - len(found), 0.1):
                    found.append(_fields(message))
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{len(found)} of {count} messages came")
            return found
        finally:
            consumer.close()

    def offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        if self._consumer is None:
            self._consumer = Consumer({**self._common, "group.id": "unused"})
        if timestamp < 0:
            earliest, latest = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), TIMEOUT_S)
            return int(earliest if timestamp == -2 else latest)
        (found,) = self._consumer.offsets_for_times([TopicPartition(topic, partition, timestamp)], TIMEOUT_S)
        if found.error is not None:
            raise KafkaException(found.error)
        return int(found.offset)

    # -- groups ------------------------------------------------------------------------------------------------------

    def join(self, group: str, topic: str, protocol: str, instance_id: str | None) -> None:
        settings: dict[str, Any] = {
            **self._common,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "group.protocol": protocol,
        }
        if protocol == "classic":
            settings |= {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
        if instance_id is not None:
            settings["group.instance.id"] = instance_id
        membership = self._membership = Membership()
        consumer = Consumer(settings)

        def changed(_: Any, partitions: Any) -> None:
            membership.assigned |= {partition.partition for partition in partitions}

        def revoked(_: Any, partitions: Any) -> None:
            membership.assigned -= {partition.partition for partition in partitions}

        consumer.subscribe([topic], on_assign=changed, on_revoke=revoked, on_lost=revoked)
        self._member_thread = threading.Thread(target=self._read, args=(consumer, membership), daemon=True)
        self._member_thread.start()

    def _read(self, consumer: Consumer, membership: Membership) -> None:
        try:
            while not membership.leaving.is_set():
                messages = consumer.consume(100, 0.05)
                membership.received += [_fields(message) for message in messages]
                if messages:
                    consumer.commit(asynchronous=False)
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
        assert self._member_thread is not None
        self._member_thread.join(TIMEOUT_S)
        self._membership.check()

    # -- admin -------------------------------------------------------------------------------------------------------

    @property
    def _admin(self) -> AdminClient:
        if self._admin_client is None:
            self._admin_client = AdminClient(self._common)
        return self._admin_client

    def create_topic(self, topic: str, partitions: int, config: dict[str, str], validate_only: bool) -> None:
        new = NewTopic(topic, partitions, 1, config=config)
        self._admin.create_topics([new], validate_only=validate_only, request_timeout=TIMEOUT_S)[topic].result()

    def delete_topic(self, topic: str) -> None:
        self._admin.delete_topics([topic], request_timeout=TIMEOUT_S)[topic].result()

    def add_partitions(self, topic: str, partitions: int) -> None:
        self._admin.create_partitions([NewPartitions(topic, partitions)], request_timeout=TIMEOUT_S)[topic].result()

    def partition_count(self, topic: str) -> int:
        found = self._admin.list_topics(timeout=TIMEOUT_S).topics.get(topic)
        return 0 if found is None else len(found.partitions)

    def topic_config(self, topic: str) -> dict[str, str | None]:
        resource = ConfigResource(ResourceType.TOPIC, topic)
        entries = self._admin.describe_configs([resource], request_timeout=TIMEOUT_S)[resource].result()
        return {name: entry.value for name, entry in entries.items()}

    def alter_topic(self, topic: str, name: str, value: str) -> None:
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        self._admin.incremental_alter_configs([resource], request_timeout=TIMEOUT_S)[resource].result()

    def delete_records(self, topic: str, partition: int, offset: int) -> int:
        where = TopicPartition(topic, partition, offset)
        (future,) = self._admin.delete_records([where], request_timeout=TIMEOUT_S).values()
        return int(future.result().low_watermark)

    def groups(self) -> list[str]:
        return [one.group_id for one in self._admin.list_consumer_groups(request_timeout=TIMEOUT_S).result().valid]

    def group_state(self, group: str) -> dict[str, Any]:
        described = self._admin.describe_consumer_groups([group], request_timeout=TIMEOUT_S)[group].result()
        return {"state": described.state.name.lower(), "members": len(described.members)}

    def group_offsets(self, group: str) -> dict[str, int]:
        (future,) = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
        return {str(one.partition): one.offset for one in future.result().topic_partitions}

    def delete_group(self, group: str) -> None:
        self._admin.delete_consumer_groups([group], request_timeout=TIMEOUT_S)[group].result()


def _fields(message: Any) -> dict[str, Any]:
    if message.error() is not None:
        raise KafkaException(message.error())
    return fields(
        message.value(), message.key(), message.headers(), message.partition(), message.timestamp()[1], message.offset()
    )


if __name__ == "__main__":
    serve(ConfluentDriver(sys.argv[1]))
