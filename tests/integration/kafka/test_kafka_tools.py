"""Kafka's own command line tools, of the Java distribution: topics, console producer and consumer, groups, load."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import TypeAlias

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.kafka.clients import JARS, java_missing

pytestmark = pytest.mark.long

Tool: TypeAlias = Callable[..., str]

TOPICS = "org.apache.kafka.tools.TopicCommand"
PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
LOAD = "org.apache.kafka.tools.ProducerPerformance"
OFFSETS = "org.apache.kafka.tools.GetOffsetShell"


@pytest.fixture
def tool(broker: BrokerProcess) -> Tool:
    """Runs a tool against the broker; returns what it printed. Raises: AssertionError when it fails."""
    reason = java_missing()
    if reason is not None:
        pytest.skip(reason)

    def run(name: str, *arguments: str, typed: str = "") -> str:
        server = ("--bootstrap-server", f"127.0.0.1:{broker.port}")
        command = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*", name]
        done = subprocess.run(
            [*command, *(() if name == LOAD else server), *arguments],
            input=typed,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 0, f"{name} {arguments}:\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


def test_topics_records_and_groups(tool: Tool, topic_name: str) -> None:
    """Create, describe, alter and delete a topic; write lines, read them in a group, look at the group and reset it."""
    tool(TOPICS, "--create", "--topic", topic_name, "--partitions", "3", "--config", "retention.ms=86400000")
    described = tool(TOPICS, "--describe", "--topic", topic_name)
    assert "PartitionCount: 3" in described
    assert "retention.ms=86400000" in described
    tool(TOPICS, "--alter", "--topic", topic_name, "--partitions", "4")
    tool(PRODUCER, "--topic", topic_name, "--property", "parse.key=true", typed="a\tone\nb\ttwo\nc\tthree\n")
    reading = ("--topic", topic_name, "--from-beginning", "--max-messages", "3", "--group", topic_name)
    assert sorted(tool(CONSUMER, *reading).split()) == ["one", "three", "two"]
    assert topic_name in tool(GROUPS, "--list").split()
    assert topic_name in tool(GROUPS, "--describe", "--group", topic_name)
    reset = ("--reset-offsets", "--to-earliest", "--execute", "--group", topic_name, "--topic", topic_name)
    tool(GROUPS, *reset)
    assert len(tool(CONSUMER, *reading).split()) == 3
    tool(GROUPS, "--delete", "--group", topic_name)
    tool(TOPICS, "--delete", "--topic", topic_name)
    assert topic_name not in tool(TOPICS, "--list").split()


def test_a_load_of_a_hundred_thousand(tool: Tool, broker: BrokerProcess, topic_name: str) -> None:
    """kafka-producer-perf-test's messages all arrive, by the offsets that kafka-get-offsets shows."""
    properties = ("--producer-props", f"bootstrap.servers=127.0.0.1:{broker.port}", "acks=all", "compression.type=lz4")
    size = ("--num-records", "100000", "--record-size", "100", "--throughput", "-1")
    assert "100000 records sent" in tool(LOAD, "--topic", topic_name, *size, *properties)
    assert f"{topic_name}:0:100000" in tool(OFFSETS, "--topic", topic_name)
