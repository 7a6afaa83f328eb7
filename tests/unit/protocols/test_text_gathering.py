"""Messages that come one at a time: gathered from all clients, stored together, answered one by one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocols.fake_broker import FakeBroker
from tests.unit.protocols.text_session import Session, settle

from logmq.errors import Throttled
from logmq.model import Format, TopicPartition
from logmq.protocols.text.gathering import GATHERED_COUNT_MAX, Gatherer

T0, U0 = TopicPartition("t", 0), TopicPartition("u", 0)


class Office:
    """Several clients of one broker that share a gatherer, as the server's connections do."""

    def __init__(self, client_count: int) -> None:
        self.broker = FakeBroker()
        self.broker.add_topic("t", count=2)
        self.broker.add_topic("u")
        self.gatherer = Gatherer(self.broker.face, asyncio.get_running_loop())
        self.clients = [Session(self.broker, gatherer=self.gatherer) for _ in range(client_count)]

    def say(self, *chunks: bytes) -> None:
        """Each client sends one, all in one turn of the loop."""
        for client, chunk in zip(self.clients, chunks, strict=False):
            client.connection.data_received(chunk)

    async def hear(self) -> list[bytes]:
        """What came back to each."""
        return [await client.hear() for client in self.clients]


async def test_one_turn_is_one_append_a_partition() -> None:
    """Messages of several clients go to the broker in one call; each client hears where its own lies."""
    office = Office(4)
    office.say(b"PRODUCE t a\n", b"PRODUCE t bb\n", b"PRODUCE u c\n", b"PRODUCE t/1 d\n")
    assert await office.hear() == [b"OK 0\n", b"OK 5\n", b"OK 0\n", b"OK 0\n"]
    assert office.broker.calls == [3]
    assert bytes(office.broker.logs[T0].data) == b"\0\0\0\1a\0\0\0\2bb"


async def test_the_next_turn_is_another_append() -> None:
    """Nothing waits for more to come."""
    office = Office(1)
    office.say(b"PRODUCE t a\n")
    await office.hear()
    office.say(b"PRODUCE t b\n")
    assert await office.hear() == [b"OK 5\n"]
    assert office.broker.calls == [1, 1]


async def test_names_of_the_same_partition() -> None:
    """`t`, `t/0` and any letter case of the command mean the same log."""
    office = Office(3)
    office.say(b"PRODUCE t a\n", b"produce t/0 b\r\n", b"Produce t \n")
    assert sorted(await office.hear()) == [b"OK 0\n", b"OK 10\n", b"OK 5\n"]
    assert office.broker.logs[T0].starts == [0, 5, 10]


async def test_a_batch_topic() -> None:
    """Messages become the records of one batch; the offsets count on."""
    office = Office(2)
    office.broker.add_topic("b", Format.BATCH)
    office.say(b"PRODUCE b one\n", b"PRODUCE b two\n")
    assert (await office.hear())[0] == b"OK 0\n"
    assert office.broker.calls == [1]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"PRODUCE small 12345678901\n", b"MESSAGE_TOO_LARGE"),
        (b"PRODUCE t/2 x\n", b"UNKNOWN_PARTITION"),
        (b"PRODUCE __x x\n", b"INTERNAL_TOPIC"),
        (b"PRODUCE ../x x\n", b"BAD_TOPIC"),
        (b"PRODUCE t\n", b"MISSING_ARGUMENT"),
        (b"PRODUCT t x\n", b"UNKNOWN_COMMAND"),
    ],
)
async def test_a_mistake_is_its_clients_alone(line: bytes, code: bytes) -> None:
    """What cannot be stored is refused as ever, and the others' messages are stored."""
    office = Office(3)
    office.broker.add_topic("small", overrides={"max.message.bytes": "10"})
    office.broker.add_topic("__x")
    office.say(b"PRODUCE t a\n", line, b"PRODUCE t b\n")
    first, refused, last = await office.hear()
    assert (first, last) == (b"OK 0\n", b"OK 5\n")
    assert refused.startswith(b"ERR " + code)


async def test_refused_together() -> None:
    """When the append fails, everyone whose message was in it hears why, and can go on."""
    office = Office(2)
    office.broker.failure = Throttled("too much waits")
    office.say(b"PRODUCE t a\n", b"PRODUCE u b\n")
    assert await office.hear() == [b"ERR THROTTLED too much waits; try again in 100 ms\n"] * 2
    office.broker.failure = None
    office.say(b"PRODUCE t a\n", b"PING\n")
    assert await office.hear() == [b"OK 0\n", b"PONG\n"]


async def test_one_append_does_not_grow_without_bound() -> None:
    """So many messages and no more become one append."""
    count = 2 * GATHERED_COUNT_MAX + 1
    office = Office(count)
    office.say(*[b"PRODUCE t %d\n" % (number % 10) for number in range(count)])
    assert await office.hear() == [b"OK %d\n" % (5 * number) for number in range(count)]
    assert office.broker.calls == [1, 1, 1]


async def test_what_follows_waits_its_turn() -> None:
    """Further lines of a client, in whatever form they come, are stored and answered behind its gathered message."""
    office = Office(1)
    office.broker.held = True
    client = office.clients[0]
    for chunk in (b"PRODUCE t a\n", b"PRODUCE t b\n", b"PRODUCE t c\nPRODUCE u d\n", b"WRITE t 1\ne\n", b"PI", b"NG\n"):
        client.connection.data_received(chunk)
    await settle()
    assert bytes(client.transport.written) == b""
    while office.broker.commit(1):
        await settle()
    assert await client.hear() == b"OK 0\nOK 5\nOK 10\nOK 0\nOK 15\nPONG\n"
    assert bytes(office.broker.logs[T0].data) == b"\0\0\0\1a\0\0\0\1b\0\0\0\1c\0\0\0\1e"


async def test_a_client_that_is_gone() -> None:
    """Whoever left before its answer costs the others nothing; its message is stored."""
    office = Office(3)
    office.broker.held = True
    office.say(*[b"PRODUCE t a\n"] * 3)
    office.clients[1].connection.connection_lost(None)
    await settle()
    office.broker.commit()
    assert await office.hear() == [b"OK 0\n", b"", b"OK 10\n"]


async def test_a_mistake_of_one_connection_keeps_nobody_from_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    """An exception while one client is answered is logged; the others are answered."""
    office = Office(2)

    class _Broken:
        def answered(self, answer: bytes) -> None:
            raise ZeroDivisionError

    assert office.gatherer.take(b"PRODUCE t a\n", _Broken())
    office.say(b"PRODUCE t b\n")
    assert (await office.hear())[0] == b"OK 5\n"
    assert "ZeroDivisionError" in caplog.text


async def test_end_and_drain_wait_for_the_answer() -> None:
    """A client that closes its side, or a broker that stops, gets the answer out first."""
    office = Office(2)
    office.broker.held = True
    office.say(b"PRODUCE t a\n", b"PRODUCE t b\n")
    office.clients[0].connection.eof_received()
    drained = asyncio.ensure_future(office.clients[1].connection.drain())
    await settle()
    assert not any(client.transport.closed for client in office.clients)
    office.broker.commit()
    assert await office.hear() == [b"OK 0\n", b"OK 5\n"]
    assert all(client.transport.closed for client in office.clients)
    await drained


async def test_no_room() -> None:
    """While the broker has no room nothing is gathered: the message waits in the client's own connection."""
    office = Office(1)
    office.broker.full = asyncio.get_running_loop().create_future()
    office.say(b"PRODUCE t a\n")
    assert await office.hear() == [b""]
    assert not office.broker.calls
    office.broker.full.set_result(None)
    assert await office.hear() == [b"OK 0\n"]


async def test_a_topic_that_changes_is_asked_anew_each_turn() -> None:
    """A new limit, or a topic that is gone, counts from the next turn on."""
    office = Office(1)
    office.say(b"PRODUCE u 12345678901\n")
    assert await office.hear() == [b"OK 0\n"]
    await office.broker.alter_topic("u", overrides={"max.message.bytes": "10"})
    office.say(b"PRODUCE u 12345678901\n")
    assert (await office.hear())[0].startswith(b"ERR MESSAGE_TOO_LARGE")
    await office.broker.drop_topic("u")
    office.broker.config = replace(office.broker.config, auto_create_topics=False)
    office.say(b"PRODUCE u x\n")
    assert (await office.hear())[0].startswith(b"ERR UNKNOWN_TOPIC")


LINES = st.sampled_from(
    [
        b"PRODUCE t a",
        b"PRODUCE t/1 bb",
        b"PRODUCE u ",
        b"produce t/0 c\r",
        b"PRODUCE new d",
        b"PRODUCE t/7 e",
        b"PRODUCE t",
        b"P",
        b"",
        b"PING",
        b"WRITE t 2\nxy",
        b"CONSUME t 0",
        b"CONSUME t/1 earliest",
    ]
)


@given(
    lines=st.lists(LINES, min_size=1, max_size=12), cuts=st.sets(st.integers(0, 150), max_size=6), pauses=st.booleans()
)
def test_a_client_cannot_tell(lines: list[bytes], cuts: set[int], pauses: bool) -> None:
    """Line by line, cut anywhere, or all at once: a client gets the same answers, and the logs hold the same bytes."""
    whole = b"".join(line + b"\n" for line in lines)
    marks = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[start:end] for start, end in pairwise(marks)]

    async def converse(chunks: list[bytes]) -> tuple[bytes, dict[TopicPartition, bytes]]:
        office = Office(1)
        (client,) = office.clients
        heard = b""
        for chunk in chunks:
            client.connection.data_received(chunk)
            if pauses:
                heard += await client.hear()
        heard += await client.hear()
        return heard, {partition: bytes(log.data) for partition, log in office.broker.logs.items()}

    at_once = asyncio.run(converse([whole]))
    assert asyncio.run(converse([line + b"\n" for line in lines])) == at_once
    assert asyncio.run(converse(pieces)) == at_once
