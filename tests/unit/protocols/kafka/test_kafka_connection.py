"""A client's connection: order, flow, and what becomes of clients that do what they should not."""

from __future__ import annotations

import asyncio
import struct
from datetime import timedelta

import pytest
from tests.unit.protocols.kafka.kafka_session import (
    Stage,
    batch,
    decode_response,
    encode_request,
    fetch_fields,
    framed,
    metadata_fields,
    produce_fields,
    turns,
    until,
)

from logmq.errors import DiskFull
from logmq.model import Format
from logmq.protocols.kafka.connection import TURN_REQUEST_COUNT

VERSIONS = {"client_software_name": "test", "client_software_version": "1"}


@pytest.fixture
async def topic(staged: Stage) -> str:
    await staged.broker.create_topic("t", format=Format.BATCH, partition_count=2)
    return "t"


async def test_pipelined_produces_are_one_after_the_other_at_the_broker(staged: Stage, topic: str) -> None:
    """Produce requests do not wait for each other's commits, and their responses come in their order."""
    client = staged.session()
    staged.broker.held = True
    ids = [client.send("produce", 9, **produce_fields(topic, batch(b"x"))) for _ in range(5)]
    assert len(staged.broker.appends) == 5
    assert client.order() == []
    await staged.broker.commit()
    await until(lambda: client.order() == ids)


async def test_a_refused_produce_does_not_overtake(staged: Stage, topic: str) -> None:
    """A request that is refused at once is answered after those before it."""
    client = staged.session()
    staged.broker.held = True
    first = client.send("produce", 9, **produce_fields(topic, batch(b"x")))
    second = client.send("produce", 9, **produce_fields(topic, b"no batch"))
    assert client.order() == []
    await staged.broker.commit()
    await turns()
    assert client.order() == [first, second]


async def test_other_requests_wait_for_what_was_appended(staged: Stage, topic: str) -> None:
    """What follows a Produce on the same connection sees what it has stored."""
    client = staged.session()
    staged.broker.held = True
    first = client.send("produce", 9, **produce_fields(topic, batch(b"x")))
    second = client.send("fetch", 4, **fetch_fields(topic, {0: 0}))
    await turns()
    assert client.order() == []
    await staged.broker.commit()
    await until(lambda: len(client.order()) == 2)
    responses = client.responses()
    assert [struct.unpack_from(">i", each, 4)[0] for each in responses] == [first, second]
    fetched = decode_response("fetch", 4, responses[1])
    assert fetched.responses[0].partitions[0].high_watermark == 1


async def test_a_long_poll_holds_up_nobody_else(staged: Stage, topic: str) -> None:
    """One client's waiting Fetch lets another one produce, and is answered by that."""
    reader, writer = staged.session(), staged.session()
    waiting = reader.send("fetch", 11, **fetch_fields(topic, {0: 0, 1: 0}, wait_ms=60_000))
    await until(lambda: staged.broker.waits == 1)
    await writer.ask("produce", 9, **produce_fields(topic, batch(b"x")))
    await until(lambda: reader.order() == [waiting])
    assert staged.broker.waits == 0


async def test_a_client_that_leaves_ends_its_wait(staged: Stage, topic: str) -> None:
    """Neither a lost connection nor a closed side leaves a wait behind."""
    lost, closed = staged.session(), staged.session()
    for client in (lost, closed):
        client.send("fetch", 11, **fetch_fields(topic, {0: 0, 1: 0}, wait_ms=3_600_000))
    await until(lambda: staged.broker.waits == 2)
    lost.transport.lose()
    await until(lambda: staged.broker.waits == 1)
    closed.connection.eof_received()
    await until(lambda: staged.broker.waits == 0 and closed.lost)


async def test_draining_ends_a_wait_at_once(staged: Stage, topic: str) -> None:
    """A broker that stops does not wait for long polls, but for what is being committed."""
    reader, writer = staged.session(), staged.session()
    reader.send("fetch", 11, **fetch_fields(topic, {0: 0}, wait_ms=3_600_000))
    staged.broker.held = True
    written = writer.send("produce", 9, **produce_fields(topic, batch(b"x")))
    await until(lambda: staged.broker.waits == 1)
    draining = asyncio.gather(reader.connection.drain(), writer.connection.drain())
    await until(lambda: reader.lost)
    assert not writer.lost
    await staged.broker.commit()
    await draining
    assert writer.order() == [written]


async def test_reading_pauses_while_requests_wait(staged: Stage, topic: str) -> None:
    """With a request waiting for its turn the transport does not read on; nothing is read ahead of it but one chunk."""
    client = staged.session()
    client.send("fetch", 11, **fetch_fields(topic, {0: 0}, wait_ms=3_600_000))
    assert client.transport.reading
    client.send("api_versions", 3, **VERSIONS)
    assert not client.transport.reading
    writer = staged.session()
    await writer.ask("produce", 9, **produce_fields(topic, batch(b"x")))
    await until(lambda: client.transport.reading)
    assert client.order() == [1, 2]


async def test_a_client_that_does_not_read_is_not_served(staged: Stage, topic: str) -> None:
    """Responses beyond the transport's mark stop the next requests, until the client reads."""
    client, writer = staged.session(), staged.session()
    await writer.ask("produce", 9, **produce_fields(topic, batch(b"x" * 100_000)))
    client.transport.room = 50_000
    for _ in range(10):
        client.send("fetch", 11, **fetch_fields(topic, {0: 0}))
    await turns(100)
    assert len(client.transport.written) < 110_000
    assert not client.transport.reading
    for _ in range(10):
        client.transport.read()
        await turns()
    assert client.order() == list(range(1, 11))


async def test_a_client_that_never_reads_is_dropped(staged: Stage, topic: str) -> None:
    """After slow_reader_timeout_ms without reading a client is dropped; one that reads is not."""
    client, writer = staged.session(), staged.session()
    await writer.ask("produce", 9, **produce_fields(topic, batch(b"x" * 100_000)))
    client.transport.room = 50_000
    client.send("fetch", 11, **fetch_fields(topic, {0: 0}))
    await until(lambda: client.transport.paused_writing)
    staged.clock.seconds = staged.config.slow_reader_timeout_ms / 1000 + 1
    client.connection._look()
    writer.connection._look()
    await turns()
    assert client.transport.aborted
    assert not writer.lost


async def test_a_silent_client_is_closed(staged: Stage, topic: str) -> None:
    """After idle_timeout_ms without a request a connection is closed, but not while one is being answered."""
    silent, waiting = staged.session(), staged.session()
    waiting.send("fetch", 11, **fetch_fields(topic, {0: 0}, wait_ms=3_600_000))
    await until(lambda: staged.broker.waits == 1)
    staged.clock.seconds = staged.config.idle_timeout_ms / 1000 + 1
    silent.connection._look()
    waiting.connection._look()
    await turns()
    assert silent.lost
    assert not waiting.lost
    waiting.transport.lose()
    await turns()


async def test_produces_wait_for_room(staged: Stage, topic: str) -> None:
    """While too much waits for the disk, Produce requests are not taken and their connection is not read."""
    client = staged.session()
    staged.broker.full = asyncio.get_running_loop().create_future()
    sent = client.send("produce", 9, **produce_fields(topic, batch(b"x")))
    await turns()
    assert not staged.broker.appends
    assert not client.transport.reading
    staged.broker.full.set_result(None)
    await until(lambda: client.order() == [sent])
    assert client.transport.reading


async def test_a_chunk_of_many_requests_lets_others_have_their_turn(staged: Stage) -> None:
    """No more than TURN_REQUEST_COUNT requests are answered in one go."""
    client = staged.session()
    one = encode_request("api_versions", 3, VERSIONS)
    client.connection.data_received(one * (3 * TURN_REQUEST_COUNT))
    assert len(client.responses()) == TURN_REQUEST_COUNT
    await turns()
    assert len(client.responses()) == 2 * TURN_REQUEST_COUNT


@pytest.mark.parametrize(
    "garbage",
    [
        struct.pack(">i", (1 << 31) - 1),
        struct.pack(">i", -1),
        struct.pack(">i", 9) + b"123456789",
        framed(struct.pack(">hhih", 3, 12, 1, 30_000)),
        framed(struct.pack(">hhih", 3, 12, 1, -1) + b"\xff" * 12),
        framed(struct.pack(">hhih", 3, 4, 1, -1) + b"\x7f\xff\xff\xff"),
        framed(struct.pack(">hhih", 0, 9, 1, -1) + b"\x00\x00\xff\xff"),
        framed(struct.pack(">hhih", -5, 0, 1, -1)),
        struct.pack(">ih", 5 << 20, 3),
    ],
    ids=["2 GiB", "negative", "too small", "client id", "tags", "array", "string", "negative key", "large metadata"],
)
async def test_garbage_ends_its_connection_only(staged: Stage, topic: str, garbage: bytes) -> None:
    """What cannot be a request closes the connection that it came on, after what was asked before is answered."""
    guilty, other = staged.session(), staged.session()
    staged.broker.held = True
    before = guilty.send("produce", 9, **produce_fields(topic, batch(b"x")))
    guilty.connection.data_received(garbage)
    await turns()
    assert not guilty.lost
    await staged.broker.commit()
    await until(lambda: guilty.lost)
    assert guilty.order() == [before]
    staged.broker.held = False
    assert (await other.ask("metadata", 12, **metadata_fields(everything=True))).topics


async def test_unknown_apis_and_versions_are_answered(staged: Stage) -> None:
    """An unknown API or version is answered with error 35, not with a closed connection."""
    client = staged.session()
    for key, version in ((99, 0), (3, 99), (0, 2), (1, 3)):
        client.connection.data_received(framed(struct.pack(">hhih", key, version, 7, -1)))
        data = await client.response()
        assert data[4:8] == struct.pack(">i", 7)
        assert data[-2:] == struct.pack(">h", 35)
    client.connection.data_received(framed(struct.pack(">hhih", 18, 99, 8, -1)))
    response = decode_response("api_versions", 0, await client.response())
    assert response.error_code.value == 35
    assert {each.api_key for each in response.api_keys} >= {0, 1, 3, 18}
    assert not client.lost


async def test_acks_0_has_no_answer_and_a_failure_ends_the_connection(staged: Stage, topic: str) -> None:
    """A stored batch is not answered; one that cannot be stored closes the connection, as Kafka does."""
    client = staged.session()
    client.send("produce", 9, **produce_fields(topic, batch(b"x"), acks=0))
    later = client.send("api_versions", 3, **VERSIONS)
    await until(lambda: client.order() == [later])
    client.send("produce", 9, **produce_fields(topic, b"no batch", acks=0))
    await until(lambda: client.lost)
    assert client.order() == [later]


async def test_a_failing_append_fails_its_request_only(
    staged: Stage, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An append that the broker refuses as a whole is answered with an error."""
    client = staged.session()

    def refuse(appends: object) -> None:
        raise DiskFull("no room")

    monkeypatch.setattr(staged.broker, "append", refuse)
    answer = await client.ask("produce", 9, **produce_fields(topic, batch(b"x")))
    assert answer.responses[0].partition_responses[0].error_code.name == "kafka_storage_error"
    assert not client.lost


async def test_a_topic_is_made_once_however_early_its_client_leaves(staged: Stage) -> None:
    """A client that is gone while its topic is being made leaves a whole topic behind."""
    client = staged.session()
    client.send("metadata", 12, **metadata_fields("new"))
    await turns(1)
    client.transport.lose()
    other = staged.session()
    answer = await other.ask("metadata", 12, **metadata_fields("new"))
    assert answer.topics[0].error_code.value == 0
    assert (await other.ask("produce", 9, **produce_fields("new", batch(b"x")))).throttle_time == timedelta(0)
