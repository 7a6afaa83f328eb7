"""LogMQ as it is installed, `sync=always`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import logmq
from bench.peers.peer import TOPIC
from bench.peers.process import ServerProcess, free_port
from logmq.client.address import Address
from logmq.client.blocking import Client
from logmq.client.load.text import TextConsume, TextFollow, TextProduce

_HEADER_SIZE = 4


class LogMQServer(ServerProcess):
    """A LogMQ broker that runs."""

    def __init__(self, directory: Path, flags: Sequence[str] = ()) -> None:
        """Start it on `directory`. Raises: RuntimeError, as `ServerProcess`."""
        address = Address("127.0.0.1", free_port())
        self.directory = directory / "logmq"
        command = [sys.executable, "-m", "logmq", "serve", "--port", str(address.port)]
        command += ["--data-dir", str(self.directory), "--sync", "always", *flags]
        super().__init__(command, address, directory / "logmq.out")

    def client(self) -> Client:
        """A connection for questions."""
        return Client(self.address)

    def produce(self, size: int) -> TextProduce:
        """PRODUCE."""
        return TextProduce(TOPIC, size)

    def stored_count(self, size: int) -> int:
        """By its high watermark; the segments' files have to agree to the byte."""
        end = self._end()
        length = sum(file.stat().st_size for file in self.directory.glob(f"{TOPIC}*.log"))
        if end != length or end % (_HEADER_SIZE + size):
            raise RuntimeError(f"the log ends at {end}, its files hold {length} bytes")
        return end // (_HEADER_SIZE + size)

    def _end(self) -> int:
        with self.client() as client:
            return client.describe(TOPIC).partitions[0].high_watermark

    def read_one(self, size: int) -> TextConsume:
        """CONSUME of one message a request, as the specification has it."""
        return TextConsume(TOPIC, size, 0, self._end(), _HEADER_SIZE + size)

    def read_many(self, size: int, batch: int) -> TextConsume:
        """CONSUME with a count."""
        return self.read_one(size).by(batch)

    def follow(self, size: int) -> TextFollow:
        """FOLLOW from the start."""
        return TextFollow(TOPIC, size)


class LogMQ:
    """LogMQ, this checkout."""

    name = "LogMQ"

    def version(self) -> str:
        """The package's version."""
        return logmq.__version__

    @contextmanager
    def start(self, directory: Path) -> Iterator[LogMQServer]:
        """Start it on an empty directory."""
        with LogMQServer(directory) as server:
            yield server
