"""One TCP connection to a broker: bytes out, replies to the exchanges that wait for them, flow control both ways."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections import deque
from typing import TypeVar, cast

from logmq.client.address import Address
from logmq.client.errors import CannotConnect, ClientError, ConnectionLost, ProtocolViolation
from logmq.client.exchanges import Exchange
from logmq.client.replies import Failure, Goodbye, ReplyParser
from logmq.client.tls import explain

E = TypeVar("E", bound=Exchange)

_OUTGOING_SIZE_MAX = 1024 * 1024
"""Bytes that may wait to be sent before `drain` blocks: enough to keep the pipe full while the loop is busy."""


class Link(asyncio.Protocol):
    """The thin rim between asyncio and the pure part; `Connection` is its face."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._parser = ReplyParser()
        self._exchanges: deque[Exchange] = deque()
        self._transport: asyncio.Transport | None = None
        self._lost: ClientError | None = None
        self._last_words = ""
        self._writable = asyncio.Event()
        self._closed = asyncio.get_running_loop().create_future()

    def send(self, request: bytes, exchange: E) -> E:
        """Send a request; its replies go to `exchange`. Raises: ConnectionLost, ProtocolViolation."""
        if self._lost is not None:
            raise self._lost
        assert self._transport is not None
        self._exchanges.append(exchange)
        self._transport.write(request)
        return exchange

    async def drain(self) -> None:
        """Wait until there is room to send more. Raises: ConnectionLost, ProtocolViolation."""
        await self._writable.wait()
        if self._lost is not None:
            raise self._lost

    def resume(self) -> None:
        """Read on if the exchange that stopped the reading has room again."""
        if self._transport is not None and not (self._exchanges and self._exchanges[0].full):
            self._transport.resume_reading()

    async def close(self) -> None:
        """Close the connection and wait until it is closed; requests under way get ConnectionLost."""
        self._end(ConnectionLost("the connection was closed by this program"))
        await asyncio.shield(self._closed)

    # -- asyncio.Protocol ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop, once."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_OUTGOING_SIZE_MAX)
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Called by the loop for each chunk."""
        try:
            self._dispatch(data)
        except ProtocolViolation as error:
            self._end(error)

    def pause_writing(self) -> None:
        """Called by the loop when the broker does not keep up."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called by the loop when it does again."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop, once."""
        reason = self._last_words or (str(exc) if exc else "the broker closed it")
        under_way = "; whether requests under way were carried out is unknown" if self._exchanges else ""
        self._end(ConnectionLost(f"the connection to {self._address} is lost: {reason}{under_way}"))
        if not self._closed.done():
            self._closed.set_result(None)

    # -- inside --------------------------------------------------------------------------------------------------

    def _dispatch(self, data: bytes) -> None:
        replies = self._parser.feed(data)
        position = 0
        while position < len(replies):
            if not self._exchanges:
                self._listen(replies[position])
                position += 1
                continue
            exchange = self._exchanges[0]
            position = exchange.take(replies, position)
            if exchange.finished:
                self._exchanges.popleft()
        if self._exchanges and self._exchanges[0].full:
            assert self._transport is not None
            self._transport.pause_reading()

    def _listen(self, reply: object) -> None:
        """Hear what the broker says unasked: why it is about to close the connection."""
        if isinstance(reply, Failure):
            self._last_words = f"{reply.reason} ({reply.code})"
        elif not isinstance(reply, Goodbye):
            raise ProtocolViolation(f"{type(reply).__name__} came without a request")

    def _end(self, error: ClientError) -> None:
        if self._lost is None:
            self._lost = error
            self._writable.set()  # whoever waits in drain() learns of it
            while self._exchanges:
                self._exchanges.popleft().fail(error)
        if self._transport is not None:
            self._transport.abort()


async def open_link(address: Address, timeout_s: float) -> Link:
    """Connect to a broker.

    Raises:
        CannotConnect: nothing listens there, the name is unknown, its certificate is not accepted, a file of
            `address.tls` cannot be used, or `timeout_s` passed.
    """
    loop = asyncio.get_running_loop()
    try:
        context = None if address.tls is None else address.tls.context()
        async with asyncio.timeout(timeout_s):
            _, link = await loop.create_connection(lambda: Link(address), address.host, address.port, ssl=context)
    except TimeoutError:
        raise CannotConnect(str(address), f"no answer within {timeout_s:g} s") from None
    except ssl.SSLError as error:
        raise CannotConnect(str(address), explain(error)) from error
    except (OSError, UnicodeError) as error:
        raise CannotConnect(str(address), _reason(error)) from error
    return link


def _reason(error: OSError | UnicodeError) -> str:
    """The error in the system's words; asyncio wraps them, or those of several addresses, in words of its own."""
    number = re.search(r"\[Errno (\d+)\]", str(error))
    return os.strerror(int(number[1])) if number else str(error)
