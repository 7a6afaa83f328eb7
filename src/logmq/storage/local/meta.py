"""`Meta` in one SQLite database in the data directory.

Every call is a transaction, durable when it returns (write-ahead log, synchronous=FULL). They run one after the other
on a thread of their own: a commit waits for the disk.

A sync that fails is final here as well: SQLite would write everything anew and ask again, but the kernel may have
dropped pages of earlier transactions. So checkpoints, whose errors SQLite passes over when it makes them by itself, are
made here.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from logmq.clock import Clock
from logmq.config import Config, topic_settings
from logmq.errors import DiskFull, TopicExists, Unavailable, UnknownTopic, UnreadableDirectory
from logmq.model import Format, SettingValue, Topic
from logmq.storage.engine import Meta
from logmq.storage.local.files import Files, SyncFailed
from logmq.storage.local.names import META, parse_segment, stored_partition

T = TypeVar("T")

_VERSION = 1
_RESERVE_SIZE = 256 * 1024
_CHECKPOINT_TRANSACTIONS = 16
"""Transactions after which the write-ahead log is taken over into the database: what they write fits the reserve."""
_SYNC_ERRORS = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})
_SCHEMA = """
CREATE TABLE topics (
    name TEXT PRIMARY KEY,
    format TEXT NOT NULL,
    overrides TEXT NOT NULL,            -- JSON, by setting name; null is without limit
    created_ms INTEGER NOT NULL,
    dropping INTEGER NOT NULL DEFAULT 0 -- gone for clients, its files may be there still
) STRICT;
CREATE TABLE logs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: the journal knows logs by it
    topic TEXT NOT NULL REFERENCES topics (name) ON DELETE CASCADE,
    partition INTEGER NOT NULL,
    UNIQUE (topic, partition)
) STRICT;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


class SqliteMeta:
    """Names and settings of topics."""

    def __init__(
        self,
        directory: Path,
        config: Config,
        clock: Clock,
        on_failure: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        """Open the database, made if it is not there. The directory must be locked by the caller.

        `on_failure` is called on the loop when a sync failed: no change is taken any more, the process should stop.

        Raises:
            UnreadableDirectory: it is damaged, or of a newer version.
        """
        self._config = config
        self._clock = clock
        self._on_failure = on_failure
        self._failure: SyncFailed | None = None
        self._since_checkpoint = 0
        """Transactions."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="logmq-meta")
        self._database = sqlite3.connect(directory / META, isolation_level=None, check_same_thread=False)
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("PRAGMA foreign_keys = ON")
            self._database.execute("PRAGMA wal_autocheckpoint = 0")
            self._prepare()
            self._reserve_room()
        except sqlite3.Error as error:
            raise UnreadableDirectory(f"{directory / META} cannot be read: {error}") from error

    def _prepare(self) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        elif version != _VERSION:
            raise UnreadableDirectory(
                f"{META} has version {version}, this LogMQ knows version {_VERSION}: use the newer LogMQ that wrote it"
            )

    def _reserve_room(self) -> None:
        """Let both files hold room for later transactions: on a full disk topics must still be dropped and altered.

        The write-ahead log is begun anew after a checkpoint and not cut, the database keeps its free pages.
        """
        try:
            self._database.executescript(
                f"""
                DROP TABLE IF EXISTS reserve; -- a crash may have left it
                BEGIN;
                CREATE TABLE reserve (filler BLOB); INSERT INTO reserve VALUES (zeroblob({_RESERVE_SIZE}));
                COMMIT;
                BEGIN; DROP TABLE reserve; COMMIT;
                PRAGMA wal_checkpoint(RESTART);
                """
            )
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            if self._database.in_transaction:  # started on a disk that is full already: what is there can be read
                self._database.execute("ROLLBACK")

    async def _run(self, function: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._transaction, function, loop)

    def _transaction(self, function: Callable[[], T], loop: asyncio.AbstractEventLoop) -> T:
        if self._failure is not None:
            raise Unavailable(f"the broker has stopped taking changes: {self._failure}")
        try:
            self._checkpoint_if_due()
            self._database.execute("BEGIN IMMEDIATE")
            result = function()
            self._database.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            if getattr(error, "sqlite_errorcode", None) in _SYNC_ERRORS:
                self._failure = SyncFailed(f"sync of {META} failed: {error}")
                loop.call_soon_threadsafe(self._on_failure, self._failure)
                raise Unavailable(f"whether the change survives is unknown: {META}: {error}") from error
            if isinstance(error, sqlite3.OperationalError):
                raise DiskFull(f"{META}: {error}") from error
            raise UnreadableDirectory(f"{META} cannot be read: {error}") from error
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        return result

    def _checkpoint_if_due(self) -> None:
        self._since_checkpoint += 1
        if self._since_checkpoint <= _CHECKPOINT_TRANSACTIONS:
            return
        try:
            self._database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:  # without room the log grows on, and this is tried again
                raise
        else:
            self._since_checkpoint = 0

    async def topics(self) -> list[Topic]:
        """See `Meta.topics`."""
        return await self._run(lambda: self._select(dropping=False))

    async def dropping(self) -> list[Topic]:
        """See `Meta.dropping`."""
        return await self._run(lambda: self._select(dropping=True))

    def _select(self, *, dropping: bool) -> list[Topic]:
        names = self._database.execute("SELECT name FROM topics WHERE dropping = ? ORDER BY name", (dropping,))
        return [self._topic(name) for (name,) in names.fetchall()]

    def _topic(self, name: str) -> Topic:
        row = self._database.execute(
            "SELECT format, overrides, created_ms FROM topics WHERE name = ?", (name,)
        ).fetchone()
        if row is None:
            raise UnknownTopic(name)
        format, overrides, created_ms = row
        ids = self._database.execute("SELECT id FROM logs WHERE topic = ? ORDER BY partition", (name,)).fetchall()
        values: dict[str, SettingValue] = json.loads(overrides)
        settings = topic_settings(self._config, values)
        return Topic(name, Format(format), tuple([log_id for (log_id,) in ids]), values, settings, created_ms)

    async def create_topic(
        self, name: str, format: Format, partition_count: int, overrides: Mapping[str, SettingValue]
    ) -> Topic:
        """See `Meta.create_topic`."""

        def create() -> Topic:
            try:
                self._database.execute(
                    "INSERT INTO topics (name, format, overrides, created_ms) VALUES (?, ?, ?, ?)",
                    (name, format.value, json.dumps(dict(overrides)), self._clock.now_ms()),
                )
            except sqlite3.IntegrityError:
                raise TopicExists(name) from None
            self._insert_logs(name, range(partition_count))
            return self._topic(name)

        return await self._run(create)

    def _insert_logs(self, name: str, partitions: range) -> None:
        self._database.executemany(
            "INSERT INTO logs (topic, partition) VALUES (?, ?)", [(name, index) for index in partitions]
        )

    async def add_partitions(self, name: str, partition_count: int) -> Topic:
        """See `Meta.add_partitions`."""

        def add() -> Topic:
            self._insert_logs(name, range(self._topic(name).partition_count, partition_count))
            return self._topic(name)

        return await self._run(add)

    async def alter_topic(self, name: str, overrides: Mapping[str, SettingValue]) -> Topic:
        """See `Meta.alter_topic`."""

        def alter() -> Topic:
            self._database.execute(
                "UPDATE topics SET overrides = ? WHERE name = ?", (json.dumps(dict(overrides)), name)
            )
            return self._topic(name)

        return await self._run(alter)

    async def begin_drop(self, name: str) -> Topic:
        """See `Meta.begin_drop`."""

        def begin() -> Topic:
            self._database.execute("UPDATE topics SET dropping = 1 WHERE name = ?", (name,))
            return self._topic(name)

        return await self._run(begin)

    async def finish_drop(self, name: str) -> None:
        """See `Meta.finish_drop`."""
        await self._run(lambda: self._database.execute("DELETE FROM topics WHERE name = ?", (name,)))

    async def take_producer_ids(self, count: int) -> int:
        """See `Meta.take_producer_ids`."""

        def take() -> int:
            row = self._database.execute("SELECT value FROM facts WHERE name = 'next_producer_id'").fetchone()
            first = 0 if row is None else int(row[0])
            self._database.execute("INSERT OR REPLACE INTO facts VALUES ('next_producer_id', ?)", (str(first + count),))
            return first

        return await self._run(take)

    async def cluster_id(self) -> str:
        """See `Meta.cluster_id`."""

        def read() -> str:
            row = self._database.execute("SELECT value FROM facts WHERE name = 'cluster_id'").fetchone()
            if row is None:
                row = (urlsafe_b64encode(uuid4().bytes).decode().rstrip("="),)
                self._database.execute("INSERT INTO facts VALUES ('cluster_id', ?)", row)
            return str(row[0])

        return await self._run(read)

    async def close(self) -> None:
        """Release the database."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
        self._thread.shutdown()


async def finish_drops(meta: Meta, files: Files) -> None:
    """Carry out drops that a crash cut off: remove the files of topics that are marked as being dropped.

    Durability: they are gone for good when it returns. Raises: DiskFull, OSError, SyncFailed.
    """
    dropping = await meta.dropping()
    if not dropping:
        return
    stored = {stored_partition(partition) for topic in dropping for partition in topic.partitions()}
    for name in files.sizes():
        parsed = parse_segment(name)
        if parsed is not None and parsed.stored in stored:
            files.unlink(name)
    files.sync_names()
    for topic in dropping:
        await meta.finish_drop(topic.name)
