"""Redis Streams, the append-only file synced before every acknowledgement."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.peers.peer import TOPIC
from bench.peers.process import ServerProcess, free_port
from bench.peers.resp import RedisAdd, RedisRead, command
from logmq.client.address import Address


class RedisServer(ServerProcess):
    """A Redis that runs."""

    def __init__(self, directory: Path) -> None:
        """Start it on `directory`. Raises: RuntimeError, as `ServerProcess`."""
        address = Address("127.0.0.1", free_port())
        command_line = ["redis-server", "--bind", address.host, "--port", str(address.port), "--dir", str(directory)]
        command_line += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        # Rewriting the file in the background would only take time from it; the other brokers do nothing like it.
        command_line += ["--auto-aof-rewrite-percentage", "0"]
        super().__init__(command_line, address, directory / "redis.out")

    def produce(self, size: int) -> RedisAdd:
        """XADD."""
        return RedisAdd(TOPIC, size)

    def stored_count(self, size: int) -> int:
        """XLEN."""
        with socket.create_connection((self.address.host, self.address.port), 10) as connection:
            connection.sendall(command(b"XLEN", TOPIC.encode()))
            return int(connection.makefile("rb").readline()[1:])

    def read_many(self, size: int, batch: int) -> RedisRead:
        """XREAD COUNT."""
        return RedisRead(TOPIC, size, batch)


class Redis:
    """Debian's redis-server."""

    name = "Redis Streams"

    def version(self) -> str:
        """As `redis-server --version` has it."""
        words = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
        return next(word[2:] for word in words.split() if word.startswith("v="))

    @contextmanager
    def start(self, directory: Path) -> Iterator[RedisServer]:
        """Start it on an empty directory."""
        with RedisServer(directory) as server:
            yield server
