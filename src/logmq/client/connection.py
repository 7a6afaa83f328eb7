"""The asyncio client: `async with connect("127.0.0.1:8080") as c: await c.produce("orders", b"one")`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from logmq.client import requests
from logmq.client.address import Address, parse_address
from logmq.client.errors import ProduceError, ServerError
from logmq.client.exchanges import Listing, Produced, Single, unexpected
from logmq.client.link import Link, open_link
from logmq.client.replies import (
    CommittedOffset,
    EndOfLog,
    GroupOffset,
    GroupSummary,
    MemberLine,
    Message,
    Ok,
    PartitionSummary,
    Pong,
    ReadsLine,
    Reply,
    SettingValue,
    TopicSummary,
)
from logmq.client.requests import Offset
from logmq.client.streams import MessageStream
from logmq.model import TopicPartition

R = TypeVar("R")

SERVER = "127.0.0.1:8080"
CONNECT_TIMEOUT_S = 10.0

BATCH_SIZE_MAX = 256 * 1024
BATCH_COUNT_MAX = 8192
BATCHES_IN_FLIGHT_MAX = 4
"""`produce_many` has about 1 MiB under way: enough that the broker's next commit is always ready to be written while
the last one syncs, and far below the queue that the broker grants a connection (4 MiB)."""


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """A topic with its settings and partitions."""

    name: str
    format: str
    settings: tuple[SettingValue, ...]
    partitions: tuple[PartitionSummary, ...]


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member of a group, and what it reads."""

    member_id: str
    client_id: str
    host: str
    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True)
class GroupDescription:
    """A group: who reads what, and how far it has read in each partition that it committed for."""

    summary: GroupSummary
    members: tuple[GroupMember, ...]
    offsets: tuple[GroupOffset, ...]


class Connection:
    """One connection to a broker, made by `connect`. Requests may overlap; they are answered in order.

    Each method raises ServerError when the broker refuses (the connection stays usable) and ConnectionLost when the
    connection ends (the outcome of what was under way is unknown; make a new one and look).
    """

    def __init__(self, link: Link, address: Address, timeout_s: float) -> None:
        self._link = link
        self._timeout_s = timeout_s
        self.address = address

    async def close(self) -> None:
        """Close the connection; requests under way get ConnectionLost."""
        await self._link.close()

    # -- messages ------------------------------------------------------------------------------------------------

    async def produce(self, topic: str, payload: bytes, *, partition: int = 0) -> int:
        """Store a message; returns its offset.

        Durability: when it returns the message survives a power cut (with the broker's `sync` at `always`).
        """
        request = requests.produce(topic, partition, [payload])
        offset = (await self._ask(request, Ok)).offset
        if offset is None:
            raise unexpected(Ok(None))
        return offset

    async def produce_many(self, topic: str, payloads: Iterable[bytes], *, partition: int = 0) -> list[int]:
        """Store messages in order, pipelined; returns their offsets. `payloads` is read as there is room to send.

        Durability: as `produce`, for all of them.

        Raises:
            ProduceError: some were refused; the others are stored, and nothing is sent after the first refusal is seen.
        """
        results: list[int | ServerError] = []
        window: deque[asyncio.Future[list[int | ServerError]]] = deque()
        for batch in requests.batches(payloads, BATCH_SIZE_MAX, BATCH_COUNT_MAX):
            request = requests.produce(topic, partition, batch)
            window.append(self._link.send(request, Produced(len(batch))).future)
            await self._link.drain()
            if len(window) == BATCHES_IN_FLIGHT_MAX:
                results += await window.popleft()
                if any(isinstance(result, ServerError) for result in results[-BATCH_COUNT_MAX:]):
                    break
        for future in window:
            results += await future
        offsets = [result for result in results if isinstance(result, int)]
        if len(offsets) < len(results):
            raise ProduceError(results)
        return offsets

    async def consume(self, topic: str, offset: Offset, *, partition: int = 0) -> Message | None:
        """The first message at or after `offset`; None if there is none yet."""
        reply = await self._ask(requests.consume(topic, partition, offset), Message, EndOfLog)
        return reply if isinstance(reply, Message) else None

    async def consume_many(self, topic: str, offset: Offset, count: int, *, partition: int = 0) -> list[Message]:
        """Up to `count` messages from `offset` on, all in memory at once; `messages` streams them."""
        return await self._list(requests.consume(topic, partition, offset, count), Message)

    def messages(
        self, topic: str, offset: Offset = "earliest", count: int | None = None, *, partition: int = 0
    ) -> MessageStream:
        """The messages from `offset` on until the end of the log, or until `count` were read."""
        return MessageStream(self.address, topic, partition, offset, count, False, self._timeout_s)

    def follow(self, topic: str, offset: Offset = "latest", *, partition: int = 0) -> MessageStream:
        """The messages from `offset` on, and those to come, without end."""
        return MessageStream(self.address, topic, partition, offset, None, True, self._timeout_s)

    # -- topics --------------------------------------------------------------------------------------------------

    async def create(
        self, topic: str, partitions: int | None = None, settings: Mapping[str, str | int] | None = None
    ) -> None:
        """Create a topic, durably; the broker's settings hold where none is given."""
        await self._ask(requests.create(topic, partitions, settings or {}), Ok)

    async def alter(
        self, topic: str, partitions: int | None = None, settings: Mapping[str, str | int] | None = None
    ) -> None:
        """Change a topic, durably: settings (`default` takes one back), and more partitions than now."""
        await self._ask(requests.alter(topic, partitions, settings or {}), Ok)

    async def drop(self, topic: str) -> None:
        """Delete a topic with all its messages, for good."""
        await self._ask(requests.drop(topic), Ok)

    async def topics(self) -> list[TopicSummary]:
        """All topics, by name."""
        return await self._list(requests.TOPICS, TopicSummary)

    async def describe(self, topic: str) -> TopicDescription:
        """A topic's settings, and where its partitions begin and end now."""
        replies = await self._link.send(requests.describe(topic), Listing()).future
        names = [reply for reply in replies if isinstance(reply, TopicSummary)]
        if len(names) != 1:
            raise unexpected(replies[0] if replies else EndOfLog())
        return TopicDescription(
            names[0].name,
            names[0].format,
            tuple(reply for reply in replies if isinstance(reply, SettingValue)),
            tuple(reply for reply in replies if isinstance(reply, PartitionSummary)),
        )

    # -- groups --------------------------------------------------------------------------------------------------

    async def commit(self, group: str, topic: str, offset: int, *, partition: int = 0) -> None:
        """Keep how far a group has read, durably; commit a message's `next_offset` when it is done with."""
        await self._ask(requests.commit(group, topic, partition, offset), Ok)

    async def committed(self, group: str, topic: str, *, partition: int = 0) -> int | None:
        """How far a group has read; None if it never said."""
        return (await self._ask(requests.committed(group, topic, partition), CommittedOffset)).offset

    async def groups(self) -> list[GroupSummary]:
        """All groups, by name."""
        return await self._list(requests.GROUPS, GroupSummary)

    async def group(self, name: str) -> GroupDescription:
        """A group: who reads what, and how far it has read in each partition that it committed for."""
        replies = await self._link.send(requests.group(name), Listing()).future
        groups = [reply for reply in replies if isinstance(reply, GroupSummary)]
        if len(groups) != 1:
            raise unexpected(replies[0] if replies else EndOfLog())
        offsets = tuple(reply for reply in replies if isinstance(reply, GroupOffset))
        return GroupDescription(groups[0], _members(replies), offsets)

    async def forget(self, group: str) -> None:
        """Delete a group without members, with all that it committed, for good."""
        await self._ask(requests.forget(group), Ok)

    async def ping(self) -> None:
        """Return when the broker answers."""
        await self._ask(requests.PING, Pong)

    # -- inside --------------------------------------------------------------------------------------------------

    async def _ask(self, request: bytes, *expected: type[R]) -> R:
        exchange = self._link.send(request, Single())
        await self._link.drain()
        reply: Reply = await exchange.future
        if not isinstance(reply, expected):
            raise unexpected(reply)
        return reply

    async def _list(self, request: bytes, expected: type[R]) -> list[R]:
        replies = await self._link.send(request, Listing()).future
        results: list[R] = [reply for reply in replies if isinstance(reply, expected)]
        if len(results) < len(replies):
            raise unexpected(next(reply for reply in replies if not isinstance(reply, expected)))
        return results


def _members(replies: Sequence[Reply]) -> tuple[GroupMember, ...]:
    """The members in an answer to GROUP, each with the partitions of the lines behind it."""
    found: list[tuple[MemberLine, list[TopicPartition]]] = []
    for reply in replies:
        if isinstance(reply, MemberLine):
            found.append((reply, []))
        elif isinstance(reply, ReadsLine):
            if not found:
                raise unexpected(reply)
            found[-1][1].append(TopicPartition(reply.topic, reply.partition))
    return tuple(GroupMember(one.member_id, one.client_id, one.host, tuple(reads)) for one, reads in found)


class _Connecting:
    """What `connect` returns: awaited it is a Connection, in `async with` one that is closed at the end."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._connection: Connection | None = None

    async def _connect(self) -> Connection:
        link = await open_link(self._address, self._timeout_s)
        return Connection(link, self._address, self._timeout_s)

    def __await__(self) -> Generator[object, None, Connection]:
        return self._connect().__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self._connect()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            await self._connection.close()


def connect(server: str | Address = SERVER, *, timeout_s: float = CONNECT_TIMEOUT_S) -> _Connecting:
    """Connect to a broker at `host:port`: `async with connect() as c`, or `c = await connect()`.

    With TLS it is `logmqs://host:port?ca=FILE`; `logmq.client.address` has all that may stand there.

    Raises:
        ValueError: `server` is not an address.
        CannotConnect: no broker answers there within `timeout_s`.
    """
    return _Connecting(server if isinstance(server, Address) else parse_address(server), timeout_s)
