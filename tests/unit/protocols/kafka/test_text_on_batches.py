"""The text protocol on topics that hold record batches: what nc shows of what Kafka clients stored, and vice versa."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from tests.unit.protocols.kafka.kafka_session import NOW_MS, MovedClock, Stage, batch, produce_fields, until
from tests.unit.protocols.text_session import LIMITS, FakeTransport

from logmq.broker.broker import Broker
from logmq.model import TopicPartition
from logmq.protocols.text.connection import TextConnection
from logmq.protocols.text.formats import TEXT_DECOMPRESSED_SIZE_MAX, BatchFormat
from logmq.records import batches
from logmq.records.batches import Compression
from logmq.records.records import Record, batch_of, decode, encode, varint
from logmq.storage.engine import Append

T0 = TopicPartition("t", 0)


class Nc:
    """A person with nc."""

    def __init__(self, staged: Stage) -> None:
        self.connection = TextConnection(
            cast(Broker, staged.broker), LIMITS, loop=asyncio.get_running_loop(), clock=staged.clock
        )
        self.transport = FakeTransport(self.connection)
        self.connection.connection_made(self.transport)

    async def say(self, lines: str, answers: int = 1) -> list[str]:
        """Send lines and wait for as many lines."""
        self.connection.data_received(lines.encode())
        await until(lambda: self.transport.written.count(b"\n") >= answers)
        heard = self.transport.written.decode().splitlines()
        self.transport.written.clear()
        return heard


async def put(staged: Stage, data: bytes, count: int) -> None:
    await staged.broker.append([Append(T0, data, (0,), (0,), count, NOW_MS)])


@pytest.fixture
async def nc(staged: Stage) -> Nc:
    made = Nc(staged)
    assert await made.say("CREATE t format=batch\n") == ["OK"]
    return made


async def test_create_chooses_the_format(staged: Stage, nc: Nc) -> None:
    """`format=batch` makes a topic as Kafka clients do; plain is what comes without; anything else is refused."""
    assert await nc.say("CREATE p 2 format=plain\nCREATE q 3 format=BATCH retention.ms=1d\nCREATE r\n", 3) == ["OK"] * 3
    assert [line.split()[2:] for line in await nc.say("TOPICS\n", 6) if line.split()[1] in "pqr"] == [
        ["2", "plain"],
        ["3", "batch"],
        ["1", "plain"],
    ]
    assert (await nc.say("CREATE s format=csv\n"))[0].startswith("ERR BAD_SETTING setting format: 'csv'")


async def test_messages_are_numbered(nc: Nc) -> None:
    """Offsets count messages: of a run, of a WRITE, and of what is read back one by one, in runs and by count."""
    lines = "".join(f"PRODUCE t m{number}\n" for number in range(5))
    assert await nc.say(lines, 5) == [f"OK {number}" for number in range(5)]
    assert await nc.say("WRITE t 2\nm5\n") == ["OK 5"]
    messages = [f"MESSAGE {number} 2 m{number}" for number in range(6)]
    assert await nc.say("".join(f"CONSUME t {number}\n" for number in range(7)), 7) == [*messages, "EOF"]
    assert await nc.say("CONSUME t 1 3\n", 4) == [*messages[1:4], "END 4"]
    assert await nc.say("CONSUME t earliest\nCONSUME t latest\n", 2) == [messages[0], "EOF"]


async def test_messages_are_dated() -> None:
    """Messages have the broker's time, and are records that Kafka clients read."""
    append = BatchFormat(MovedClock()).encode(T0, [b"hello", b""])
    batches.check(append.data)
    assert append.timestamp_ms == NOW_MS
    assert list(decode(bytes(append.data), 100)) == [Record(0, NOW_MS, None, b"hello"), Record(1, NOW_MS, None, b"")]


async def test_a_message_is_found_in_any_order(staged: Stage, nc: Nc) -> None:
    """Single reads that jump about get the message they ask for, whatever was read before."""
    for first in range(0, 40, 4):
        await put(staged, batch(*[b"m%d" % (first + number) for number in range(4)]), 4)
    for offset in (38, 3, 17, 0, 39, 16, 20, 2):
        assert await nc.say(f"CONSUME t {offset}\n") == [f"MESSAGE {offset} {len(str(offset)) + 1} m{offset}"]


@pytest.mark.parametrize("compression", list(Compression))
async def test_what_kafka_clients_stored_is_shown(staged: Stage, nc: Nc, compression: Compression) -> None:
    """Values of any codec are shown, without keys and headers; a null value as an empty message."""
    records = [
        Record(0, NOW_MS, b"key", b"one", (("h", b"v"),)),
        Record(1, NOW_MS + 5, None, None),
        Record(2, NOW_MS - 5_000_000, b"", b"x" * 300),
    ]
    await staged.session().ask("produce", 9, **produce_fields("t", encode(records, compression)))
    shown = ["MESSAGE 0 3 one", "MESSAGE 1 0 ", f"MESSAGE 2 300 {'x' * 300}"]
    assert await nc.say("CONSUME t 0 10\n", 4) == [*shown, "END 3"]
    assert await nc.say("CONSUME t 2\nCONSUME t 1\n", 2) == [shown[2], shown[1]]


async def test_follow(staged: Stage, nc: Nc) -> None:
    """FOLLOW shows what Kafka clients store as it comes."""
    client = staged.session()
    await client.ask("produce", 9, **produce_fields("t", batch(b"a", b"b")))
    assert await nc.say("FOLLOW t 1\n") == ["MESSAGE 1 1 b"]
    await client.ask("produce", 9, **produce_fields("t", batch(b"c")))
    assert await nc.say("") == ["MESSAGE 2 1 c"]
    assert await nc.say("\n") == ["END 3"]


async def test_control_batches_are_passed_over(staged: Stage, nc: Nc) -> None:
    """Markers of transactions have offsets but are no messages."""
    marker = batch_of(
        body=b"\x0c\x00\x00\x00\x01\x01\x00",
        base_offset=0,
        last_offset_delta=0,
        record_count=1,
        base_timestamp_ms=0,
        max_timestamp_ms=0,
        attributes=batches.CONTROL,
    )
    await put(staged, marker, 1)
    await put(staged, marker, 1)
    assert await nc.say("CONSUME t 0\n") == ["EOF"]
    await put(staged, batch(b"a"), 1)
    await put(staged, marker, 1)
    assert await nc.say("CONSUME t 0\nCONSUME t 1\nCONSUME t 3\n", 3) == ["MESSAGE 2 1 a", "MESSAGE 2 1 a", "EOF"]
    assert await nc.say("CONSUME t 0 5\n", 2) == ["MESSAGE 2 1 a", "END 4"]


UNREADABLE = {
    "a bomb": encode([Record(0, 0, None, b"\0" * (TEXT_DECOMPRESSED_SIZE_MAX + 1))], Compression.ZSTD),
    "a lie about sizes": batch_of(
        body=varint(9) + b"\x00\x00\x00\x01" + varint(1 << 20) + b"xxxx",
        base_offset=0,
        last_offset_delta=0,
        record_count=1,
        base_timestamp_ms=0,
        max_timestamp_ms=0,
    ),
    "not what its codec makes": batch_of(
        body=b"\x0e\x00\x00\x00\x01\x02a\x00",
        base_offset=0,
        last_offset_delta=0,
        record_count=1,
        base_timestamp_ms=0,
        max_timestamp_ms=0,
        attributes=Compression.GZIP,
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_an_unreadable_batch_says_where_to_go_on(staged: Stage, nc: Nc, name: str) -> None:
    """What is before and behind a batch that cannot be taken apart is shown; it is an error that names its range."""
    await put(staged, batch(b"a"), 1)
    await put(staged, UNREADABLE[name], 1)
    await put(staged, batch(b"b"), 1)
    answers = await nc.say("CONSUME t 0\nCONSUME t 1\nCONSUME t 2\n", 3)
    assert (answers[0], answers[2]) == ("MESSAGE 0 1 a", "MESSAGE 2 1 b")
    assert answers[1].startswith("ERR UNREADABLE the messages from offset 1 to 2 ")
    assert answers[1].endswith("the next readable offset is 2")
    answers = await nc.say("CONSUME t 0 5\n", 2)
    assert answers[0] == "MESSAGE 0 1 a"
    assert answers[1].startswith("ERR UNREADABLE ")
