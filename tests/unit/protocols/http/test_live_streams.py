"""Subscribers of a topic: each gets every record once, whoever else is there and whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests.unit.protocols.http.http_session import HttpStage
from tests.unit.protocols.http.live_session import subscribed
from tests.unit.protocols.kafka.kafka_session import until

from logmq.errors import Damaged, OffsetOutOfRange
from logmq.limits import LIVE_WAITING_SIZE_MAX
from logmq.model import Format, TopicPartition
from logmq.protocols.http.live import feed
from logmq.protocols.http.live.hub import Hub
from logmq.protocols.http.live.subscription import End
from logmq.protocols.http.problems import InvalidInput


@pytest.fixture
async def hub(http: HttpStage) -> Hub:
    return Hub(http.context)


async def put(http: HttpStage, topic: str, *values: int, partition: int = 0) -> None:
    await http.post(topic, {"records": [{"value": str(value), "partition": partition} for value in values]})


def texts(*numbers: int) -> list[str]:
    return [str(number) for number in numbers]


@pytest.mark.parametrize("format", [Format.BATCH, Format.PLAIN])
async def test_what_was_and_what_comes(http: HttpStage, hub: Hub, format: Format) -> None:
    """A subscriber reads on its own until it is at the end, and gets what is new there: all of it, once, in order."""
    await http.broker.create_topic("t", format=format)
    await put(http, "t", *range(1000))
    async with subscribed(http, hub, "t") as (outlet, _):
        for number in range(1000, 1100):
            await put(http, "t", number)
        await outlet.holds(1100)
    assert outlet.values == texts(*range(1100))


async def test_the_same_bytes_for_all(http: HttpStage, hub: Hub) -> None:
    """At the end of the topic records are read and formatted once: all subscribers are handed the same object."""
    await put(http, "t", 0)
    async with AsyncExitStack() as stack:
        outlets = [(await stack.enter_async_context(subscribed(http, hub, "t")))[0] for _ in range(50)]
        for outlet in outlets:
            await outlet.holds(1)
        await put(http, "t", 1, 2)
        for outlet in outlets:
            await outlet.holds(3)
        assert len({id(outlet.pieces[-1]) for outlet in outlets}) == 1
        assert len(hub) == 1
    assert len(hub) == 0


async def test_who_comes_while_much_goes_on(http: HttpStage, hub: Hub) -> None:
    """Subscribers join from anywhere at any time while the topic grows, and none misses or repeats a record."""
    await put(http, "t", *range(200))
    async with AsyncExitStack() as stack:
        outlets = []
        for number in range(200, 400, 4):
            await put(http, "t", *range(number, number + 4))
            offset = number - 150
            made = await stack.enter_async_context(subscribed(http, hub, "t", offset=str(offset)))
            outlets.append((offset, made[0]))
        for offset, outlet in outlets:
            await outlet.holds(400 - offset)
            assert outlet.values == texts(*range(offset, 400))


async def test_a_reconnect_loses_and_repeats_nothing(http: HttpStage, hub: Hub) -> None:
    """In several partitions at once: the id of the last event leads to exactly what came behind it."""
    await http.broker.create_topic("t", format=Format.BATCH, partition_count=3)
    for number in range(30):
        await put(http, "t", number, partition=number % 3)
    async with subscribed(http, hub, "t") as (outlet, _):
        await outlet.holds(30)
    for event in outlet.events[:-1:7]:
        before = outlet.events[: outlet.events.index(event) + 1]
        async with subscribed(http, hub, "t", after=event.id) as (rest, _):
            await rest.holds(30 - len(before))
        assert sorted(int(one.data["value"]) for one in (*before, *rest.events)) == list(range(30))


async def test_latest_begins_at_the_end_and_says_where(http: HttpStage, hub: Hub) -> None:
    """A client that lost the connection before anything came has an id to go on from all the same."""
    await put(http, "t", 0, 1)
    async with subscribed(http, hub, "t", offset="latest") as (outlet, _):
        await asyncio.sleep(0.02)
        assert outlet.values == []
        assert b"\nid: 1\n" in outlet.pieces[0]
    await put(http, "t", 2)
    async with subscribed(http, hub, "t", after="1") as (outlet, _):
        await outlet.holds(1)
    assert outlet.values == ["2"]


async def test_beyond_the_end_is_waited_for(http: HttpStage, hub: Hub) -> None:
    """Who wants offset 5 of three records gets it once it is there; the others' feed does not mind."""
    await put(http, "t", 0, 1, 2)
    async with subscribed(http, hub, "t") as (other, _), subscribed(http, hub, "t", offset="5") as (outlet, _):
        await other.holds(3)
        await put(http, "t", 3, 4)
        await other.holds(5)
        await put(http, "t", 5, 6)
        await outlet.holds(2)
    assert outlet.values == ["5", "6"]
    assert other.values == texts(*range(5), *other.values[5:])


async def test_what_is_sent_and_skipped_is_what_was_produced(http: HttpStage, hub: Hub) -> None:
    """A sampled subscriber knows how much it does not see, to the record."""
    await put(http, "t", *range(5000))
    async with subscribed(http, hub, "t", rate_max=10) as (outlet, _):
        for start in range(5000, 7000, 100):
            await put(http, "t", *range(start, start + 100))

        def accounted() -> int:
            events = outlet.events
            return sum(event.data["count"] if event.name == "skipped" else 1 for event in events)

        await until(lambda: accounted() >= 7000)
        assert accounted() == 7000
        assert 0 < len(outlet.values) <= 30
        assert outlet.events[-1].id == "6999"


async def test_who_does_not_read_is_dropped_and_nobody_else(
    http: HttpStage, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    """At the cap: with one line in the log, and counted."""
    await put(http, "t", 0)
    async with subscribed(http, hub, "t") as (good, kept), subscribed(http, hub, "t") as (bad, dropped):
        await good.holds(1)
        await bad.holds(1)
        bad.waiting = LIVE_WAITING_SIZE_MAX + 1
        with caplog.at_level(logging.WARNING):
            await put(http, "t", 1)
            await good.holds(2)
            await put(http, "t", 2)
            await good.holds(3)
        assert dropped.ended.result() is End.TOO_SLOW
        assert not kept.ended.done()
        assert bad.values == ["0"]
    assert [record.getMessage() for record in caplog.records] == ["a subscriber is too slow and is dropped"]
    assert http.context.broker.metrics.http["GET /topics/{topic}/stream"].errors == {"TOO_SLOW": 1}


async def test_who_takes_nothing_of_what_is_stored_is_dropped(http: HttpStage, hub: Hub) -> None:
    """One that is behind is not pushed: when its time is over, it is dropped with little waiting for it."""
    await put(http, "t", *range(100))
    async with subscribed(http, hub, "t", offset="latest") as (outlet, subscription):
        await asyncio.sleep(0)
        assert not subscription.ended.done()
    outlet.stuck = True
    async with subscribed(http, hub, "t") as (outlet, subscription):
        outlet.stuck = True
        assert await asyncio.wait_for(subscription.ended, 5) is End.TOO_SLOW


async def test_a_dropped_topic_ends_the_stream_with_a_problem(http: HttpStage, hub: Hub) -> None:
    """Even if another of its name is there at once: its records are none of this stream's."""
    await put(http, "t", 0)
    async with subscribed(http, hub, "t") as (outlet, subscription):
        await outlet.holds(1)
        await http.broker.drop_topic("t")
        await put(http, "t", 7, 8, 9)
        assert await asyncio.wait_for(subscription.ended, 5) is End.FAILED
    assert outlet.values == ["0"]
    assert (outlet.events[-1].name, outlet.events[-1].data["code"]) == ("problem", "UNKNOWN_TOPIC")


async def test_a_position_of_another_life_begins_at_the_start(http: HttpStage, hub: Hub) -> None:
    """The topic was dropped and made anew between two connections: what is in it now is read from its start."""
    await put(http, "t", 7, 8)
    async with subscribed(http, hub, "t", after="41") as (outlet, _):
        await outlet.holds(2)
    assert outlet.values == ["7", "8"]


async def test_a_damaged_range_is_said_and_passed(http: HttpStage, hub: Hub) -> None:
    """One problem, and the stream goes on behind the damage."""
    await put(http, "t", *range(10))
    sound = http.broker.broker.read_nowait

    def read(partition: TopicPartition, offset: int, size_max: int) -> Any:
        if 3 <= offset < 6:
            raise Damaged(str(partition), 3, 6)
        return sound(partition, offset, size_max)

    http.broker.read_nowait = read  # type: ignore[attr-defined]
    async with subscribed(http, hub, "t", offset="4") as (outlet, subscription):
        await outlet.holds(4)
        await put(http, "t", 10)
        await outlet.holds(5)
        assert not subscription.ended.done()
    assert outlet.values == texts(6, 7, 8, 9, 10)
    assert [event.data["code"] for event in outlet.events if event.name == "problem"] == ["DAMAGED"]


async def test_who_is_overtaken_by_retention_is_told(http: HttpStage, hub: Hub) -> None:
    """Records that are gone are a problem event, not the end."""
    await put(http, "t", *range(10))
    await http.broker.trim(TopicPartition("t", 0), 6)
    async with subscribed(http, hub, "t", after="2") as (outlet, _):
        await outlet.holds(4)
    assert outlet.values == texts(6, 7, 8, 9)
    assert outlet.events[0].data["code"] == "OFFSET_OUT_OF_RANGE"
    with pytest.raises(OffsetOutOfRange):
        async with subscribed(http, hub, "t", offset="2"):
            pass


async def test_partitions_that_come_later_are_followed(
    http: HttpStage, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From their first record on, and an id from before leads to them too."""
    monkeypatch.setattr(feed, "LIVE_LOOK_INTERVAL_S", 0.01)
    await put(http, "t", 0)
    async with subscribed(http, hub, "t") as (outlet, _):
        await outlet.holds(1)
        await http.broker.alter_topic("t", partition_count=2)
        await put(http, "t", 1, partition=1)
        await outlet.holds(2)
        await put(http, "t", 2)
        await outlet.holds(3)
    assert [event.id for event in outlet.events] == ["0", "0=0,1=0", "0=1,1=0"]
    async with subscribed(http, hub, "t", after="0") as (again, _):
        await again.holds(2)
    assert sorted(again.values) == ["1", "2"]


async def test_silence_is_broken(http: HttpStage, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment, so that nothing in between closes the connection; it says nothing to EventSource."""
    monkeypatch.setattr(feed, "LIVE_LOOK_INTERVAL_S", 0.01)
    monkeypatch.setattr(feed, "LIVE_KEEP_ALIVE_S", 0.02)
    await put(http, "t", 0)
    async with subscribed(http, hub, "t") as (outlet, _):
        await outlet.holds(1)
        await until(lambda: outlet.pieces.count(b"3\r\n:\n\n\r\n") >= 2)
    assert len(outlet.events) == 1


async def test_too_many_partitions_for_one_stream(http: HttpStage, hub: Hub) -> None:
    """One of them can be followed."""
    await http.broker.create_topic("t", format=Format.BATCH, partition_count=101)
    with pytest.raises(InvalidInput, match="100 at most"):
        async with subscribed(http, hub, "t"):
            pass
    async with subscribed(http, hub, "t", partition=100) as (outlet, _):
        await put(http, "t", 5, partition=100)
        await outlet.holds(1)


async def test_a_sampled_stream_keeps_up(http: HttpStage, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Much at once is read at once, in few pieces that each say what they leave out: the stream never ages."""
    monkeypatch.setattr(feed, "LIVE_SAMPLED_PAUSE_S", 0.5)
    await put(http, "t", 0)
    async with subscribed(http, hub, "t", offset="latest", rate_max=5) as (outlet, _):
        await until(lambda: len(outlet.pieces) == 1)
        await asyncio.sleep(0.02)
        for start in range(1, 20_001, 4000):
            await put(http, "t", *range(start, start + 4000))
        await until(lambda: bool(outlet.events) and outlet.events[-1].id == "20000")
        assert len(outlet.pieces) < 60
        assert len(outlet.values) <= 10
