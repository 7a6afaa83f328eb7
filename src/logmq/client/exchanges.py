"""What a request waits for: each kind of exchange takes its own replies off the stream and completes a future.

Replies come in the order of requests, so a connection keeps its exchanges in a queue and lets the first one take
what it wants. An exchange takes its replies even when nobody awaits the future any more: a cancelled request must not
shift the answers of those behind it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Generic, Protocol, TypeVar

from logmq.client.errors import ClientError, ProtocolViolation, ServerError
from logmq.client.replies import End, Failure, Message, Ok, Reply

R = TypeVar("R")

_BATCHES_MAX = 8
"""Batches of messages that wait for their reader before a stream stops reading: about what 8 socket reads bring."""


class Exchange(Protocol):
    """One request and its replies."""

    def take(self, replies: Sequence[Reply], start: int) -> int:
        """Take replies from `start` on; returns the position behind the last one taken. Raises: ProtocolViolation."""
        ...

    @property
    def finished(self) -> bool:
        """Whether all replies have been taken."""
        ...

    @property
    def full(self) -> bool:
        """Whether no more should be read from the broker until this exchange has room again."""
        ...

    def fail(self, error: ClientError) -> None:
        """No more replies will come."""
        ...


class _Promised(Generic[R]):
    """An exchange whose outcome is one value."""

    full = False

    def __init__(self) -> None:
        self.future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.finished = False

    def fail(self, error: ClientError) -> None:
        """Whoever awaits the outcome gets `error`."""
        self.finished = True
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # of several requests under way only the first need be awaited

    def _complete(self, outcome: R) -> None:
        self.finished = True
        if not self.future.done():
            self.future.set_result(outcome)


class Single(_Promised[Reply]):
    """One reply; `ERR` raises ServerError."""

    def take(self, replies: Sequence[Reply], start: int) -> int:
        """Take one reply."""
        reply = replies[start]
        if isinstance(reply, Failure):
            self.fail(ServerError(*reply))
        else:
            self._complete(reply)
        return start + 1


class Listing(_Promised[list[Reply]]):
    """Replies up to `END`, which is left out; `ERR` ends it too and raises ServerError."""

    def __init__(self) -> None:
        super().__init__()
        self._replies: list[Reply] = []

    def take(self, replies: Sequence[Reply], start: int) -> int:
        """Take the replies up to the end of the list."""
        for position in range(start, len(replies)):
            reply = replies[position]
            if isinstance(reply, End):
                self._complete(self._replies)
                return position + 1
            if isinstance(reply, Failure):
                self.fail(ServerError(*reply))
                return position + 1
            self._replies.append(reply)
        return len(replies)


class Produced(_Promised[list[int | ServerError]]):
    """The offsets of `count` messages, in order, or why one was refused; refusals do not raise."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        self._results: list[int | ServerError] = []

    def take(self, replies: Sequence[Reply], start: int) -> int:
        """Take as many replies as messages are still open."""
        stop = min(len(replies), start + self._count - len(self._results))
        self._results.extend(map(_produced, replies[start:stop]))
        if len(self._results) == self._count:
            self._complete(self._results)
        return stop


def _produced(reply: Reply) -> int | ServerError:
    if isinstance(reply, Ok) and reply.offset is not None:
        return reply.offset
    if isinstance(reply, Failure):
        return ServerError(*reply)
    raise unexpected(reply)


class Messages:
    """Messages as they come, up to `END`; `END` tells the next offset."""

    def __init__(self) -> None:
        self.finished = False
        self.next_offset: int | None = None
        self._batches: deque[list[Message]] = deque()
        self._error: ClientError | None = None
        self._changed = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether the reader is behind."""
        return len(self._batches) >= _BATCHES_MAX

    def take(self, replies: Sequence[Reply], start: int) -> int:
        """Take messages up to the end of the answer."""
        batch: list[Message] = []
        position = start
        while position < len(replies) and not self.finished:
            reply = replies[position]
            if isinstance(reply, Message):
                batch.append(reply)
            elif isinstance(reply, End):
                self.next_offset, self.finished = reply.number, True
            elif isinstance(reply, Failure):
                self._error, self.finished = ServerError(*reply), True
            else:
                raise unexpected(reply)
            position += 1
        if batch:
            self._batches.append(batch)
        self._changed.set()
        return position

    def fail(self, error: ClientError) -> None:
        """The reader gets what has come, then `error`."""
        self._error, self.finished = error, True
        self._changed.set()

    async def batches(self) -> AsyncGenerator[list[Message], None]:
        """What has come, in order, as soon as it is there. Raises: the error that ended it."""
        while True:
            while self._batches:
                yield self._batches.popleft()
            if self._error is not None:
                raise self._error
            if self.finished:
                return
            self._changed.clear()
            await self._changed.wait()


def unexpected(reply: Reply) -> ProtocolViolation:
    """The error for a reply that does not answer its request."""
    return ProtocolViolation(f"{type(reply).__name__} is no answer to this request")
