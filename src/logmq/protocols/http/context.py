"""What every handler of an HTTP request may use."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from starlette.requests import HTTPConnection

from logmq.broker.broker import Broker
from logmq.clock import Clock
from logmq.config import Config
from logmq.limits import HTTP_SEARCHES_MAX
from logmq.protocols.http.partitioner import Partitioner


@dataclass(frozen=True, slots=True)
class Context:
    """The broker, and what it was started with."""

    broker: Broker
    config: Config
    clock: Clock
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the broker begins to stop: streams and long polls end then."""
    partitioner: Partitioner = field(default_factory=Partitioner)
    """Where records go whose partition is not given."""
    searches: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, HTTP_SEARCHES_MAX))
    """Searches under way."""


def context_of(connection: HTTPConnection) -> Context:
    """The context of a request or WebSocket."""
    return cast(Context, connection.app.state.context)
