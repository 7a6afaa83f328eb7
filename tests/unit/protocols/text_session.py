"""A client's side of a text connection: a transport in memory, time that is moved by hand, and a fake broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from tests.unit.protocols.fake_broker import FakeBroker

from logmq.protocols.text.connection import ConnectionLimits, TextConnection
from logmq.protocols.text.gathering import Gatherer

LIMITS = ConnectionLimits(
    message_size_max_bytes=1 << 20,
    queue_size_max_bytes=4 << 20,
    idle_timeout_ms=600_000,
    body_timeout_ms=30_000,
    slow_reader_timeout_ms=60_000,
)


class FakeTransport(asyncio.Transport):
    """Keeps what is written. With `room` set, what is written beyond it pauses the protocol until `read` is called."""

    def __init__(self, protocol: asyncio.Protocol | None = None) -> None:
        super().__init__()
        self.protocol = protocol
        self.extra: dict[str, Any] = {"peername": ("198.51.100.7", 4711)}
        self.written = bytearray()
        self.write_count = 0
        self.room: int | None = None
        self.unread = 0
        self.paused_writing = False
        self.reading = True
        self.closed = False
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.aborted
        self.written += data
        self.write_count += 1
        self.unread += len(data)
        if self.room is not None and self.unread > self.room and not self.paused_writing:
            self.paused_writing = True
            assert self.protocol is not None
            self.protocol.pause_writing()

    def read(self) -> None:
        """The client reads all there is."""
        self.unread = 0
        if self.paused_writing:
            self.paused_writing = False
            assert self.protocol is not None
            self.protocol.resume_writing()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = cast(asyncio.Protocol, protocol)

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            if not self.unread or self.room is None:
                asyncio.get_running_loop().call_soon(self.lose)

    def abort(self) -> None:
        self.closed = self.aborted = True
        asyncio.get_running_loop().call_soon(self.lose)

    def lose(self) -> None:
        """The connection is gone."""
        assert self.protocol is not None
        self.protocol.connection_lost(None)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.extra.get(name, default)


class ManualTime:
    """Clock and timers of a loop; everything else is the running loop's."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[tuple[float, Callable[..., object], tuple[Any, ...], asyncio.TimerHandle]] = []

    def monotonic(self) -> float:
        return self.now

    def now_ms(self) -> int:
        return int(self.now * 1000)

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(self.now + delay, callback, args, asyncio.get_running_loop())
        self._timers.append((self.now + delay, callback, args, handle))
        return handle

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio.get_running_loop(), name)

    @property
    def timer_count(self) -> int:
        return sum(not timer[3].cancelled() for timer in self._timers)

    def advance(self, seconds: float) -> None:
        """Let time pass and call what becomes due, in order."""
        end = self.now + seconds
        while due := sorted((timer for timer in self._timers if timer[0] <= end), key=lambda timer: timer[0]):
            timer = due[0]
            self._timers.remove(timer)
            self.now = timer[0]
            if not timer[3].cancelled():
                timer[1](*timer[2])
        self.now = end

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return cast(asyncio.AbstractEventLoop, self)


class Session:
    """One client."""

    def __init__(
        self, broker: FakeBroker | None = None, limits: ConnectionLimits = LIMITS, gatherer: Gatherer | None = None
    ) -> None:
        self.broker = broker or FakeBroker()
        self.time = ManualTime()
        self.lost: list[TextConnection] = []
        self.connection = TextConnection(
            self.broker.face,
            limits,
            loop=self.time.loop,
            clock=self.time,
            on_lost=self.lost.append,
            gatherer=gatherer,
        )
        self.transport = FakeTransport(self.connection)
        self.connection.connection_made(self.transport)

    async def say(self, data: bytes) -> bytes:
        """Send bytes; returns what comes back once nothing moves any more."""
        self.connection.data_received(data)
        return await self.hear()

    async def hear(self) -> bytes:
        """What has come since the last time."""
        await settle()
        heard = bytes(self.transport.written)
        self.transport.written.clear()
        return heard


async def settle() -> None:
    """Let everything run that can run."""
    for _ in range(60):
        await asyncio.sleep(0)
