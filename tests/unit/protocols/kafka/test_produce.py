"""Produce: what is stored, what is refused and with which of Kafka's codes, in every version."""

from __future__ import annotations

import struct
from datetime import timedelta
from typing import Any

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st
from kio.index import load_request_schema
from kio.serial import entity_reader
from tests.unit.protocols.kafka.kafka_session import (
    NOW_MS,
    Stage,
    batch,
    encode_request,
    fetch_fields,
    produce_fields,
    turns,
    until,
)

from logmq.model import Format, TopicPartition
from logmq.protocols.kafka.api import APIS
from logmq.protocols.kafka.framing import Frames, parse
from logmq.protocols.kafka.produce_request import read_produce
from logmq.records import batches
from logmq.records.batches import Compression
from logmq.records.records import Record, decode, encode

VERSIONS = range(APIS[0].min_version, APIS[0].max_version + 1)


@pytest.fixture
async def topic(staged: Stage) -> str:
    await staged.broker.create_topic("t", format=Format.BATCH, partition_count=3)
    return "t"


def patched(data: bytes, position: int, replacement: bytes, *, sealed: bool = True) -> bytes:
    """A batch with other bytes somewhere, its checksum made right again if `sealed`."""
    changed = bytearray(data)
    changed[position : position + len(replacement)] = replacement
    if sealed:
        struct.pack_into(">I", changed, 17, crc32c(bytes(changed[21:])))
    return bytes(changed)


@pytest.mark.parametrize("version", VERSIONS)
async def test_kio_reads_every_version(staged: Stage, topic: str, version: int) -> None:
    """The hand-packed response says the same in every version: offsets, codes, and reasons where there is room."""
    client = staged.session()
    sent = produce_fields(topic, batch(b"a", b"b"), batch(b"c"), b"", batch(b"d"))
    response = await client.ask("produce", version, **sent)
    (answered,) = response.responses
    assert answered.name == topic
    first, second, third, fourth = answered.partition_responses
    assert [each.index for each in answered.partition_responses] == [0, 1, 2, 3]
    assert (first.error_code.value, first.base_offset, second.base_offset) == (0, 0, 0)
    assert third.error_code.name == "invalid_record"
    assert fourth.error_code.name == "unknown_topic_or_partition"
    assert response.throttle_time == timedelta(0)
    if version >= 8:
        assert first.error_message is None
        assert "partitions 0 to 2" in fourth.error_message
    again = (await client.ask("produce", version, **sent)).responses[0].partition_responses[0]
    assert again.base_offset == 2


@pytest.mark.parametrize("version", VERSIONS)
@given(
    names=st.lists(st.text(max_size=300), max_size=4),
    records=st.lists(st.none() | st.binary(max_size=300), max_size=4),
    acks=st.integers(-(2**15), 2**15 - 1),
    transactional_id=st.none() | st.text(max_size=20),
)
def test_requests_are_read_as_kio_reads_them(
    version: int, names: list[str], records: list[bytes | None], acks: int, transactional_id: str | None
) -> None:
    """The hand-written reader of requests agrees with kio's."""
    partitions = [{"index": index, "records": data} for index, data in enumerate(records)]
    fields: dict[str, Any] = {
        "transactional_id": transactional_id,
        "acks": acks,
        "timeout": timedelta(milliseconds=1234),
        "topic_data": [{"name": name, "partition_data": partitions} for name in names],
    }
    frame = parse(encode_request("produce", version, fields))
    ours = read_produce(frame)
    reader: Any = entity_reader(load_request_schema(0, version))
    kios, _ = reader(frame.data, frame.position)
    assert (ours.acks, ours.timeout_ms, ours.transactional_id) == (kios.acks, 1234, kios.transactional_id)
    assert [(name, [tuple(each) for each in parts]) for name, parts in ours.topics] == [
        (each.name, [(one.index, one.records or b"") for one in each.partition_data]) for each in kios.topic_data
    ]


@pytest.mark.parametrize("acks", [-1, 1])
async def test_acks_1_and_all_wait_for_the_commit(staged: Stage, topic: str, acks: int) -> None:
    """There is no acknowledgement before the commit, whichever of the two is asked for."""
    client = staged.session()
    staged.broker.held = True
    sent = client.send("produce", 7, **produce_fields(topic, batch(b"x"), acks=acks))
    await turns()
    assert client.order() == []
    await staged.broker.commit()
    await until(lambda: client.order() == [sent])


@pytest.mark.parametrize("acks", [2, -2, 32767])
async def test_other_acks_are_refused(staged: Stage, topic: str, acks: int) -> None:
    """acks other than 0, 1 and -1 store nothing."""
    response = await staged.session().ask("produce", 9, **produce_fields(topic, batch(b"x"), acks=acks))
    (answered,) = response.responses[0].partition_responses
    assert answered.error_code.name == "invalid_required_acks"
    assert staged.broker.bounds(TopicPartition(topic, 0)).high_watermark == 0


GOOD = batch(b"one", b"two")
OLD = struct.pack(">qiIbb", 0, 30, 0, 0, 0) + b"\xff" * 50
BAD_BATCHES = {
    "bad crc": (patched(GOOD, 70, b"\xff", sealed=False), "corrupt_message"),
    "cut off": (GOOD[:-1], "corrupt_message"),
    "cut in its header": (GOOD[:40], "corrupt_message"),
    "length beyond the frame": (patched(GOOD, 8, struct.pack(">i", 1 << 30)), "corrupt_message"),
    "negative length": (patched(GOOD, 8, struct.pack(">i", -5)), "corrupt_message"),
    "wrong count": (patched(GOOD, 57, struct.pack(">i", 3)), "invalid_record"),
    "more records than bytes": (
        patched(patched(GOOD, 57, struct.pack(">i", 1 << 20)), 23, struct.pack(">i", (1 << 20) - 1)),
        "invalid_record",
    ),
    "no records": (patched(patched(GOOD, 57, struct.pack(">i", 0)), 23, struct.pack(">i", -1)), "invalid_record"),
    "wrong last offset": (patched(GOOD, 23, struct.pack(">i", 7)), "invalid_record"),
    "magic 0": (OLD, "unsupported_for_message_format"),
    "magic 1": (patched(OLD, 16, b"\x01", sealed=False), "unsupported_for_message_format"),
    "magic 3": (patched(GOOD, 16, b"\x03", sealed=False), "unsupported_for_message_format"),
    "unknown compression": (patched(GOOD, 21, struct.pack(">h", 7)), "invalid_record"),
    "control": (patched(GOOD, 21, struct.pack(">h", batches.CONTROL)), "invalid_record"),
    "transactional": (patched(GOOD, 21, struct.pack(">h", batches.TRANSACTIONAL)), "invalid_record"),
    "no epoch": (batches.with_producer(GOOD, 7, -1, 0), "invalid_record"),
    "two of one producer": (batches.with_producer(GOOD, 7, 0, 0) * 2, "invalid_record"),
    "good, then garbage": (GOOD + b"garbage", "corrupt_message"),
    "nothing": (b"", "invalid_record"),
    "too large": (batch(b"x" * (1 << 20)), "message_too_large"),
}


@pytest.mark.parametrize("name", BAD_BATCHES)
async def test_bad_batches_are_refused(staged: Stage, topic: str, name: str) -> None:
    """A batch that is not as it should be stores nothing; the partition beside it does, and the connection stays."""
    data, code = BAD_BATCHES[name]
    client = staged.session()
    response = await client.ask("produce", 9, **produce_fields(topic, data, GOOD))
    bad, good = response.responses[0].partition_responses
    assert bad.error_code.name == code
    assert bad.error_message
    assert (bad.base_offset, good.base_offset) == (-1, 0)
    assert staged.broker.bounds(TopicPartition(topic, 0)).high_watermark == 0
    assert not client.lost


@pytest.mark.parametrize("name", ["", ".", "a b", "x" * 250, "\u00e9", "__consumer_offsets"])
async def test_illegal_names_are_refused(staged: Stage, name: str) -> None:
    """No topic is made for a name that cannot be one, or that belongs to the broker."""
    response = await staged.session().ask("produce", 9, **produce_fields(name, GOOD))
    assert response.responses[0].name == name
    assert response.responses[0].partition_responses[0].error_code.name == "invalid_topic_exception"


async def test_a_first_message_makes_its_topic(staged: Stage) -> None:
    """A Produce for a topic that is not there makes it; two of one connection keep their order."""
    client = staged.session()
    ids = [client.send("produce", 9, **produce_fields("new", batch(value))) for value in (b"1", b"2", b"3")]
    await until(lambda: client.order() == ids)
    assert staged.broker.topic("new").format is Format.BATCH
    chunk = await staged.broker.read(TopicPartition("new", 0), 0, 1000)
    found = [next(iter(decode(chunk.data[start:], 100))) for start, _ in batches.headers(chunk.data)]
    assert [(each.offset, each.value) for each in found] == [(0, b"1"), (1, b"2"), (2, b"3")]


async def test_batches_are_stored_as_they_came(staged: Stage, topic: str) -> None:
    """But for the base offset, and the leader epoch, which is the broker's to set."""
    client = staged.session()
    data = encode([Record(0, NOW_MS, b"k", None, (("h", b"v"), ("n", None)))], Compression.ZSTD)
    for _ in range(2):
        await client.ask("produce", 9, **produce_fields(topic, data))
    chunk = await staged.broker.read(TopicPartition(topic, 0), 1, 1000)
    assert chunk.data == struct.pack(">q", 1) + data[8:]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("piece_size", [1 << 20, 4096, 77])
async def test_large_requests_are_stored_as_they_came(staged: Stage, topic: str, count: int, piece_size: int) -> None:
    """In how many pieces they come changes nothing: neither for their batches, nor for what stands around them."""
    client = staged.session()
    value = bytes(range(256)) * 40
    made = [encode([Record(number, NOW_MS, None, value) for number in range(3)]) for _ in range(count)]
    sent = encode_request("produce", 9, produce_fields(topic, b"".join(made))) * 2
    for position in range(0, len(sent), piece_size):
        client.connection.data_received(sent[position : position + piece_size])
    await until(lambda: len(client.order()) == 2)
    expected = [struct.pack(">q", 3 * number) + each[8:] for number, each in enumerate(made * 2)]
    chunk = await staged.broker.read(TopicPartition(topic, 0), 0, 1 << 20)
    assert chunk.data == b"".join(expected)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("piece_size", [1 << 20, 4096])
def test_large_records_are_not_copied(version: int, piece_size: int) -> None:
    """They are a view of the request, which can be written to if it came in pieces."""
    records = bytes(100_000)
    partitions = [{"index": 0, "records": records}]
    fields = {"transactional_id": None, "acks": 1, "timeout": timedelta(0)}
    sent = encode_request("produce", version, {**fields, "topic_data": [{"name": "t", "partition_data": partitions}]})
    frames = Frames(1 << 20)
    (frame,) = [
        frame
        for position in range(0, len(sent), piece_size)
        for frame in frames.feed(sent[position : position + piece_size])
    ]
    read = read_produce(frame).topics[0].partitions[0].records
    assert isinstance(read, memoryview) and read.obj is frame.data and read == records
    assert read.readonly == (piece_size > len(sent))


async def test_log_append_time_is_the_brokers(staged: Stage) -> None:
    """With message.timestamp.type=LogAppendTime records have the broker's time, and the response says it."""
    await staged.broker.create_topic("t", format=Format.BATCH, overrides={"message.timestamp.type": "LogAppendTime"})
    client = staged.session()
    staged.clock.ms = NOW_MS + 5000
    response = await client.ask("produce", 9, **produce_fields("t", batch(b"x", timestamp_ms=1)))
    assert response.responses[0].partition_responses[0].log_append_time.timestamp() * 1000 == NOW_MS + 5000
    chunk = await staged.broker.read(TopicPartition("t", 0), 0, 1000)
    batches.check(chunk.data)
    assert [each.timestamp_ms for each in decode(chunk.data, 1000)] == [NOW_MS + 5000]


async def test_an_idempotent_producer_is_stored_once(staged: Stage, topic: str) -> None:
    """A batch that comes again is answered with the offset that it got; one out of order has its own code."""
    client = staged.session()
    data = batches.with_producer(batch(b"x"), 7, 0, 0)
    for _ in range(2):
        response = await client.ask("produce", 9, **produce_fields(topic, data))
        assert response.responses[0].partition_responses[0].base_offset == 0
    gap = batches.with_producer(batch(b"y"), 7, 0, 9)
    response = await client.ask("produce", 9, **produce_fields(topic, gap))
    assert response.responses[0].partition_responses[0].error_code.name == "out_of_order_sequence_number"


PLAIN_REFUSALS = {
    "key": [Record(0, 0, b"k", b"v")],
    "null": [Record(0, 0, None, None)],
    "header": [Record(0, 0, None, b"v", (("h", b""),))],
}


@pytest.mark.parametrize("name", PLAIN_REFUSALS)
async def test_a_plain_topic_refuses_what_a_frame_cannot_hold(staged: Stage, name: str) -> None:
    """Keys, headers and null values are refused with a reason that a person understands."""
    await staged.broker.create_topic("p", format=Format.PLAIN)
    response = await staged.session().ask("produce", 9, **produce_fields("p", encode(PLAIN_REFUSALS[name])))
    (answered,) = response.responses[0].partition_responses
    assert answered.error_code.name == "invalid_record"
    assert "values only" in answered.error_message


@pytest.mark.parametrize("compression", list(Compression))
async def test_a_plain_topic_stores_values(staged: Stage, compression: Compression) -> None:
    """Values of any codec become frames; a Kafka consumer reads them back at their positions."""
    await staged.broker.create_topic("p", format=Format.PLAIN)
    client = staged.session()
    data = encode([Record(number, 0, None, value) for number, value in enumerate((b"hello", b"", b"w"))], compression)
    response = await client.ask("produce", 9, **produce_fields("p", data))
    assert response.responses[0].partition_responses[0].base_offset == 0
    assert (await staged.broker.read(TopicPartition("p", 0), 0, 100)).data == b"\0\0\0\5hello\0\0\0\0\0\0\0\1w"
    fetched = await client.ask("fetch", 4, **fetch_fields("p", {0: 0}))
    records = bytes(fetched.responses[0].partitions[0].records)
    assert [(each.offset, each.value) for each in decode(records, 100)] == [(0, b"hello"), (9, b""), (13, b"w")]
    assert batches.header_at(records, 0).next_offset == 18


async def test_a_bomb_for_a_plain_topic_is_refused(staged: Stage) -> None:
    """What would become larger than the topic takes is refused before it is there."""
    await staged.broker.create_topic("p", format=Format.PLAIN)
    for compression in list(Compression)[1:]:
        bomb = encode([Record(0, 0, None, b"\0" * (32 << 20))], compression)
        response = await staged.session().ask("produce", 9, **produce_fields("p", bomb))
        code = response.responses[0].partition_responses[0].error_code.name
        assert code in {"invalid_record", "message_too_large"}
