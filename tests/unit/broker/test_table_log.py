"""The log of a table: read back, kept short."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.contract.stores import Bench, SimulatedBackend

from logmq.broker import table_log
from logmq.broker.table_log import NO_ROWS, TableLog
from logmq.model import TopicPartition
from logmq.storage.engine import LogStore

TABLE = TopicPartition("table", 0)


@pytest.fixture
async def store(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LogStore]:
    """A store with the log of a table, which is compacted early."""
    monkeypatch.setattr(table_log, "OFFSETS_LOG_SIZE_MIN", 100)
    bench = Bench()
    bench.spec("table")
    async with SimulatedBackend(seed=1).open(bench) as store:
        yield store


async def rows_of(log: TableLog) -> list[bytes]:
    rows: list[bytes] = []
    await log.load(rows.append)
    return rows


async def compacted(log: TableLog) -> None:
    assert log._compacting is not None
    await log._compacting


async def test_a_row_that_changes_during_compaction_is_not_undone(store: LogStore) -> None:
    """What is appended right behind the decision to compact stands behind the table in the log, and counts."""
    log = TableLog(store, "table")
    await store.append([log.rows([b"old"] * 50)])
    log.compact_if_grown(3, lambda: [b"old"])
    await store.append([log.rows([b"new"])])
    await compacted(log)
    assert await rows_of(log) == [b"old", b"new"]


async def test_an_empty_table_is_compacted_too(store: LogStore) -> None:
    """It leaves one record, which says nothing."""
    log = TableLog(store, "table")
    await store.append([log.rows([b"gone"] * 50)])
    log.compact_if_grown(0, list)
    await compacted(log)
    assert await rows_of(log) == [NO_ROWS]


async def test_a_short_log_stays(store: LogStore) -> None:
    """A log that is not several times as large as its table is left alone."""
    log = TableLog(store, "table")
    await store.append([log.rows([b"row"] * 50)])
    log.compact_if_grown(350, lambda: [b"row"] * 50)
    assert log._compacting is None
