"""The contract with the cluster's services, for each that there is; and the storage contract on the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from tests.contract import test_store_batches, test_store_contract
from tests.contract.stores import Bench
from tests.integration.cluster.processes import Etcd, Seaweed

from logmq.errors import StartupError
from logmq.storage.cluster.etcd import EtcdKeys
from logmq.storage.cluster.formats import BROKERS
from logmq.storage.cluster.object_store import connect
from logmq.storage.cluster.services import ObjectMissing, Objects, OutcomeUnknown
from logmq.storage.cluster.store import ClusterStore
from logmq.storage.cluster.takeover import take
from logmq.storage.engine import LogStore


@pytest.fixture
async def keys(etcd: Etcd) -> AsyncIterator[EtcdKeys]:
    keys = await EtcdKeys.connect(f"etcd://{etcd.address}/{uuid4().hex}")
    yield keys
    await keys.close()


@pytest.fixture(params=["directory", "s3"])
async def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "directory":
        return await connect(f"file://{tmp_path}")
    return await bucket(request.getfixturevalue("seaweed"), request.getfixturevalue("monkeypatch"))


async def bucket(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """A part of a bucket that no other test uses; the server takes a moment to be ready."""
    for name, value in seaweed.variables.items():
        monkeypatch.setenv(name, value)
    for _ in range(60):
        try:
            return await connect(f"s3://test/{uuid4().hex}")
        except StartupError:
            await asyncio.sleep(0.25)
    pytest.fail("the S3 server is not ready")


# -- keys ------------------------------------------------------------------------------------------------------------


async def test_a_transaction_is_carried_out_wholly_or_not_at_all(keys: EtcdKeys) -> None:
    """By the revisions of the keys it expects; 0 is a key that is not there."""
    first = await keys.commit({"a": 0}, {"a": b"1", "b": b"2"})
    assert first is not None
    assert await keys.commit({"a": 0}, {"a": b"lost"}) is None
    assert await keys.commit({"a": first, "b": first - 1}, {"a": b"lost"}) is None
    second = await keys.commit({"a": first}, {"a": b"3"}, ["b"])
    assert second is not None
    assert second > first
    stored = await keys.get("a")
    assert stored is not None
    assert tuple(stored) == (b"3", second)
    assert await keys.get("b") is None


async def test_all_keys_under_a_prefix(keys: EtcdKeys) -> None:
    """However many there are."""
    for start in range(0, 2500, 100):
        await keys.commit({}, {f"x/{number:05d}": b"%d" % number for number in range(start, start + 100)})
    await keys.commit({}, {"y": b""})
    found = await keys.under("x/")
    assert [one.value for one in found.values()] == [b"%d" % number for number in range(2500)]


async def test_presence_lasts_as_long_as_it_is_renewed(keys: EtcdKeys) -> None:
    """And is over for good when it was not."""
    presence = await keys.announce("brokers/x", b"here", 1)
    stored = await keys.get("brokers/x")
    assert stored is not None
    assert stored.revision == presence.revision
    for _ in range(3):
        await asyncio.sleep(0.6)
        assert await presence.renew()
    for _ in range(100):
        await asyncio.sleep(0.1)
        if await keys.get("brokers/x") is None:
            break
    assert not await presence.renew()
    other = await keys.announce("brokers/y", b"", 60)
    await other.withdraw()
    assert await keys.get("brokers/y") is None


async def test_an_etcd_that_is_away_is_an_unknown_outcome(tmp_path: Path) -> None:
    """And a start that says so."""
    with Etcd(tmp_path) as etcd:
        keys = await EtcdKeys.connect(f"etcd://{etcd.address}")
    with pytest.raises(OutcomeUnknown):
        await keys.commit({}, {"a": b"1"})
    await keys.close()
    with pytest.raises(StartupError, match="does not answer"):
        await EtcdKeys.connect(f"etcd://{etcd.address}")
    with pytest.raises(StartupError, match="etcd://host:2379/name"):
        await EtcdKeys.connect("redis://localhost")


# -- objects ---------------------------------------------------------------------------------------------------------


async def test_objects_are_read_in_ranges(objects: Objects) -> None:
    """Less at the end; missing ones are missing; writing twice is writing once."""
    data = bytes(range(256)) * 1000
    await objects.put("wal/a/1", data)
    await objects.put("wal/a/1", data)
    assert await objects.get("wal/a/1", 0, 10**6) == data
    assert await objects.get("wal/a/1", 1000, 5) == data[1000:1005]
    assert await objects.get("wal/a/1", len(data) - 3, 100) == data[-3:]
    with pytest.raises(ObjectMissing):
        await objects.get("wal/a/2", 0, 1)


async def test_objects_are_listed_and_deleted(objects: Objects) -> None:
    """By what their names begin with; those that are gone already are fine."""
    for number in range(30):
        await objects.put(f"wal/a/{number:03d}", b"x")
    await objects.put("segments/b/1", b"y")
    assert sorted(await objects.names("wal/")) == [f"wal/a/{number:03d}" for number in range(30)]
    await objects.delete([f"wal/a/{number:03d}" for number in range(29)] + ["wal/a/nothing"])
    assert await objects.names("wal/") == ["wal/a/029"]
    assert await objects.names("nothing/") == []


@pytest.mark.parametrize("url", ["ftp://nowhere", "s3://", "file:///proc/nowhere"])
async def test_an_object_store_that_cannot_be_used_is_explained(url: str) -> None:
    """With its address."""
    with pytest.raises(StartupError, match=url.split("?", maxsplit=1)[0]):
        await connect(url)


# -- the storage contract --------------------------------------------------------------------------------------------


class ServicesBackend:
    """The cluster engine over etcd and S3."""

    def __init__(self, etcd: Etcd, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
        self._url = f"etcd://{etcd.address}/{uuid4().hex}"
        self._seaweed = seaweed
        self._monkeypatch = monkeypatch
        self._objects: Objects | None = None

    @asynccontextmanager
    async def open(self, bench: Bench) -> AsyncIterator[LogStore]:
        keys = await EtcdKeys.connect(self._url)
        self._objects = self._objects or await bucket(self._seaweed, self._monkeypatch)
        incarnation = uuid4().hex
        presence = await keys.announce(BROKERS + incarnation, b"", 60)
        leadership = await take(keys, incarnation, presence)
        assert leadership is not None
        store = await ClusterStore.open(
            leadership, self._objects, bench.specs, bench.config, bench.clock, bench.failures.append
        )
        try:
            yield store
        finally:
            await store.close()
            await presence.withdraw()
            await keys.close()


@pytest.fixture
def backend(etcd: Etcd, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServicesBackend]:
    yield ServicesBackend(etcd, seaweed, monkeypatch)


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestTheStorageContract:
    """The claims of tests/contract that matter most where services can differ from their fakes."""

    test_restart = staticmethod(test_store_contract.test_what_was_appended_is_read_back_also_after_a_restart)
    test_order = staticmethod(test_store_contract.test_many_appends_at_once_keep_their_order)
    test_trim = staticmethod(test_store_contract.test_trim_moves_the_log_start_for_good)
    test_drop = staticmethod(test_store_contract.test_a_dropped_log_leaves_nothing)
    test_retention = staticmethod(test_store_contract.test_retention_by_size)
    test_timestamps = staticmethod(test_store_contract.test_timestamps_find_offsets)
    test_room = staticmethod(test_store_contract.test_backpressure_says_when_there_is_room)


async def test_producers_are_known_after_a_restart(backend: ServicesBackend, bench: Bench) -> None:
    """On the real services too."""
    from logmq.model import Format  # noqa: PLC0415

    bench.spec("t", format=Format.BATCH)
    await test_store_batches.test_a_batch_sent_again_is_answered_with_its_first_offsets(backend, bench)  # type: ignore[arg-type]
