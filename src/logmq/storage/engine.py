"""THE storage contract: what the broker asks of any engine, be it local files or an object store.

Two interfaces: `LogStore` keeps the records of partitions, `Meta` keeps the names and settings of topics. Every
engine passes the same suite (`tests/contract`).

All methods are called on the event loop's thread. Offsets count as the partition's format says (bytes in `plain`,
records in `batch`); ranges are `[start, end)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from logmq.errors import LogMQError
from logmq.metrics import StorageMetrics
from logmq.model import Bounds, Format, Octets, SettingValue, Topic, TopicPartition, TopicSettings


class ProducerBatch(NamedTuple):
    """What an idempotent producer says of a batch: who it is, and where the batch stands in its sequence."""

    producer_id: int
    epoch: int
    base_sequence: int
    record_count: int


@dataclass(slots=True)
class Append:
    """Whole records for one partition, encoded in its format.

    `starts` are the positions in `data` at which a frame (or batch) starts, ascending, the first one 0: a `range`
    where all are equally long. `offsets` are the offsets of these records relative to the first one (in `plain` the
    same object as `starts`), and `offset_count` says by how much the append moves the log end offset.

    Whoever hands in `data` gives it up until the result is there: the offsets of batches are written into it if it is a
    view that can be written to.
    """

    partition: TopicPartition
    data: Octets
    starts: Sequence[int]
    offsets: Sequence[int]
    offset_count: int
    timestamp_ms: int | None = None
    """The latest of its records' own times; None where they have none but the time of the commit."""
    producer: ProducerBatch | None = None
    """Of an idempotent producer's append, which is a single batch: one that was stored already is answered with the
    offsets that it got then."""


class Appended(NamedTuple):
    """Where an append went: its records have the offsets `[first_offset, next_offset)`."""

    first_offset: int
    next_offset: int
    timestamp_ms: int


AppendResult = Appended | LogMQError
"""What became of one append. The errors: DiskFull, NotLeader, Throttled (nothing stored), UnknownPartition
(dropped meanwhile), OutOfOrderSequence, ProducerFenced, Unavailable (outcome unknown)."""


class Appending(Protocol):
    """Appends under way: awaitable, for the list of their results. Its errors are results, it never raises.

    Like an asyncio.Future, but its callbacks are called in the very turn of the loop in which the results are there:
    a turn more for each of thousands of small appends costs more than the append.
    """

    def done(self) -> bool:
        """Whether the results are there."""
        ...

    def result(self) -> list[AppendResult]:
        """The results, one an append, once they are there."""
        ...

    def add_done_callback(self, callback: Callable[[Any], object], /) -> None:
        """Call `callback(self)` when the results are there."""
        ...

    def __await__(self) -> Generator[Any, None, list[AppendResult]]: ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """Committed bytes of one partition: whole frames or batches, beginning with the one that holds `first_offset`.

    Empty `data` means that the offset asked for is at or beyond the high watermark.
    """

    first_offset: int
    next_offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class LogSpec:
    """What an engine must know of a partition to keep its log."""

    partition: TopicPartition
    log_id: int
    format: Format
    settings: TopicSettings


@dataclass(frozen=True, slots=True)
class LogStatistics:
    """The size of one partition's log: bytes and segments that are kept, and when it was last written."""

    size_bytes: int
    segment_count: int
    last_append_ms: int | None


class ActiveProducer(NamedTuple):
    """An idempotent producer as a partition remembers it."""

    producer_id: int
    epoch: int
    last_sequence: int
    last_timestamp_ms: int


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """What a store holds now. Sizes are in bytes; a size of -1 is not known."""

    waiting_bytes: int
    """Of appends that are not committed yet, `waiting_calls` of them."""
    waiting_calls: int
    log_size: int
    """Of all logs."""
    open_file_count: int
    journal_file_count: int
    journal_size: int
    disk_free_size: int
    disk_size: int


@dataclass(frozen=True, slots=True)
class RecoveryStatistics:
    """What the store found when it was opened, and how long that took."""

    seconds: float
    replayed_commits: int
    """Commits that were read back from the journal."""
    undone_commits: int
    """Commits that were never acknowledged, and are gone."""
    missing_commits: int
    """Commits that were acknowledged and cannot be read from the journal any more."""
    cut_bytes: int
    """Bytes at the ends of logs that were never acknowledged."""
    damaged_ranges: int
    """Ranges of offsets that can no longer be served."""
    repaired_indexes: int

    @property
    def clean(self) -> bool:
        """Whether there was nothing to do."""
        return not any(
            (
                self.replayed_commits,
                self.undone_commits,
                self.missing_commits,
                self.cut_bytes,
                self.damaged_ranges,
                self.repaired_indexes,
            )
        )


class LogStore(Protocol):
    """Partitions as durable, ordered logs."""

    metrics: StorageMetrics
    """What it has done since it was opened."""
    recovery: RecoveryStatistics
    """How it was opened."""

    @property
    def failure(self) -> LogMQError | None:
        """Why nothing can be appended any more until the broker is started anew; None while all is well."""
        ...

    def store_statistics(self) -> StoreStatistics:
        """What it holds now, and what waits."""
        ...

    def append(self, appends: Sequence[Append], *, atomic: bool = False, at_once: bool = False) -> Appending:
        """Append to one or more partitions; awaited it gives one result an append, in the same order.

        Durability: an `Appended` is there only when the bytes are committed as the engine's sync mode promises.
        All appends of a call belong to one commit: after a crash all are there or none. With `atomic` an error for
        one undoes all. `at_once` says that the caller has gathered what this turn of the loop brings, so that nothing
        is won by waiting for more.
        Ordering: appends to a partition are stored in call order, and calls complete in call order.
        """
        ...

    def room(self) -> asyncio.Future[None] | None:
        """None while appends are welcome; else a future that is done when there is room for more.

        Appends without room are taken for a while, then answered with Throttled.
        """
        ...

    def read_nowait(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk | None:
        """`read`, but `None` when answering might have to wait for a disk or a network.

        Raises: as `read`.
        """
        ...

    async def read(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk:
        """Read committed records from the first one at or after `offset`.

        Returns at least one whole frame or batch, even if that is larger than `size_max`, and otherwise about
        `size_max` bytes at most; an empty chunk at or beyond the high watermark.

        Raises:
            OffsetOutOfRange: `offset` lies before the log start offset.
            Damaged: the record there no longer matches its checksum.
            UnknownTopic, UnknownPartition: no such partition here.
        """
        ...

    async def wait_any(self, offsets: Mapping[TopicPartition, int], timeout_s: float | None) -> bool:
        """Wait until the high watermark of any of these partitions is beyond its offset; False when `timeout_s` ran
        out first. A thousand partitions cost little more than one: consumers wait for that many at a time.

        Raises:
            UnknownTopic, UnknownPartition: one of them is not here, or was dropped while waiting.
            Unavailable: the store stopped.
        """
        ...

    def bounds(self, partition: TopicPartition) -> Bounds:
        """Where the partition begins and ends now.

        Raises:
            UnknownTopic, UnknownPartition: no such partition here.
        """
        ...

    def statistics(self, partition: TopicPartition) -> LogStatistics:
        """How large the partition is now. Raises: as `bounds`."""
        ...

    async def find_timestamp(self, partition: TopicPartition, timestamp_ms: int) -> int:
        """The offset from which on everything was committed at or after `timestamp_ms`, to the precision of an
        index entry (earlier rather than later); the high watermark when there is nothing as late. Raises: as `bounds`.
        """
        ...

    async def producers(self, partition: TopicPartition) -> list[ActiveProducer]:
        """The idempotent producers that the partition remembers. Raises: as `bounds`, Unavailable."""
        ...

    async def trim(self, partition: TopicPartition, offset: int) -> int:
        """Forget the records before `offset` (capped at the high watermark); returns the new log start offset.

        Durability: when it returns they will never be served again. Their bytes go segment by segment.
        """
        ...

    async def create(self, specs: Iterable[LogSpec]) -> None:
        """Create empty logs. Durability: their files and names survive a power cut when it returns.

        Raises:
            RetriableError: the reason says what they lack (DiskFull, Throttled without file descriptors) or what is in
                their way; none of them exists.
        """
        ...

    async def configure(self, specs: Iterable[LogSpec]) -> None:
        """Take over changed settings of logs that exist."""
        ...

    async def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """Delete logs with all that belongs to them; waiters get UnknownPartition.

        Durability: when it returns the files are gone for good.
        """
        ...

    async def maintain(self) -> None:
        """Do what is due in the background: retention, checkpoints, forgetting producers that are long silent."""
        ...

    def leads(self, partition: TopicPartition) -> bool:
        """Whether this process may append to the partition."""
        ...

    async def close(self) -> None:
        """Commit what waits, write a checkpoint and release everything; appends after this get Unavailable."""
        ...


class Meta(Protocol):
    """Names and settings of topics, and what else must be known before any log can be opened.

    Durability: each call is durable when it returns.
    """

    async def topics(self) -> list[Topic]:
        """All topics, ordered by name, without those being dropped."""
        ...

    async def create_topic(
        self, name: str, format: Format, partition_count: int, overrides: Mapping[str, SettingValue]
    ) -> Topic:
        """Enter a topic, with log ids that were never used before.

        Raises:
            TopicExists: it is there already, or not yet wholly dropped.
        """
        ...

    async def add_partitions(self, name: str, partition_count: int) -> Topic:
        """Let the topic have `partition_count` partitions, no fewer than now. Raises: UnknownTopic."""
        ...

    async def alter_topic(self, name: str, overrides: Mapping[str, SettingValue]) -> Topic:
        """Replace what was set for a topic. Raises: UnknownTopic."""
        ...

    async def begin_drop(self, name: str) -> Topic:
        """Mark a topic as being dropped: it is gone for clients, its files may be there still. Raises: UnknownTopic."""
        ...

    async def finish_drop(self, name: str) -> None:
        """Forget a topic that was being dropped."""
        ...

    async def dropping(self) -> list[Topic]:
        """Topics whose drop began and was not finished (a crash came between)."""
        ...

    async def take_producer_ids(self, count: int) -> int:
        """Set `count` consecutive producer ids aside, never given out before, and return the first."""
        ...

    async def cluster_id(self) -> str:
        """What names this broker or cluster for good: 22 characters, made when the store was."""
        ...

    async def close(self) -> None:
        """Release the store."""
        ...
