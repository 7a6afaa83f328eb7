"""The asyncio client against a broker of a few lines on a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import aclosing

import pytest
from tests.unit.client.scripted_broker import ScriptedBroker, running

from logmq.client import (
    Address,
    CannotConnect,
    ClientError,
    ConnectionLost,
    Message,
    MessageStream,
    PartitionSummary,
    ProduceError,
    ProtocolViolation,
    ServerError,
    SettingValue,
    TopicSummary,
    connect,
)
from logmq.client.connection import BATCH_COUNT_MAX, BATCHES_IN_FLIGHT_MAX
from logmq.errors import InvalidTopicName


async def test_a_message_comes_back_from_its_offset() -> None:
    """The specification's example: PRODUCE item-1 is stored at 0 and read from there; beyond the end is None."""
    async with running() as broker, connect(broker.address) as c:
        assert await c.produce("t", b"item-1") == 0
        assert await c.produce("t", b"item-2") == 10
        message = await c.consume("t", 0)
        assert message == Message(0, b"item-1")
        assert message is not None and message.next_offset == 1
        assert await c.consume("t", message.next_offset) == Message(10, b"item-2")
        assert await c.consume("t", 20) is None


@pytest.mark.parametrize("payload", [b"", b" ", b"a\nb", b"\r", b"a\r\n", bytes(range(256)), b"x" * 300_000])
async def test_payloads_of_any_bytes_survive(payload: bytes) -> None:
    """Empty, large and binary payloads come back as they were sent, even when answers arrive in small pieces."""
    async with running(piece_size=10_000) as broker, connect(broker.address) as c:
        offset = await c.produce("t", payload)
        assert await c.consume("t", offset) == Message(offset, payload)


async def test_many_messages_are_pipelined_in_order() -> None:
    """`produce_many` returns the offsets in the order of the payloads, over several batches and kinds of command."""
    payloads = [b"%d\n" % i if i % 1000 == 0 else b"%d" % i for i in range(BATCH_COUNT_MAX * 6 + 1)]
    async with running() as broker, connect(broker.address) as c:
        offsets = await c.produce_many("t", iter(payloads))
        assert broker.topics[b"t"] == payloads
        assert len(offsets) == len(payloads)
        assert offsets[:2] == [0, 4 + len(payloads[0])]
        assert await c.produce_many("t", []) == []


async def test_what_is_under_way_is_bounded() -> None:
    """`produce_many` stops taking payloads while the broker does not answer."""
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x"

    stalled = asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with_all_sent = 0
        while data := await reader.read(1 << 20):
            with_all_sent += data.count(b"\n")
            if with_all_sent == BATCH_COUNT_MAX * BATCHES_IN_FLIGHT_MAX:
                stalled.set()
        writer.close()

    async with await asyncio.start_server(stall, "127.0.0.1", 0) as server:
        async with connect(f"127.0.0.1:{server.sockets[0].getsockname()[1]}") as c:
            producing = asyncio.ensure_future(c.produce_many("t", endless()))
            await stalled.wait()
            assert taken == BATCH_COUNT_MAX * BATCHES_IN_FLIGHT_MAX
        with pytest.raises(ConnectionLost, match="closed by this program"):
            await producing


async def test_a_refused_message_among_many_is_named() -> None:
    """ProduceError says which message was refused and why, and holds the offsets of those stored."""
    answers = {b"PRODUCE t big": b"ERR MESSAGE_TOO_LARGE it is\n"}
    async with running(answers=answers) as broker, connect(broker.address) as c:
        with pytest.raises(ProduceError) as caught:
            await c.produce_many("t", [b"a", b"big", b"b"])
        first, refused, last = caught.value.results
        assert (first, last) == (0, 5)
        assert isinstance(refused, ServerError)
        assert (caught.value.code, caught.value.first_refused) == ("MESSAGE_TOO_LARGE", 1)
        assert str(caught.value) == "message 2 was refused: it is (MESSAGE_TOO_LARGE); 2 were stored"


async def test_nothing_is_sent_after_a_refusal_is_seen() -> None:
    """A stream of payloads stops within the window of its first refusal."""
    async with running(answers={b"PRODUCE t bad": b"ERR NO why\n"}) as broker, connect(broker.address) as c:
        payloads = iter([b"bad", *[b"x"] * (BATCH_COUNT_MAX * 20)])
        with pytest.raises(ProduceError):
            await c.produce_many("t", payloads)
        assert len(broker.lines) <= BATCH_COUNT_MAX * (BATCHES_IN_FLIGHT_MAX + 1)


async def test_the_broker_refuses_and_the_connection_goes_on() -> None:
    """`ERR` raises ServerError with code and reason; the next request works."""
    async with running() as broker, connect(broker.address) as c:
        with pytest.raises(ServerError, match=r"there is no topic 'nope' \(UNKNOWN_TOPIC\)") as caught:
            await c.consume("nope", 0)
        assert (caught.value.code, caught.value.reason) == ("UNKNOWN_TOPIC", "there is no topic 'nope'")
        await c.ping()


async def test_requests_may_overlap() -> None:
    """Requests of several tasks on one connection each get their own answer."""
    async with running(piece_size=3) as broker, connect(broker.address) as c:
        offsets = await asyncio.gather(*(c.produce("t", b"%d" % i) for i in range(10)))
        assert offsets == [i * 5 for i in range(10)]
        messages = await asyncio.gather(*(c.consume("t", offset) for offset in offsets), c.topics())
        assert messages[:-1] == [Message(i * 5, b"%d" % i) for i in range(10)]
        assert messages[-1] == [TopicSummary("t", 1, "plain")]


async def test_a_cancelled_request_does_not_shift_answers() -> None:
    """The answer of a request that nobody awaits any more is dropped, not given to the next one."""
    async with running() as broker, connect(broker.address) as c:
        cancelled = asyncio.ensure_future(c.produce("t", b"first"))
        await asyncio.sleep(0)  # one turn: it is sent
        cancelled.cancel()
        assert await c.produce("t", b"second") == 9
        assert broker.topics[b"t"] == [b"first", b"second"]


async def test_topics_are_created_described_altered_and_dropped() -> None:
    """The administrative commands send their line and return what was answered."""
    async with running() as broker, connect(broker.address) as c:
        await c.create("t", 1, {"segment.bytes": "1KiB"})
        await c.alter("t", partitions=2, settings={"retention.ms": "default"})
        assert await c.topics() == [TopicSummary("t", 1, "plain")]
        description = await c.describe("t")
        assert (description.name, description.format) == ("t", "plain")
        assert SettingValue("segment.bytes", "1024", "topic") in description.settings
        assert description.partitions == (PartitionSummary(0, 0, 0, 0, 1),)
        await c.drop("t")
        assert broker.lines == [
            b"CREATE t 1 segment.bytes=1KiB",
            b"ALTER t partitions=2 retention.ms=default",
            b"TOPICS",
            b"DESCRIBE t",
            b"DROP t",
        ]


async def test_a_group_keeps_how_far_it_has_read() -> None:
    """None until something was committed, then that offset."""
    async with running() as broker, connect(broker.address) as c:
        assert await c.committed("g", "t") is None
        await c.commit("g", "t", 17)
        assert await c.committed("g", "t") == 17


async def test_counted_reading_stops_at_the_count() -> None:
    """`consume_many` returns at most as many messages as asked for, and fewer at the end."""
    async with running(topics={b"t": [b"a", b"b", b"c"]}) as broker, connect(broker.address) as c:
        assert await c.consume_many("t", "earliest", 2) == [Message(0, b"a"), Message(5, b"b")]
        assert await c.consume_many("t", 6, 2) == [Message(10, b"c")]
        assert await c.consume_many("t", "latest", 2) == []


# -- streams ---------------------------------------------------------------------------------------------------


async def test_messages_reads_to_the_end_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """`messages` goes on page after page until the end of the log."""
    monkeypatch.setattr("logmq.client.streams.CONSUME_COUNT_MAX", 3)
    async with running(topics={b"t": [b"%d" % i for i in range(7)]}) as broker, connect(broker.address) as c:
        assert [m.payload for m in [m async for m in c.messages("t")]] == [b"%d" % i for i in range(7)]
        assert broker.lines == [b"CONSUME t earliest 3", b"CONSUME t 15 3", b"CONSUME t 30 3"]


async def test_messages_reads_as_many_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A count is kept over pages, and a count of 0 asks for nothing."""
    monkeypatch.setattr("logmq.client.streams.CONSUME_COUNT_MAX", 3)
    async with running(topics={b"t": [b"x"] * 7}) as broker, connect(broker.address) as c:
        assert len([m async for m in c.messages("t", 0, 5)]) == 5
        assert broker.lines == [b"CONSUME t 0 3", b"CONSUME t 15 2"]
        assert [m async for m in c.messages("t", 0, 0)] == []


async def test_following_yields_what_is_there_and_what_comes() -> None:
    """`follow` streams on a connection of its own, so that its reader can use the first one meanwhile."""
    async with running(topics={b"t": [b"a"]}) as broker, connect(broker.address) as c:
        seen = []
        async with aclosing(aiter(c.follow("t", "earliest"))) as following:
            async for message in following:
                seen.append(message.payload)
                await c.commit("g", "t", message.next_offset)
                if len(seen) == 3:
                    break
                await c.produce("t", b"after " + message.payload)
        assert seen == [b"a", b"after a", b"after after a"]
        assert broker.connections == 2


async def test_a_slow_reader_stops_the_stream() -> None:
    """While its reader is busy a stream reads no more than a few chunks, however much the broker sends."""
    sent = 0
    message = b"MESSAGE 0 1000 " + b"x" * 1000 + b"\n"

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readline()
        try:
            while True:
                writer.write(message)
                await writer.drain()
                sent += 1
        except ConnectionError:
            writer.close()

    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
        server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        stream = MessageStream(Address("127.0.0.1", server.sockets[0].getsockname()[1]), "t", 0, 0, None, True, 10)
        async with aclosing(aiter(stream)) as following:
            await anext(following)
            before = -1
            while before != sent:  # until the broker cannot send any more
                before = sent
                for _ in range(1000):
                    await asyncio.sleep(0)
            assert sent * len(message) < 32 << 20
            for _ in range(2 * sent):  # and it goes on when the reader does
                await anext(following)


async def test_a_refused_stream_raises() -> None:
    """A stream of a topic that does not exist raises the broker's error, and what came before it is not lost."""
    answers = {b"CONSUME rot earliest 1000000": b"MESSAGE 0 1 a\nERR DAMAGED from 5 to 9\n"}
    async with running(answers=answers) as broker, connect(broker.address) as c:
        with pytest.raises(ServerError, match="UNKNOWN_TOPIC"):
            async for _ in c.follow("nope", 0):
                pass
        seen = []
        with pytest.raises(ServerError, match="DAMAGED"):
            async for message in c.messages("rot"):
                seen.append(message.payload)
        assert seen == [b"a"]


async def test_a_followed_stream_that_the_broker_ends_is_a_lost_connection() -> None:
    """A broker that stops ends its streams: a follower must not take that for the end of the log."""
    answers = {b"FOLLOW t 0": b"MESSAGE 0 1 a\nEND 5\n"}
    async with running(answers=answers) as broker, connect(broker.address) as c:
        seen = []
        with pytest.raises(ConnectionLost, match=f"the broker at {broker.address} ended the stream at offset 5"):
            async for message in c.follow("t", 0):
                seen.append(message.payload)
        assert seen == [b"a"]


async def test_an_impossible_stream_fails_before_it_connects() -> None:
    """A topic name that cannot be sent is refused without a connection."""
    async with running() as broker, connect(broker.address) as c:
        with pytest.raises(InvalidTopicName):
            async for _ in c.follow("a b", 0):
                pass
        assert broker.connections == 1


# -- failures --------------------------------------------------------------------------------------------------


async def test_nobody_listening_is_said_in_the_systems_words() -> None:
    """CannotConnect names the address and the reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(CannotConnect, match=f"^cannot reach a broker at 127.0.0.1:{port}: Connection refused$"):
        await connect(f"127.0.0.1:{port}")


async def test_a_bad_address_is_refused_before_connecting() -> None:
    """`connect` raises at once, not when it is awaited."""
    with pytest.raises(ValueError, match="is not an address"):
        connect("a:b")


async def test_a_connection_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """CannotConnect after `timeout_s`."""

    async def forever(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", forever)
    with pytest.raises(CannotConnect, match=r"no answer within 0\.01 s"):
        await connect("127.0.0.1:1", timeout_s=0.01)


async def test_a_lost_connection_leaves_the_outcome_unknown() -> None:
    """Requests under way get ConnectionLost that says so, and so do later ones."""
    async with running(answers={b"PRODUCE t x": None}) as broker, connect(broker.address) as c:
        first, second = asyncio.ensure_future(c.produce("t", b"x")), asyncio.ensure_future(c.ping())
        with pytest.raises(ConnectionLost, match="whether requests under way were carried out is unknown"):
            await first
        with pytest.raises(ConnectionLost):
            await second
        with pytest.raises(ConnectionLost):
            await c.ping()
        with pytest.raises(ConnectionLost):
            await c.produce_many("t", [b"a", b"b"])


async def test_the_brokers_last_words_are_kept() -> None:
    """What the broker says unasked before it closes a connection is the reason that later requests see."""
    answers = {b"PING": b"PONG\nERR IDLE_TIMEOUT nothing came for 10 minutes\n"}
    async with running(answers=answers) as broker, connect(broker.address) as c:
        await c.ping()
        with pytest.raises(ClientError, match=r"nothing came for 10 minutes \(IDLE_TIMEOUT\)"):
            broker.answers[b"PING"] = None
            await c.ping()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n\r\n", b"EOF\n", b"PONG\nPONG\n"])
async def test_an_answer_that_does_not_fit_is_a_violation(answer: bytes) -> None:
    """Something else than a broker, an answer to another request or one too many is ProtocolViolation."""
    async with running(answers={b"PING": answer}) as broker, connect(broker.address) as c:
        with pytest.raises(ProtocolViolation):
            await c.ping()
            await c.produce("t", b"x")
            await c.ping()


async def test_closing_twice_is_fine() -> None:
    """A connection can be closed in the block that closes it anyway."""
    broker: ScriptedBroker
    async with running() as broker, connect(broker.address) as c:
        await c.close()
        await c.close()
