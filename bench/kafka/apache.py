"""Apache Kafka from Maven Central: its libraries, a node's settings, its command line.

The libraries are fetched once by `mvn` and stay in the system's directory for temporary files.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bench.peers.process import free_port
from logmq.client.address import Address

VERSION = "4.1.1"
_JAVA = "java"
_MAVEN = "mvn"
_PROJECT = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>bench</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_FLAGS = [
    *("-server", "-Xmx1G", "-Xms1G", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"),
    *("-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"),
]
"""What Kafka's own start script passes."""
_ONE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # As in the settings that Kafka is shipped with; its default lets each new group wait for three seconds.
    "group.initial.rebalance.delay.ms": "0",
}


@cache
def libraries() -> Path:
    """The directory of all jars. Raises: FileNotFoundError without Maven or Java, CalledProcessError if it fails."""
    for program in (_JAVA, _MAVEN):
        if shutil.which(program) is None:
            raise FileNotFoundError(f"{program} is not installed: apt-get install openjdk-17-jre-headless maven")
    directory = Path(tempfile.gettempdir()) / f"logmq-bench-kafka-{VERSION}-{os.getuid()}"
    if not (directory / "libs").is_dir():
        directory.mkdir(mode=0o700, exist_ok=True)
        (directory / "pom.xml").write_text(_PROJECT, encoding="utf-8")
        # Into a directory that is renamed when all is there, so that an interrupted run leaves nothing half done.
        fetched = directory / "fetched"
        maven = [_MAVEN, "-q", "-B", _COPY, "-DincludeScope=runtime", f"-DoutputDirectory={fetched}"]
        subprocess.run(maven, cwd=directory, check=True)
        fetched.rename(directory / "libs")
    return directory / "libs"


def command(directory: Path, address: Address, settings: Mapping[str, str]) -> list[str]:
    """Write a node's settings, format its storage; the command line that starts it.

    Raises: RuntimeError with what the formatting printed, if it fails.
    """
    properties = directory / "server.properties"
    properties.write_text(_properties(directory, address, settings), encoding="utf-8")
    java = [_JAVA, "-cp", f"{libraries()}/*"]
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    formatting = [*java, "kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config", str(properties)]
    done = subprocess.run(formatting, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")
    return [java[0], *_FLAGS, *java[1:], "kafka.Kafka", str(properties)]


def _properties(directory: Path, address: Address, settings: Mapping[str, str]) -> str:
    listener, controller = f"{address.host}:{address.port}", f"{address.host}:{free_port()}"
    places = {
        "listeners": f"PLAINTEXT://{listener},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{listener}",
        "controller.quorum.voters": f"1@{controller}",
        "log.dirs": str(directory / "kafka"),
    }
    return "".join(f"{name}={value}\n" for name, value in {**_ONE_NODE, **places, **settings}.items())
