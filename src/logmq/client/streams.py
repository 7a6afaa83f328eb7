"""Reading many messages in order, on a connection of its own, so that the one it came from stays free."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from logmq.client import requests
from logmq.client.address import Address
from logmq.client.errors import ConnectionLost
from logmq.client.exchanges import Messages
from logmq.client.link import Link, open_link
from logmq.client.replies import Message
from logmq.limits import CONSUME_COUNT_MAX


@dataclass(frozen=True, slots=True)
class MessageStream:
    """Messages of one partition: `async for message in stream`, or whole batches as they arrive.

    Each iteration opens a connection and reads from `offset` anew. A slow reader slows the broker down: a few
    hundred kilobytes wait in between at most. When an iteration is left early its connection is closed as soon as the
    iterator is closed (`contextlib.aclosing` does that at once).

    Raises:
        CannotConnect, ConnectionLost: read on from the last message's `next_offset`.
        ServerError: the broker refused, such as for an offset that is no longer kept.
    """

    address: Address
    topic: str
    partition: int
    offset: requests.Offset
    count: int | None
    follows: bool
    timeout_s: float

    async def __aiter__(self) -> AsyncGenerator[Message, None]:
        """The messages one by one."""
        async with aclosing(self.batches()) as batches:
            async for batch in batches:
                for message in batch:
                    yield message

    async def batches(self) -> AsyncGenerator[list[Message], None]:
        """The messages in lists of those that arrived together, never empty."""
        request = requests.follow if self.follows else requests.consume
        request(self.topic, self.partition, self.offset)  # an impossible request fails before connecting
        link = await open_link(self.address, self.timeout_s)
        try:
            pages = self._followed(link) if self.follows else self._counted(link)
            async for batch in pages:
                yield batch
        finally:
            await link.close()

    async def _followed(self, link: Link) -> AsyncGenerator[list[Message], None]:
        exchange = link.send(requests.follow(self.topic, self.partition, self.offset), Messages())
        async for batch in exchange.batches():
            link.resume()
            yield batch
        # Nobody asked for an end: a broker that stops lets its followers know where they were.
        raise ConnectionLost(f"the broker at {self.address} ended the stream at offset {exchange.next_offset}")

    async def _counted(self, link: Link) -> AsyncGenerator[list[Message], None]:
        """Page through the log until the end or until `count` messages were read."""
        offset, left = self.offset, self.count
        while left is None or left > 0:
            asked = min(left or CONSUME_COUNT_MAX, CONSUME_COUNT_MAX)
            exchange = link.send(requests.consume(self.topic, self.partition, offset, asked), Messages())
            got = 0
            async for batch in exchange.batches():
                link.resume()
                got += len(batch)
                yield batch
            if got < asked or exchange.next_offset is None:
                return
            offset = exchange.next_offset
            left = None if left is None else left - got
