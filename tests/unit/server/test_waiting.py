"""A connection that waits for its protocol: nothing is lost, nothing more is read."""

from __future__ import annotations

import asyncio

from tests.unit.protocols.text_session import FakeTransport

from logmq.server.waiting import Waiting


class Recorder(asyncio.Protocol):
    """The protocol that is waited for."""

    def __init__(self) -> None:
        self.transport: asyncio.BaseTransport | None = None
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data


class Wait:
    """A client that waits."""

    def __init__(self) -> None:
        self.ended: list[Waiting] = []
        self.waiting = Waiting(self.ended.append)
        self.transport = FakeTransport(self.waiting)
        self.waiting.connection_made(self.transport)
        self.waiting.data_received(b"GET / HT")


def test_what_came_before_is_passed_on() -> None:
    """Meanwhile nothing more is read, so that nobody fills the memory."""
    wait, recorder = Wait(), Recorder()
    assert not wait.transport.reading
    wait.waiting.go_on(recorder)
    assert (recorder.received, recorder.transport, wait.transport.protocol) == (b"GET / HT", wait.transport, recorder)
    assert wait.transport.reading
    assert wait.ended == [wait.waiting]


async def test_a_client_that_has_gone_is_not_passed_on() -> None:
    """Nor one that is being dropped."""
    gone, dropped = Wait(), Wait()
    gone.waiting.connection_lost(None)
    dropped.waiting.close()
    for wait in (gone, dropped):
        recorder = Recorder()
        wait.waiting.go_on(recorder)
        assert recorder.transport is None
        assert wait.ended[0] is wait.waiting
