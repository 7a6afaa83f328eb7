"""The clients that the scenarios run with: how to start a driver for each, and what its library cannot do.

What no package of Python brings (.ci/kafka-clients installs it) lies in $KAFKA_CLIENTS_DIR.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.integration.kafka.driver import Driver

DRIVERS = Path(__file__).parent / "drivers"
INSTALLED = Path(os.environ.get("KAFKA_CLIENTS_DIR") or Path.home() / ".cache" / "logmq-test-clients")
NODE_MODULES = INSTALLED / "node" / "node_modules"
JARS = INSTALLED / "java"

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


@dataclass(frozen=True, slots=True)
class Client:
    """A client library. `codecs` are those it can write; `lacks` are the abilities that a scenario may ask for:

    `null-header`: headers without a value; `times`: timestamps of the sender's choice; `admin`: topics; `group-delete`;
    `new-protocol`: groups by KIP-848; `static`: members with an instance id; `offsets`: told by produce;
    `live-producer`: a client that lives on while its broker is away.
    """

    name: str
    command: tuple[str, ...]
    missing: Callable[[], str | None]
    """Why it cannot run here, if it cannot."""
    codecs: tuple[str, ...] = CODECS
    lacks: frozenset[str] = frozenset()
    slow: bool = False
    """Its process takes seconds to start: runs with the long tests."""
    variables: dict[str, str] = field(default_factory=dict)

    def start(self, port: int) -> Driver:
        """A driver that knows the broker's port."""
        return Driver(self.command, port, self.variables)

    def skip_without(self, *abilities: str) -> None:
        """Skip the running test if the library cannot do what it is about."""
        for ability in abilities:
            if ability in self.lacks:
                pytest.skip(f"{self.name} has no {ability}")


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"tests.integration.kafka.drivers.{module}")


def _package(name: str) -> Callable[[], str | None]:
    return lambda: None if importlib.util.find_spec(name) else f"the Python package {name} is not installed"


def _program(name: str) -> Callable[[], str | None]:
    return lambda: None if shutil.which(name) else f"{name} is not installed"


def _kafkajs_missing() -> str | None:
    if shutil.which("node") is None:
        return "node is not installed"
    return None if (NODE_MODULES / "kafkajs").is_dir() else f"kafkajs is not in {NODE_MODULES} (.ci/kafka-clients)"


def java_missing() -> str | None:
    """Why the Java client cannot run here, if it cannot."""
    if shutil.which("java") is None:
        return "java is not installed"
    return None if any(JARS.glob("kafka-clients-*.jar")) else f"kafka-clients is not in {JARS} (.ci/kafka-clients)"


CLIENTS: tuple[Client, ...] = (
    Client("confluent-kafka", _python("confluent_driver"), _package("confluent_kafka")),
    Client(
        "aiokafka",
        _python("aiokafka_driver"),
        _package("aiokafka"),
        lacks=frozenset({"new-protocol", "group-delete"}),
    ),
    Client(
        "kafka-python",
        _python("kafka_python_driver"),
        _package("kafka"),
        lacks=frozenset({"new-protocol", "null-header"}),
    ),
    Client(
        "kcat",
        _python("kcat_driver"),
        _program("kcat"),
        lacks=frozenset({"null-header", "times", "admin", "new-protocol", "offsets", "group-delete", "live-producer"}),
    ),
    Client(
        "kafkajs",
        ("node", str(DRIVERS / "kafkajs_driver.cjs")),
        _kafkajs_missing,
        codecs=("none", "gzip"),  # the others are packages by others, partly unkept
        lacks=frozenset({"null-header", "new-protocol", "static"}),
        variables={"NODE_PATH": str(NODE_MODULES), "KAFKAJS_NO_PARTITIONER_WARNING": "1"},
    ),
    Client(
        "java",
        ("java", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*", str(DRIVERS / "JavaDriver.java")),
        java_missing,
        slow=True,
    ),
)


def every_client() -> list[object]:
    """All clients as parameters of a test or fixture."""
    return [pytest.param(client, id=client.name, marks=[pytest.mark.long] if client.slow else []) for client in CLIENTS]
