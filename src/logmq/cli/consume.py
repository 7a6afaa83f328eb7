"""`logmq consume`: print the messages of a topic, up to its end or on and on."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from logmq.cli.interrupts import run
from logmq.cli.options import DEFAULT_SERVER, Partition, Server
from logmq.cli.progress import progress
from logmq.client.address import Address
from logmq.client.connection import CONNECT_TIMEOUT_S, Connection, connect
from logmq.client.errors import ConnectionLost
from logmq.client.replies import Message
from logmq.client.streams import MessageStream
from logmq.model import TopicPartition


class MessageFormat(StrEnum):
    """How messages are printed."""

    RAW = "raw"
    JSON = "json"


def _start(text: str) -> str:
    if text in {"earliest", "latest"} or (text.isascii() and text.isdigit()):
        return text
    raise typer.BadParameter(f"{text!r} is not an offset: use a number, earliest or latest")


def consume(
    target: Partition,
    start: Annotated[
        str, typer.Option("--from", parser=_start, metavar="OFFSET", help="An offset, earliest or latest.")
    ] = "earliest",
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=0, metavar="COUNT", help="Stop after so many messages.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for messages to come.")] = False,
    group: Annotated[
        str | None,
        typer.Option("--group", "-g", metavar="GROUP", help="Go on where this group stopped, and keep its place."),
    ] = None,
    message_format: Annotated[
        MessageFormat, typer.Option("--format", help="The bytes and a newline, or an object a line.")
    ] = MessageFormat.RAW,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Print messages from an offset on.

    Stops at the end of the log unless --follow is given.

    With --group it begins where the group has come to (--from counts if that is nowhere yet), and commits what was
    printed, so that the next run goes on from there.

    With --format json: offset, partition, and value, or base64 where the bytes are not UTF-8.
    """
    offset = start if start in {"earliest", "latest"} else int(start)
    stream = MessageStream(
        server,
        target.topic,
        target.index,
        offset,
        count=count,
        follows=follow,
        timeout_s=CONNECT_TIMEOUT_S,
    )
    if group is None:
        run(_print(stream, target, message_format, server))
    else:
        run(_print_for_group(stream, target, message_format, server, group))


async def _print_for_group(
    stream: MessageStream, target: TopicPartition, form: MessageFormat, server: Address, group: str
) -> None:
    async with aclosing(Place(server, group, target)) as place:
        committed = await place.committed()
        await _print(stream if committed is None else replace(stream, offset=committed), target, form, server, place)


class Place:
    """How far a group has come in a partition, kept at the broker."""

    def __init__(self, server: Address, group: str, target: TopicPartition) -> None:
        self._server = server
        self._group = group
        self._target = target
        self._connection: Connection | None = None

    async def aclose(self) -> None:
        """Close the connection to the broker."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def committed(self) -> int | None:
        """What the group committed last; None if nothing."""
        connection = await self._connected()
        return await connection.committed(self._group, self._target.topic, partition=self._target.index)

    async def commit(self, offset: int) -> None:
        """Keep that the group goes on from `offset`. Durability: as `Connection.commit`."""
        try:
            await self._commit(offset)
        except ConnectionLost:  # a broker closes connections that were silent for long, as between rare messages
            await self.aclose()
            await self._commit(offset)

    async def _commit(self, offset: int) -> None:
        connection = await self._connected()
        await connection.commit(self._group, self._target.topic, offset, partition=self._target.index)

    async def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = await connect(self._server)
        return self._connection


async def _print(
    stream: MessageStream, target: TopicPartition, form: MessageFormat, server: Address, place: Place | None = None
) -> None:
    # On a terminal the messages themselves show the progress.
    shows = not stream.follows and not sys.stdout.isatty() and sys.stderr.isatty()
    start, end = await _bounds(stream, target, server) if shows else (0, None)
    left = stream.count
    with progress(f"from {target.topic}", None if end is None else end - start, wanted=shows) as shown:
        async with aclosing(stream.batches()) as batches:
            async for received in batches:
                batch = received if left is None else received[:left]
                sys.stdout.buffer.write(_rendered(batch, target.index, form))
                sys.stdout.buffer.flush()  # a batch is what came together: whoever reads it should have it now
                if place is not None and batch:
                    await place.commit(batch[-1].next_offset)
                shown.advance(batch[-1].next_offset - start if batch else 0, len(batch))
                start = batch[-1].next_offset if batch else start
                left = None if left is None else left - len(batch)
                if left == 0:
                    return


async def _bounds(stream: MessageStream, target: TopicPartition, server: Address) -> tuple[int, int | None]:
    """The offsets between which there is something to read, as far as anybody knows beforehand."""
    async with connect(server) as connection:
        partitions = (await connection.describe(target.topic)).partitions
    if target.index >= len(partitions) or stream.count is not None or stream.offset == "latest":
        return 0, None
    bounds = partitions[target.index]
    start = stream.offset if isinstance(stream.offset, int) else bounds.log_start_offset
    return start, bounds.high_watermark


def _rendered(batch: Sequence[Message], partition: int, form: MessageFormat) -> bytes:
    if form is MessageFormat.RAW:
        return b"".join([message.payload + b"\n" for message in batch])
    return "".join([json.dumps(_object(each, partition), ensure_ascii=False) + "\n" for each in batch]).encode()


def _object(message: Message, partition: int) -> dict[str, object]:
    head: dict[str, object] = {"offset": message.offset, "partition": partition}
    try:
        return {**head, "value": message.payload.decode()}
    except UnicodeDecodeError:
        return {**head, "base64": base64.b64encode(message.payload).decode()}
