"""Every client produces and reads: keys, headers, nulls, codecs, sizes, partitions, times."""

from __future__ import annotations

import random

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.kafka.clients import CODECS, Client
from tests.integration.kafka.driver import EARLIEST, LATEST, Driver
from tests.integration.kafka.message import Message

from logmq.records import batches

CODEC_BITS = 0x07
MINUTE_MS = 60_000
LONG_AGO_MS = 1_700_000_000_000


def test_keys_headers_and_nulls(client_kind: Client, kafka: Driver, topic_name: str) -> None:
    """Keys, several headers of one name, empty and null values, any byte: what is read is what was sent, in order."""
    sent = [
        Message(b"value", b"key", (("trace", b"1"), ("trace", b"2"), ("empty", b""))),
        Message(b"value", None),
        Message(b"", b"key"),
        Message(None, b"tombstone"),
        Message(bytes(range(1, 256)), b"\xff\x01", (("naïve", b"\xfe\xff"),)),
    ]
    offsets = kafka.produce(topic_name, sent)
    found = kafka.consume(topic_name, len(sent))
    assert [message.content() for message in found] == sent
    assert [message.offset for message in found] == [0, 1, 2, 3, 4]
    if "offsets" not in client_kind.lacks:
        assert offsets == [0, 1, 2, 3, 4]


def test_a_header_without_a_value(client_kind: Client, kafka: Driver, topic_name: str) -> None:
    """A header's value may be null."""
    client_kind.skip_without("null-header")
    sent = [Message(b"v", None, (("nothing", None), ("something", b"x")))]
    kafka.produce(topic_name, sent)
    assert [message.content() for message in kafka.consume(topic_name, 1)] == sent


@pytest.mark.parametrize("codec", CODECS)
def test_codecs(client_kind: Client, kafka: Driver, broker: BrokerProcess, topic_name: str, codec: str) -> None:
    """Batches are stored compressed as the client compressed them, and come back whole."""
    if codec not in client_kind.codecs:
        pytest.skip(f"{client_kind.name} does not write {codec}")
    sent = [Message(b"the same words again and again %d" % number * 5) for number in range(200)]
    kafka.produce(topic_name, sent, codec=codec)
    assert [message.content() for message in kafka.consume(topic_name, len(sent))] == sent
    stored = (broker.data_dir / f"{topic_name}.log").read_bytes()
    used = {header.attributes & CODEC_BITS for _, header in batches.headers(stored)}
    assert used == {CODECS.index(codec)}


def test_a_million_bytes(kafka: Driver, topic_name: str) -> None:
    """Messages just below the limit of one MiB, of bytes that do not compress."""
    words = random.Random(1)
    sent = [Message(words.randbytes(1_000_000).replace(b"\n", b" ")) for _ in range(3)]
    kafka.produce(topic_name, sent)
    assert [message.content() for message in kafka.consume(topic_name, 3)] == sent


def test_seek_by_time(client_kind: Client, kafka: Driver, topic_name: str) -> None:
    """A time leads to the first message at or after it; the ends of a partition are known."""
    client_kind.skip_without("times")
    times = [LONG_AGO_MS + number * MINUTE_MS for number in range(10)]
    for time in times:  # a batch each, and two in the last
        kafka.produce(topic_name, [Message(b"m", timestamp_ms=time)])
    kafka.produce(topic_name, [Message(b"m", timestamp_ms=times[-1] + number) for number in (1, 2)])
    assert kafka.offset_at(topic_name, EARLIEST) == 0
    assert kafka.offset_at(topic_name, LATEST) == 12
    assert kafka.offset_at(topic_name, times[4]) == 4
    assert kafka.offset_at(topic_name, times[4] + 1) == 5
    assert kafka.offset_at(topic_name, times[-1] + 2) == 11
    assert kafka.offset_at(topic_name, 0) == 0
    (found,) = kafka.consume(topic_name, 1, {0: kafka.offset_at(topic_name, times[7] - 5)})
    assert found.timestamp_ms == times[7]


def test_reading_begins_inside_a_batch(kafka: Driver, topic_name: str) -> None:
    """A consumer that begins at an offset in the middle of a batch gets that message first."""
    kafka.produce(topic_name, [Message(b"%d" % number) for number in range(50)])
    found = kafka.consume(topic_name, 5, {0: 33})
    assert [(message.offset, message.value) for message in found] == [(n, b"%d" % n) for n in range(33, 38)]
