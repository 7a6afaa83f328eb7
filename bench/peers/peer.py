"""What a comparison needs of a broker."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from logmq.client.address import Address
from logmq.client.load.wire import Wire

TOPIC = "bench"


class Server(Protocol):
    """A broker that runs."""

    @property
    def address(self) -> Address:
        """Where it listens."""
        ...

    def produce(self, size: int) -> Wire:
        """Append messages of `size` bytes, each acknowledged once it is durable."""
        ...

    def stored_count(self, size: int) -> int:
        """How many messages of `size` bytes it says that it has, all of them appended by `produce`."""
        ...


class Reader(Protocol):
    """A broker whose stored messages can be read back."""

    def read_many(self, size: int, batch: int) -> Wire:
        """Read from the start over and over, `batch` messages a request."""
        ...


class Peer(Protocol):
    """A broker that can be started, with a sync before every acknowledgement."""

    name: str

    def version(self) -> str:
        """Its version as it names it itself. Raises: FileNotFoundError if it is not installed."""
        ...

    def start(self, directory: Path) -> AbstractContextManager[Server]:
        """Start it on an empty directory; it is stopped when the context is left."""
        ...
