"""The same client without asyncio: each call returns when it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from logmq.client.address import Address
from logmq.client.connection import CONNECT_TIMEOUT_S, SERVER, Connection, GroupDescription, TopicDescription, connect
from logmq.client.replies import GroupSummary, Message, TopicSummary
from logmq.client.requests import Offset
from logmq.client.streams import MessageStream

R = TypeVar("R")


class Client:
    """A connection for programs without an event loop: `with Client() as c: c.produce("orders", b"one")`.

    Its methods mean and raise what those of `Connection` do. It belongs to the thread that made it.

    Raises:
        CannotConnect: no broker answers at `server` within `timeout_s`.
    """

    def __init__(self, server: str | Address = SERVER, *, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        self._runner = asyncio.Runner()
        self._closed = False
        try:
            self._connection: Connection = self._runner.run(_opened(server, timeout_s))
        except BaseException:
            self._runner.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._runner.run(self._close())
            self._runner.close()

    async def _close(self) -> None:
        # A Ctrl-C may leave a call behind, not yet started or half done: nobody waits for it any more.
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await self._connection.close()

    def produce(self, topic: str, payload: bytes, *, partition: int = 0) -> int:
        """Store a message; returns its offset. Durability: as `Connection.produce`."""
        return self._run(self._connection.produce(topic, payload, partition=partition))

    def produce_many(self, topic: str, payloads: Iterable[bytes], *, partition: int = 0) -> list[int]:
        """Store messages in order, pipelined; returns their offsets. Raises: ProduceError."""
        return self._run(self._connection.produce_many(topic, payloads, partition=partition))

    def consume(self, topic: str, offset: Offset, *, partition: int = 0) -> Message | None:
        """The first message at or after `offset`; None if there is none yet."""
        return self._run(self._connection.consume(topic, offset, partition=partition))

    def consume_many(self, topic: str, offset: Offset, count: int, *, partition: int = 0) -> list[Message]:
        """Up to `count` messages from `offset` on, all in memory at once."""
        return self._run(self._connection.consume_many(topic, offset, count, partition=partition))

    def messages(
        self, topic: str, offset: Offset = "earliest", count: int | None = None, *, partition: int = 0
    ) -> Iterator[Message]:
        """The messages from `offset` on until the end of the log, or until `count` were read."""
        return self._iterate(self._connection.messages(topic, offset, count, partition=partition))

    def follow(self, topic: str, offset: Offset = "latest", *, partition: int = 0) -> Iterator[Message]:
        """The messages from `offset` on, and those to come, without end."""
        return self._iterate(self._connection.follow(topic, offset, partition=partition))

    def create(
        self, topic: str, partitions: int | None = None, settings: Mapping[str, str | int] | None = None
    ) -> None:
        """Create a topic, durably."""
        self._run(self._connection.create(topic, partitions, settings))

    def alter(self, topic: str, partitions: int | None = None, settings: Mapping[str, str | int] | None = None) -> None:
        """Change a topic's settings, or let it have more partitions, durably."""
        self._run(self._connection.alter(topic, partitions, settings))

    def drop(self, topic: str) -> None:
        """Delete a topic with all its messages, for good."""
        self._run(self._connection.drop(topic))

    def topics(self) -> list[TopicSummary]:
        """All topics, by name."""
        return self._run(self._connection.topics())

    def describe(self, topic: str) -> TopicDescription:
        """A topic's settings and partitions."""
        return self._run(self._connection.describe(topic))

    def commit(self, group: str, topic: str, offset: int, *, partition: int = 0) -> None:
        """Keep how far a group has read, durably."""
        self._run(self._connection.commit(group, topic, offset, partition=partition))

    def committed(self, group: str, topic: str, *, partition: int = 0) -> int | None:
        """How far a group has read; None if it never said."""
        return self._run(self._connection.committed(group, topic, partition=partition))

    def groups(self) -> list[GroupSummary]:
        """All groups, by name."""
        return self._run(self._connection.groups())

    def group(self, name: str) -> GroupDescription:
        """A group, and how far it has read in each partition."""
        return self._run(self._connection.group(name))

    def forget(self, group: str) -> None:
        """Delete a group without members, with all that it committed, for good."""
        self._run(self._connection.forget(group))

    def ping(self) -> None:
        """Return when the broker answers."""
        self._run(self._connection.ping())

    def _run(self, call: Coroutine[Any, Any, R]) -> R:
        return self._runner.run(call)

    def _iterate(self, stream: MessageStream) -> Iterator[Message]:
        batches = stream.batches()

        async def following() -> list[Message] | None:
            return await anext(batches, None)

        try:
            while batch := self._run(following()):
                yield from batch
        finally:
            if not self._closed:  # else the runner has closed what was open
                self._run(batches.aclose())


async def _opened(server: str | Address, timeout_s: float) -> Connection:
    return await connect(server, timeout_s=timeout_s)
