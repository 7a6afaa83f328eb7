"""Text protocol and Kafka clients on one topic, in both formats, and what a plain topic cannot hold."""

from __future__ import annotations

import re

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.kafka.driver import LATEST, ClientError, Driver
from tests.integration.kafka.message import Message

FRAME_HEAD = 4
REFUSED = re.compile(r"plain topic|validate record|invalid.?record|be rejected|UnknownError", re.IGNORECASE)
"""Most clients show the broker's sentence or the name of its code; aiokafka does not know the code."""


def test_what_nc_produced_a_kafka_client_reads(kafka: Driver, broker: BrokerProcess, topic_name: str) -> None:
    """Each line is a message without a key, at its byte position; a consumer may begin at any of them."""
    lines = [b"first", b"", b"the third one", b"x" * 1000]
    answers = broker.ask(*[b"PRODUCE %s %s" % (topic_name.encode(), line) for line in lines])
    offsets = [int(answer.split()[1]) for answer in answers]
    found = kafka.consume(topic_name, 4)
    assert [(message.offset, message.value) for message in found] == list(zip(offsets, lines, strict=True))
    assert all(message.key is None and not message.headers for message in found)
    assert kafka.offset_at(topic_name, LATEST) == offsets[-1] + FRAME_HEAD + 1000
    (third,) = kafka.consume(topic_name, 1, {0: offsets[2]})
    assert third.value == b"the third one"
    (third,) = kafka.consume(topic_name, 1, {0: offsets[1] + 1})  # inside a message: the next one
    assert third.value == b"the third one"


def test_many_lines_and_more_while_reading(kafka: Driver, broker: BrokerProcess, topic_name: str) -> None:
    """A long plain log is read over many fetches, each message once and in order."""
    with broker.client() as client:
        name = topic_name.encode()
        client.send(b"".join(b"PRODUCE %s %d %s\n" % (name, number, b"y" * 500) for number in range(5000)))
        client.lines(5000)
    found = kafka.consume(topic_name, 5000)
    assert [int((message.value or b"").split()[0]) for message in found] == list(range(5000))


def test_a_kafka_client_writes_to_a_plain_topic(kafka: Driver, broker: BrokerProcess, topic_name: str) -> None:
    """Values become frames, compressed or not, and nc reads them at their positions."""
    name = topic_name.encode()
    broker.ask(b"PRODUCE %s from-nc" % name)
    kafka.produce(topic_name, [Message(b"one"), Message(b"two")])
    kafka.produce(topic_name, [Message(b"zipped " * 20)], codec="gzip")
    with broker.client() as client:
        client.send(b"CONSUME %s 0 10\n" % name)
        assert client.lines(4) == [
            b"MESSAGE 0 7 from-nc",
            b"MESSAGE 11 3 one",
            b"MESSAGE 18 3 two",
            b"MESSAGE 25 140 " + b"zipped " * 20,
        ]
    stored = (broker.data_dir / f"{topic_name}.log").read_bytes()
    assert stored[:18] == b"\x00\x00\x00\x07from-nc\x00\x00\x00\x03one"


@pytest.mark.parametrize(
    "message",
    [Message(b"v", key=b"key"), Message(b"v", headers=(("name", b"value"),)), Message(None, key=b"k")],
    ids=["key", "header", "null"],
)
def test_a_plain_topic_says_what_it_cannot_hold(
    kafka: Driver, broker: BrokerProcess, topic_name: str, message: Message
) -> None:
    """Keys, headers and null values are refused; nothing is stored, and the producer can go on."""
    broker.ask(b"PRODUCE %s hello" % topic_name.encode())
    with pytest.raises(ClientError, match=REFUSED):
        kafka.produce(topic_name, [message])
    assert kafka.offset_at(topic_name, LATEST) == FRAME_HEAD + 5
    kafka.produce(topic_name, [Message(b"a value")])
    assert [found.value for found in kafka.consume(topic_name, 2)] == [b"hello", b"a value"]


@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_nc_reads_what_a_kafka_client_made(kafka: Driver, broker: BrokerProcess, topic_name: str, codec: str) -> None:
    """On a topic made by a Kafka client nc sees values by record number, decompressed, and may add its own."""
    name = topic_name.encode()
    kafka.produce(topic_name, [Message(b"one", b"key"), Message(b"two", None, (("h", b"1"),))], codec=codec)
    with broker.client() as client:
        client.send(b"CONSUME %s 0 10\n" % name)
        assert client.lines(2) == [b"MESSAGE 0 3 one", b"MESSAGE 1 3 two"]
    assert broker.ask(b"PRODUCE %s from nc" % name) == [b"OK 2"]
    assert [message.value for message in kafka.consume(topic_name, 3)] == [b"one", b"two", b"from nc"]
