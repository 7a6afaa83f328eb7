"""From an accepted socket to a transport, on asyncio's loop and on uvloop's."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.certificates import Authority

from logmq.protocols.peer import principal_of
from logmq.server.handshakes import Handshakes, peek
from logmq.server.listener import Listener, bind
from logmq.server.tls import Tls, TlsFiles

LISTENERS: list[Listener] = []
"""Those of the running test."""
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


class Echo(asyncio.Protocol):
    """Sends back what comes; notes who is there, and that it has ended."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until this is so."""
    while not condition():  # noqa: ASYNC110 - what the broker counts has no event
        await asyncio.sleep(0.001)


class Port:
    """A listener that takes clients with TLS and without."""

    def __init__(self, tls: Tls, **bounds: Any) -> None:
        self.metrics = tls.metrics
        self.handshakes = Handshakes(tls, **({"silence_s": 20.0} | bounds))
        self.listener = Listener(asyncio.get_running_loop(), bind("127.0.0.1", 0))
        self.protocols: list[Echo] = []
        self.listener.start(self._new, bool, lambda: None, self.handshakes.connect)
        LISTENERS.append(self.listener)

    def _new(self) -> Echo:
        self.protocols.append(Echo())
        return self.protocols[-1]

    async def connect(self, context: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name = None if context is None else "localhost"
        return await asyncio.open_connection(*self.listener.address, ssl=context, server_hostname=name)

    async def echoes(self, context: ssl.SSLContext | None = None) -> bool:
        """Whether a new client is served."""
        reader, writer = await self.connect(context)
        writer.write(b"hello")
        answer = await reader.readexactly(5)
        writer.close()
        return answer == b"hello"


class Ground:
    """An authority, the broker's certificate by it, and what a client trusts."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        pair = self.authority.sign("broker")
        self.files = TlsFiles(pair.certificate, pair.key)
        self.client = ssl.create_default_context(cafile=str(self.authority.file))


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("tls"))


Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a test on a loop, for twenty seconds at most."""
    with asyncio.Runner(loop_factory=request.param) as runner:

        async def bounded(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
            try:
                async with asyncio.timeout(20):
                    await test()
            finally:
                while LISTENERS:
                    LISTENERS.pop().close()

        yield lambda test: runner.run(bounded(test))


def test_both_kinds_of_client_are_served(run: Run, ground: Ground) -> None:
    """The first byte decides, and no byte is lost: with TLS and without, on one port."""

    async def test() -> None:
        port = Port(Tls(ground.files))
        assert await port.echoes() and await port.echoes(ground.client)
        await until(lambda: port.metrics.handshakes == 1 and len(port.handshakes) == 0)

    run(test)


@pytest.mark.parametrize(
    "first",
    [
        b"\x16garbage that goes on for a while",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x16\x03\x03\xff\xff" + b"x" * 70000,
    ],
)
def test_garbage_ends_its_own_connection(
    run: Run, ground: Ground, first: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is closed and counted, with a line in the log; a client that was there before, and the next one, go on."""
    caplog.set_level(logging.INFO)

    async def test() -> None:
        port = Port(Tls(ground.files))
        reader, writer = await port.connect(ground.client)
        bad_reader, bad_writer = await port.connect()
        bad_writer.write(first)
        await at_end(bad_reader)
        await port.protocols[-1].ended.wait()
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still" and await port.echoes(ground.client)
        await until(lambda: port.metrics.failures == 1)
        writer.close()
        bad_writer.close()

    run(test)
    assert [record.message for record in caplog.records] == ["a TLS handshake failed"]


async def at_end(reader: asyncio.StreamReader) -> None:
    """Wait until the server has closed the connection, in whatever way."""
    try:
        while await reader.read(1024):
            pass
    except ConnectionError:
        pass


def test_who_stops_in_the_middle_is_dropped(run: Run, ground: Ground) -> None:
    """After the deadline of handshakes."""

    async def test() -> None:
        port = Port(Tls(ground.files), timeout_s=0.2)
        reader, writer = await port.connect()
        writer.write(hello()[:60])
        await at_end(reader)
        await port.protocols[0].ended.wait()
        await until(lambda: len(port.handshakes) == 0 and port.metrics.failures == 1)
        writer.close()

    run(test)


def hello() -> bytes:
    """How a client begins."""
    sent = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


def test_the_oldest_of_too_many_is_dropped(run: Run, ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    """So that those who leave their handshakes open keep nobody out: an honest one is done before it is the oldest."""
    caplog.set_level(logging.INFO)

    async def test() -> None:
        port = Port(Tls(ground.files), count_max=3)
        idle = []
        for _ in range(3):
            idle.append(await port.connect())
            idle[-1][1].write(hello()[:60])
            await until(lambda: len(port.handshakes) == len(idle))
        assert await port.echoes(ground.client)
        await at_end(idle[0][0])
        await port.protocols[0].ended.wait()
        assert [protocol.ended.is_set() for protocol in port.protocols[1:3]] == [False, False]
        await until(lambda: len(port.handshakes) == 2)
        port.listener.close()
        for reader, writer in idle[1:]:
            await at_end(reader)
            writer.close()
        await asyncio.gather(*(protocol.ended.wait() for protocol in port.protocols))
        await until(lambda: len(port.handshakes) == 0)
        idle[0][1].close()

    run(test)
    assert "too many others" in caplog.records[0].__dict__["reason"]


def test_a_client_that_changes_its_mind_is_forgotten(run: Run, ground: Ground) -> None:
    """One that goes before its first byte, and one that goes in the middle of its handshake."""

    async def test() -> None:
        port = Port(Tls(ground.files))
        for first in (b"", hello()[:60]):
            _, writer = await port.connect()
            writer.write(first)
            writer.close()
        await until(lambda: [protocol.ended.is_set() for protocol in port.protocols] == [True, True])
        await until(lambda: len(port.handshakes) == 0)

    run(test)


def test_the_principal_of_a_client_with_a_certificate(
    run: Run, ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the subject, known to whoever has the transport, and in the log at debug."""
    caplog.set_level(logging.DEBUG, "logmq")
    pair = ground.authority.sign("alice, of sales", organization="Example")
    files = TlsFiles(ground.files.certificate, ground.files.key, ground.authority.file)

    async def test() -> None:
        port = Port(Tls(files, required=True))
        context = ssl.create_default_context(cafile=str(ground.authority.file))
        context.load_cert_chain(pair.certificate, pair.key)
        reader, writer = await port.connect(context)
        writer.write(b"x")
        await reader.readexactly(1)
        transport = port.protocols[0].transport
        assert transport is not None and principal_of(transport) == r"CN=alice\, of sales,O=Example"
        writer.close()
        plain_reader, plain_writer = await port.connect()
        plain_writer.write(b"x")
        await plain_reader.readexactly(1)
        transport = port.protocols[1].transport
        assert transport is not None and principal_of(transport) is None
        plain_writer.close()

    run(test)
    (record,) = [record for record in caplog.records if record.message == "a client has come with TLS"]
    assert record.__dict__["principal"] == r"CN=alice\, of sales,O=Example"
    assert record.__dict__["version"] == "TLSv1.3"


def test_who_says_nothing_is_dropped(run: Run, ground: Ground) -> None:
    """After the time of silence that every connection has."""

    async def test() -> None:
        port = Port(Tls(ground.files), silence_s=0.05)
        reader, writer = await port.connect()
        await at_end(reader)
        await port.protocols[0].ended.wait()
        writer.close()

    run(test)


def test_the_first_byte_is_looked_at_and_left(run: Run) -> None:
    """However late it comes; none is empty once the client has ended its side."""

    async def test() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            with pytest.raises(TimeoutError):
                await peek(loop, ours, 0.02)
            loop.call_later(0.02, theirs.send, b"\x16\x03")
            assert await peek(loop, ours, None) == b"\x16"
            assert ours.recv(10) == b"\x16\x03"
            theirs.close()
            assert await peek(loop, ours, 10) == b""

    run(test)
