"""aiokafka: the asyncio client in Python."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import CommitFailedError, for_code
from tests.integration.kafka.drivers.loop import Membership, fields, numbered, serve, to_bytes

TIMEOUT_S = 25


class Assignments(ConsumerRebalanceListener):  # type: ignore[misc]  # its base has no types
    """Writes into a membership what the group gave and took."""

    def __init__(self, membership: Membership) -> None:
        self._membership = membership

    async def on_partitions_revoked(self, revoked: Any) -> None:
        self._membership.assigned -= {partition.partition for partition in revoked}

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self._membership.assigned = {partition.partition for partition in assigned}


class AiokafkaDriver:
    """See driver.py. The methods with an underscore are coroutines; `serve` calls those without."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._loop = asyncio.new_event_loop()
        self._producers: dict[tuple[str, bool], AIOKafkaProducer] = {}
        self._membership = Membership()
        self._member: asyncio.Task[None] | None = None
        self._admin_client: AIOKafkaAdminClient | None = None

    def __getattr__(self, op: str) -> Any:
        coroutine = getattr(type(self), f"_{op}")

        def run(**arguments: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(coroutine(self, **arguments), self._loop).result(50)

        return run

    def run(self) -> None:
        """The loop, on a thread of its own."""
        self._loop.run_forever()

    # -- records -----------------------------------------------------------------------------------------------------

    async def _produce(self, topic: str, messages: list[dict[str, Any]], codec: str, idempotent: bool) -> list[int]:
        if (codec, idempotent) not in self._producers:
            self._producers[codec, idempotent] = await self._new_producer(codec, idempotent)
        return await _send(self._producers[codec, idempotent], topic, messages)

    async def _new_producer(self, codec: str, idempotent: bool) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._address,
            compression_type=None if codec == "none" else codec,
            enable_idempotence=idempotent,
            acks="all",
            linger_ms=2,
            max_request_size=2_000_000,
            retry_backoff_ms=50,
        )
        await producer.start()
        return producer

    async def _produce_concurrently(self, topic: str, producers: int, count: int) -> int:
        async def one(number: int) -> int:
            producer = await self._new_producer("none", False)
            values = numbered(number, count)
            try:
                return len(await _send(producer, topic, values))
            finally:
                await producer.stop()

        return sum(await asyncio.gather(*[one(number) for number in range(producers)]))

    async def _consume(self, topic: str, starts: list[list[int]], count: int) -> list[dict[str, Any]]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._address, max_partition_fetch_bytes=2_000_000)
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic, partition) for partition, _ in starts])
            for partition, offset in starts:
                where = TopicPartition(topic, partition)
                if offset < 0:
                    await consumer.seek_to_beginning(where)
                else:
                    consumer.seek(where, offset)
            found: list[dict[str, Any]] = []
            deadline = time.monotonic() + TIMEOUT_S
            while len(found) < count:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{len(found)} of {count} messages came")
                batches = await consumer.getmany(timeout_ms=100, max_records=count - len(found))
                found += [_fields(message) for batch in batches.values() for message in batch]
            return found
        finally:
            await consumer.stop()

    async def _offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._address)
        await consumer.start()
        try:
            where = TopicPartition(topic, partition)
            if timestamp == -2:
                return int((await consumer.beginning_offsets([where]))[where])
            if timestamp == -1:
                return int((await consumer.end_offsets([where]))[where])
            found = (await consumer.offsets_for_times({where: timestamp}))[where]
            return -1 if found is None else int(found.offset)
        finally:
            await consumer.stop()

    # -- groups ------------------------------------------------------------------------------------------------------

    async def _join(self, group: str, topic: str, protocol: str, instance_id: str | None) -> None:
        membership = self._membership = Membership()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._address,
            group_id=group,
            group_instance_id=instance_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6000,
            heartbeat_interval_ms=500,
        )
        await consumer.start()
        consumer.subscribe([topic], listener=Assignments(membership))
        self._member = asyncio.get_running_loop().create_task(self._read(consumer, membership))

    async def _read(self, consumer: AIOKafkaConsumer, membership: Membership) -> None:
        try:
            while not membership.leaving.is_set():
                batches = await consumer.getmany(timeout_ms=50)
                membership.received += [_fields(message) for batch in batches.values() for message in batch]
                if batches:
                    with suppress(CommitFailedError):  # the group has changed meanwhile: read again from there
                        await consumer.commit()
            await consumer.stop()
        except Exception as error:
            membership.error = f"{type(error).__name__}: {error}"

    async def _assigned(self) -> list[int]:
        self._membership.check()
        return sorted(self._membership.assigned)

    async def _received(self) -> list[dict[str, Any]]:
        self._membership.check()
        return self._membership.received

    async def _leave(self) -> None:
        assert self._member is not None
        self._membership.leaving.set()
        await asyncio.wait_for(self._member, TIMEOUT_S)
        self._membership.check()

    # -- admin -------------------------------------------------------------------------------------------------------

    async def _admin(self) -> AIOKafkaAdminClient:
        if self._admin_client is None:
            self._admin_client = AIOKafkaAdminClient(bootstrap_servers=self._address)
            await self._admin_client.start()
        return self._admin_client

    async def _create_topic(self, topic: str, partitions: int, config: dict[str, str], validate_only: bool) -> None:
        new = NewTopic(topic, partitions, 1, topic_configs=config)
        response = await (await self._admin()).create_topics([new], validate_only=validate_only)
        for _, code, message in response.topic_errors:
            _check(code, message)

    async def _delete_topic(self, topic: str) -> None:
        response = await (await self._admin()).delete_topics([topic])
        for _, code in response.topic_error_codes:
            _check(code)

    async def _add_partitions(self, topic: str, partitions: int) -> None:
        response = await (await self._admin()).create_partitions({topic: NewPartitions(partitions)})
        for _, code, message in response.topic_errors:
            _check(code, message)

    async def _partition_count(self, topic: str) -> int:
        admin = await self._admin()
        if topic not in await admin.list_topics():
            return 0
        (described,) = await admin.describe_topics([topic])
        return len(described["partitions"])

    async def _topic_config(self, topic: str) -> dict[str, str | None]:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        (response,) = await (await self._admin()).describe_configs([resource])
        ((code, message, _, _, entries),) = response.resources
        _check(code, message)
        return {entry[0]: entry[1] for entry in entries}

    async def _alter_topic(self, topic: str, name: str, value: str) -> None:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={name: value})
        (response,) = await (await self._admin()).alter_configs([resource])
        for code, message, _, _ in response.resources:
            _check(code, message)

    async def _delete_records(self, topic: str, partition: int, offset: int) -> int:
        where = TopicPartition(topic, partition)
        return int((await (await self._admin()).delete_records({where: RecordsToDelete(offset)}))[where])

    async def _groups(self) -> list[str]:
        return [group[0] for group in await (await self._admin()).list_consumer_groups()]

    async def _group_state(self, group: str) -> dict[str, Any]:
        (response,) = await (await self._admin()).describe_consumer_groups([group])
        described = response.groups[0]
        return {"state": described[2].lower(), "members": len(described[5])}

    async def _group_offsets(self, group: str) -> dict[str, int]:
        found = await (await self._admin()).list_consumer_group_offsets(group)
        return {str(where.partition): offset.offset for where, offset in found.items()}


async def _send(producer: AIOKafkaProducer, topic: str, messages: list[dict[str, Any]]) -> list[int]:
    sent = [
        await producer.send(
            topic,
            to_bytes(message["value"]),
            to_bytes(message["key"]),
            message["partition"],
            message["timestamp"],
            [(name, to_bytes(value)) for name, value in message["headers"]],
        )
        for message in messages
    ]
    return [result.offset for result in await asyncio.gather(*sent)]


def _fields(message: Any) -> dict[str, Any]:
    return fields(message.value, message.key, message.headers, message.partition, message.timestamp, message.offset)


def _check(code: int, message: str | None = None) -> None:
    if code:
        raise for_code(code)(message)


def main(address: str) -> None:
    """Commands on this thread, the client on another."""
    driver = AiokafkaDriver(address)
    threading.Thread(target=driver.run, daemon=True).start()
    serve(driver)


if __name__ == "__main__":
    main(sys.argv[1])
