"""Subscribers without sockets: an outlet that keeps what it is given, and Server-Sent Events taken apart."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from tests.unit.protocols.http.http_session import HttpStage
from tests.unit.protocols.kafka.kafka_session import until

from logmq.protocols.http.live.events import SERVER_SENT_EVENTS
from logmq.protocols.http.live.hub import Hub, Wanted
from logmq.protocols.http.live.start import Start, at_offset, behind
from logmq.protocols.http.live.subscription import Subscription
from logmq.protocols.http.outlet import Outlet


class Event(NamedTuple):
    """One event: the id that holds from it on, its name, and its data as JSON."""

    id: str
    name: str
    data: Any


def unchunked(data: bytes) -> bytes:
    """The body of an answer in whole chunks."""
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        assert data[length : length + 2] == b"\r\n"
        body, data = body + data[:length], data[length + 2 :]
    return body


def events_of(body: bytes, last_id: str = "") -> list[Event]:
    """The events of a body that ends with one (WHATWG HTML, 9.2.6); those without data only set the id, which stays."""
    assert body.endswith(b"\n\n") or not body
    found = []
    for block in body.decode().split("\n\n"):
        name, lines = "message", []
        for line in block.split("\n"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "id":
                last_id = value
            elif field == "event":
                name = value
            elif field == "data":
                lines.append(value)
        if lines:
            found.append(Event(last_id, name, json.loads("\n".join(lines))))
    return found


class KeptOutlet(Outlet):
    """Takes everything; `waiting` is what it says that waits, `stuck` lets nobody go on."""

    __slots__ = ("aborted", "pieces", "stuck", "waiting")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.waiting = 0
        self.stuck = False
        self.aborted = False

    @property
    def waiting_bytes(self) -> int:
        return self.waiting

    @property
    def is_closing(self) -> bool:
        return self.aborted

    @property
    def client(self) -> str:
        return "127.0.0.1:1"

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    async def drained(self, timeout_s: float) -> bool:
        return not self.stuck

    def abort(self) -> None:
        self.aborted = True

    @property
    def events(self) -> list[Event]:
        """All that came so far."""
        return events_of(unchunked(b"".join(self.pieces)))

    @property
    def values(self) -> list[Any]:
        """The values of the records among them."""
        return [event.data["value"] for event in self.events if event.name == "message"]

    async def holds(self, count: int) -> None:
        """Wait until there are so many records."""
        await until(lambda: len(self.values) >= count)


@asynccontextmanager
async def subscribed(
    http: HttpStage,
    hub: Hub,
    topic: str,
    *,
    offset: str = "earliest",
    after: str | None = None,
    partition: int | None = None,
    rate_max: int | None = None,
) -> AsyncIterator[tuple[KeptOutlet, Subscription]]:
    """A subscriber, while it is one."""
    described = http.broker.topic(topic)
    wanted = Wanted(described, partition, "text", rate_max, SERVER_SENT_EVENTS)
    if after is not None:
        start = behind(http.context, described, partition, after)
    elif offset == "latest":
        start = Start(hub.tail(wanted), [])
    else:
        start = await at_offset(http.context, described, partition, offset)
    outlet = KeptOutlet()
    async with Subscription(http.context, hub, wanted, start, outlet) as subscription:
        yield outlet, subscription
