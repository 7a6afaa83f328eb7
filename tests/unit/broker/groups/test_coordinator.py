"""The coordinator: timers, bounds and the log of committed offsets, over a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.contract.stores import Bench, LocalBackend, append
from tests.unit.broker.groups.scene import request, subscription

from logmq.broker import table_log
from logmq.broker.groups import coordinator
from logmq.broker.groups.consumer_groups import ConsumerGroups
from logmq.broker.groups.coordinator import GroupCoordinator
from logmq.broker.groups.group import GroupState
from logmq.broker.groups.member import Caller
from logmq.broker.groups.offsets import OFFSETS_TOPIC, CommittedOffset, CommittedOffsets
from logmq.broker.groups.refusal import Refusal
from logmq.broker.groups.subscription import subscribed_topics
from logmq.broker.topics import Topics
from logmq.errors import InvalidGroupName, Throttled
from logmq.limits import KIB
from logmq.model import TopicPartition
from logmq.storage.engine import Meta

ORDERS = TopicPartition("orders", 0)
LOG = TopicPartition(OFFSETS_TOPIC, 0)
NOBODY = Caller("")


@asynccontextmanager
async def coordinating(path: Path, bench: Bench) -> AsyncIterator[GroupCoordinator]:
    new = not bench.specs
    if new:
        bench.spec(OFFSETS_TOPIC)
    async with LocalBackend(path).open(bench) as store:
        if new:
            await store.create(bench.specs)
        table = CommittedOffsets(store)
        await table.load()
        topics = Topics(cast(Meta, None), store, bench.config, ())
        consumers = ConsumerGroups(topics, table, bench.config, bench.clock)
        yield GroupCoordinator(table, consumers, bench.config, bench.clock)


@pytest.fixture
async def groups(tmp_path: Path) -> AsyncIterator[GroupCoordinator]:
    async with coordinating(tmp_path, Bench()) as made:
        yield made


async def test_the_timer_ends_sessions(tmp_path: Path) -> None:
    """A member that falls silent is gone without anybody asking: the group's timer goes off by itself."""
    bench = Bench()
    async with coordinating(tmp_path, bench) as groups:
        await groups.join("g", replace(request("a"), session_timeout_ms=1_000))
        for _, timer in list(groups._books.timers.values()):
            bench.clock.ms += 2_000
            timer._run()  # instead of waiting for the loop
        assert groups.describe("g").state is GroupState.EMPTY
        assert not groups._books.timers and groups._books.size == 0


async def test_members_of_all_groups_are_bounded(groups: GroupCoordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit on their bytes nobody new is let in, in any group; who leaves makes room."""
    size = request("a").size
    monkeypatch.setattr(coordinator, "GROUPS_SIZE_MAX", 2 * size)
    await groups.join("g", request("a"))
    await groups.join("h", request("b"))
    assert (await groups.join("i", request("c"))).refusal is Refusal.GROUP_FULL
    grown = request("x", "a", protocols=(("range", subscription("orders", user_data=b"more")),))
    assert (await groups.join("g", grown)).refusal is Refusal.GROUP_FULL
    assert groups.leave("g", [Caller("a")]) == [None]
    assert (await groups.join("i", request("c"))).refusal is None


async def test_ids_that_were_given_out_are_bounded(groups: GroupCoordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for member ids and never coming back takes no more memory than joining does."""
    monkeypatch.setattr(coordinator, "GROUPS_SIZE_MAX", 10_000)
    asked = [replace(request(f"m{number}"), requires_member_id=True) for number in range(100)]
    refusals = [(await groups.join("g", one)).refusal for one in asked]
    assert refusals[0] is Refusal.MEMBER_ID_REQUIRED and refusals[-1] is Refusal.GROUP_FULL


async def test_groups_are_bounded(groups: GroupCoordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit on groups, new ones can neither be joined nor committed to; those there are go on."""
    monkeypatch.setattr(coordinator, "GROUP_COUNT_MAX", 1)
    await groups.join("g", request("a"))
    await groups.commit("h", NOBODY, -1, {ORDERS: CommittedOffset(1, 0)})
    assert (await groups.join("i", request("c"))).refusal is Refusal.GROUP_FULL
    with pytest.raises(Throttled):
        await groups.commit("i", NOBODY, -1, {ORDERS: CommittedOffset(1, 0)})
    assert await groups.commit("h", NOBODY, -1, {ORDERS: CommittedOffset(2, 0)}) is None


@pytest.mark.parametrize("name", ["", "g" * 250, "ü" * 125])
async def test_names(groups: GroupCoordinator, name: str) -> None:
    """A group's name has 1 to 249 bytes, and is otherwise free."""
    with pytest.raises(InvalidGroupName):
        await groups.join(name, request("a"))
    assert (await groups.join("a group, ü!", request("a"))).refusal is None


async def test_commits_at_the_same_time(tmp_path: Path) -> None:
    """Commits that overlap are stored in the order of their calls, also for a reader of the log."""
    bench = Bench()
    async with coordinating(tmp_path, bench) as groups:
        await asyncio.gather(
            *[groups.commit("g", NOBODY, -1, {ORDERS: CommittedOffset(number, 0)}) for number in range(200)]
        )
        assert groups.offsets.get("g", ORDERS) == CommittedOffset(199, 0)
    async with coordinating(tmp_path, bench) as groups:
        assert groups.offsets.get("g", ORDERS) == CommittedOffset(199, 0)


async def test_the_log_is_compacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of offsets does not grow with the number of commits, and compaction loses none."""
    monkeypatch.setattr(table_log, "OFFSETS_LOG_SIZE_MIN", 16 * KIB)
    bench = Bench()
    expected: dict[str, Mapping[TopicPartition, CommittedOffset]] = {}
    async with coordinating(tmp_path, bench) as groups:
        await groups.commit("still", NOBODY, -1, {ORDERS: CommittedOffset(1, 0, "kept")})
        for number in range(2_000):
            await groups.commit(f"g{number % 5}", NOBODY, -1, {ORDERS: CommittedOffset(number, 0, "m", 4)})
        await groups.delete("g0")
        table = groups.offsets
        expected = {name: dict(table.of_group(name)) for name in table.groups()}
        bounds = table._store.bounds(LOG)
        assert 0 < bounds.high_watermark - bounds.log_start_offset < 64 * KIB
    async with coordinating(tmp_path, bench) as groups:
        assert {name: dict(groups.offsets.of_group(name)) for name in groups.offsets.groups()} == expected
        assert set(expected) == {"still", "g1", "g2", "g3", "g4"}


async def test_a_damaged_log_of_offsets(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Rot in the log of offsets loses the commits in its range, which is said; the others are there."""
    bench = Bench()
    async with coordinating(tmp_path, bench) as groups:
        for number in range(1_000):
            await groups.commit(f"g{number:04}", NOBODY, -1, {ORDERS: CommittedOffset(number, 0)})
    log = tmp_path / f"{OFFSETS_TOPIC}.log"
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 0x10
    log.write_bytes(data)
    async with coordinating(tmp_path, bench) as groups:
        found = {name: groups.offsets.get(name, ORDERS) for name in groups.offsets.groups()}
    assert found["g0000"] == CommittedOffset(0, 0) and found["g0999"] == CommittedOffset(999, 0)
    assert 500 < len(found) < 1_000
    assert "rows of a table are lost" in caplog.text


async def test_members_hear_of_a_generation_when_it_is_stored(groups: GroupCoordinator) -> None:
    """No assignment is given out that a restart of the broker would not know of."""
    await groups.join("g", request("a"))
    table = groups.offsets
    stored, store = [], table.store_membership

    async def slowly(group: str, membership: Mapping[str, object] | None) -> None:
        await asyncio.sleep(0)
        await store(group, membership)
        stored.append(group)

    table.store_membership = slowly  # type: ignore[method-assign]
    answer = await groups.sync("g", Caller("a"), 1, [("a", b"mine")])
    assert (answer.assignment, stored) == (b"mine", ["g"])


async def test_a_restart_while_the_members_are_being_stored(groups: GroupCoordinator) -> None:
    """A static member that takes its place back in that moment hears of it when its new id is stored, not before."""
    await groups.join("g", request("a1", instance_id="a"))
    table = groups.offsets
    stored: list[str] = []
    store, released = table.store_membership, asyncio.Event()

    async def slowly(group: str, membership: Mapping[str, Any] | None) -> None:
        await released.wait()
        await store(group, membership)
        assert membership is not None
        stored.append(membership["members"][0]["member_id"])

    table.store_membership = slowly  # type: ignore[method-assign]
    first = asyncio.ensure_future(groups.sync("g", Caller("a1"), 1, [("a1", b"mine")]))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(groups.join("g", request("a2", instance_id="a")))
    await asyncio.sleep(0)
    assert not first.done() and not second.done()
    released.set()
    assert ((await second).member_id, stored) == ("a2", ["a1", "a2"])
    assert (await first).refusal is None


async def test_memberships_survive_compaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records of members are part of the table that a compacted log begins with; who left is not."""
    monkeypatch.setattr(table_log, "OFFSETS_LOG_SIZE_MIN", 4 * KIB)
    bench = Bench()
    async with coordinating(tmp_path, bench) as groups:
        for name in ("g", "h"):
            await groups.join(name, request(f"{name}1"))
            await groups.sync(name, Caller(f"{name}1"), 1, [(f"{name}1", b"mine")])
        groups.leave("h", [Caller("h1")])
        for number in range(500):
            await groups.commit("other", NOBODY, -1, {ORDERS: CommittedOffset(number, 0)})
        assert groups.offsets._store.bounds(LOG).log_start_offset > 0
    async with coordinating(tmp_path, bench) as groups:
        assert list(groups.offsets.memberships()) == ["g"]
        groups.start()
        assert groups.heartbeat("g", Caller("g1"), 1) is None


async def test_records_without_the_new_fields(tmp_path: Path) -> None:
    """Offsets stored before metadata and leader epochs were kept are read as having none."""
    bench = Bench()
    async with coordinating(tmp_path, bench) as groups:
        line = b'{"group":"g","topic":"orders","partition":0,"offset":4711,"committed_ms":5}'
        await groups.offsets._store.append([append(LOG, line)])
    async with coordinating(tmp_path, bench) as groups:
        assert groups.offsets.get("g", ORDERS) == CommittedOffset(4711, 5, "", -1)


async def test_a_commit_under_way_is_not_expired(tmp_path: Path) -> None:
    """An offset that is just being renewed is not forgotten because its old value is past the retention."""
    bench = Bench()
    async with coordinating(tmp_path, bench) as groups:
        await groups.commit("g", NOBODY, -1, {ORDERS: CommittedOffset(1, bench.clock.now_ms())})
        bench.clock.ms += 30 * 24 * 3_600_000
        renewed = asyncio.ensure_future(
            groups.commit("g", NOBODY, -1, {ORDERS: CommittedOffset(2, bench.clock.now_ms())})
        )
        await asyncio.sleep(0)
        await groups.expire()
        await renewed
        assert groups.offsets.get("g", ORDERS) == CommittedOffset(2, bench.clock.now_ms())


@pytest.mark.parametrize(
    ("metadata", "topics"),
    [
        (b"\x00\x00\x00\x00\x00\x00", frozenset()),
        (b"\x00\x01\x00\x00\x00\x01\x00\x01t\x00\x00\x00\x00", frozenset({"t"})),
        (b"", None),
        (b"\x00\x00\x7f\xff\xff\xff", None),
        (b"\x00\x00\xff\xff\xff\xff", None),
        (b"\x00\x00\x00\x00\x00\x01\x00\x09t", None),
        (b"\x00\x00\x00\x00\x00\x01\xff\xfft", None),
        (b"\x00\x00\x00\x00\x00\x01\x00\x01\xff", None),
        (b"\xff\xff\x00\x00\x00\x00", None),
    ],
)
def test_subscriptions(metadata: bytes, topics: frozenset[str] | None) -> None:
    """Topics are read out of a consumer's metadata; anything else is no subscription, and never an exception."""
    assert subscribed_topics(metadata) == topics
