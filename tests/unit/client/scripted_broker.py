"""A broker of a few lines for the client's tests: topics in memory, and answers that a test can put in its mouth.

It speaks the text protocol as docs/text-protocol.md says, well enough for one partition a topic, on a real socket.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class ScriptedBroker:
    """`answers` maps a request line to the raw bytes of its answer, before anything else is looked at; None closes.

    `lines` are the request lines that came, over all connections; `piece_size` cuts answers into small writes.
    """

    answers: dict[bytes, bytes | None] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)
    topics: dict[bytes, list[bytes]] = field(default_factory=dict)
    committed: dict[bytes, bytes] = field(default_factory=dict)
    ends: dict[bytes, int] = field(default_factory=dict)
    piece_size: int | None = None
    port: int = 0
    connections: int = 0
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the client or an answer of None closes it."""
        self.connections += 1
        try:
            while line := await reader.readline():
                self.lines.append(line.rstrip(b"\n"))
                answer = await self._answer(line.rstrip(b"\n"), reader, writer)
                if answer is None:
                    break
                await self._send(writer, answer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        step = self.piece_size or max(len(data), 1)
        for position in range(0, len(data), step):
            writer.write(data[position : position + step])
            await writer.drain()
            if self.piece_size:
                await asyncio.sleep(0)  # another turn of the loop, so that the pieces arrive one by one

    async def _answer(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        if line in self.answers:
            return self.answers[line]
        words = line.split(b" ")
        match words:
            case [b"PRODUCE", topic, *_]:
                return await self._append(topic, line.split(b" ", 2)[2])
            case [b"WRITE", topic, size]:
                payload = await reader.readexactly(int(size) + 1)
                return await self._append(topic, payload[:-1])
            case [b"CONSUME", topic, offset, *count]:
                return self._consume(topic, offset, int(count[0]) if count else None)
            case [b"FOLLOW", topic, offset]:
                return await self._follow(topic, offset, writer)
            case [b"CREATE", topic, *_]:
                self.topics[topic] = []
                return b"OK\n"
            case [b"ALTER", *_] | [b"DROP", _]:
                return b"OK\n"
            case [b"COMMIT", group, topic, offset]:
                self.committed[group + b" " + topic] = offset
                return b"OK\n"
            case [b"COMMITTED", group, topic]:
                offset = self.committed.get(group + b" " + topic, b"")
                return b"OFFSET %b\n" % offset if offset else b"NONE\n"
            case [b"FORGET", _]:
                return b"OK\n"
            case [b"TOPICS"]:
                lines = [b"TOPIC %b 1 plain\n" % topic for topic in sorted(self.topics)]
                return b"".join(lines) + b"END %d\n" % len(lines)
            case [b"DESCRIBE", topic] if topic in self.topics:
                return self._describe(topic)
            case [b"PING"]:
                return b"PONG\n"
            case [b"DESCRIBE", topic]:
                return b"ERR UNKNOWN_TOPIC there is no topic '%b'\n" % topic
        return b"ERR UNKNOWN_COMMAND no such command\n"

    async def _append(self, topic: bytes, payload: bytes) -> bytes:
        log = self.topics.setdefault(topic, [])
        offset = self.ends.get(topic, 0)
        self.ends[topic] = offset + 4 + len(payload)
        log.append(payload)
        async with self.grown:
            self.grown.notify_all()
        return b"OK %d\n" % offset

    def _from(self, topic: bytes, offset: bytes) -> tuple[list[bytes], int]:
        """MESSAGE lines from an offset on, and the end of the log."""
        lines, position = [], 0
        start = {b"earliest": 0, b"latest": 1 << 62}.get(offset)
        for payload in self.topics[topic]:
            if position >= (int(offset) if start is None else start):
                lines.append(b"MESSAGE %d %d %b\n" % (position, len(payload), payload))
            position += 4 + len(payload)
        return lines, position

    def _consume(self, topic: bytes, offset: bytes, count: int | None) -> bytes:
        if topic not in self.topics:
            return b"ERR UNKNOWN_TOPIC there is no topic '%b'\n" % topic
        lines, end = self._from(topic, offset)
        if count is None:
            return lines[0] if lines else b"EOF\n"
        return b"".join(lines[:count]) + b"END %d\n" % (int(lines[count].split()[1]) if len(lines) > count else end)

    async def _follow(self, topic: bytes, offset: bytes, writer: asyncio.StreamWriter) -> bytes:
        """Send what is there and what comes, until the client is gone."""
        if topic not in self.topics:
            return b"ERR UNKNOWN_TOPIC there is no topic '%b'\n" % topic
        position = self._from(topic, offset)[1] if offset == b"latest" else 0 if offset == b"earliest" else int(offset)
        while not writer.is_closing():
            lines, end = self._from(topic, b"%d" % position)
            if lines:
                await self._send(writer, b"".join(lines))
                position = end
            async with self.grown:
                await self.grown.wait()
        return b""

    def _describe(self, topic: bytes) -> bytes:
        end = self._from(topic, b"latest")[1]
        return (
            b"TOPIC %b 1 plain\nSETTING retention.ms none default\nSETTING segment.bytes 1024 topic\n"
            b"PARTITION 0 0 %d %d 1\nEND 1\n" % (topic, end, end)
        )


@asynccontextmanager
async def running(**script: object) -> AsyncIterator[ScriptedBroker]:
    """A broker that listens on a port of its own; its connections end with the block."""
    broker = ScriptedBroker(**script)  # type: ignore[arg-type]
    connections: list[tuple[asyncio.Task[None], asyncio.StreamWriter]] = []
    for topic, payloads in broker.topics.items():
        broker.ends[topic] = sum(4 + len(payload) for payload in payloads)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append((asyncio.ensure_future(broker.serve(reader, writer)), writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=1 << 24)
    broker.port = server.sockets[0].getsockname()[1]
    try:
        yield broker
    finally:
        await _accept_all(broker)
        server.close()
        await asyncio.gather(*(_end(*each) for each in connections))


async def _accept_all(broker: ScriptedBroker) -> None:
    """Return when every connection made so far is accepted: asyncio leaks one that a closing server meets halfway."""
    broker.answers[b"LAST"] = b"\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
    writer.write(b"LAST\n")
    await reader.readline()
    writer.close()
    await writer.wait_closed()


async def _end(task: asyncio.Task[None], writer: asyncio.StreamWriter) -> None:
    """End a connection, and raise what went wrong in it."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()


@contextmanager
def running_in_thread(**script: object) -> Iterator[ScriptedBroker]:
    """The same on a loop of another thread, for what blocks its own."""
    ready = threading.Event()
    started: list[tuple[ScriptedBroker, asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stop = asyncio.Event()
        async with running(**script) as broker:
            started.append((broker, asyncio.get_running_loop(), stop))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    broker, loop, stop = started[0]
    try:
        yield broker
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
