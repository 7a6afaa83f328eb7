"""`LogStore` on local files: the event loop's face of logs and journal.

What has come in meanwhile becomes one commit (committer.py). Everything else that changes logs (creating, trimming,
dropping) is a job on the commit thread, between two commits. Reads happen on the loop where the page cache has the
bytes, in a few work threads where it has not.

    loop            append -> waiting ─┐                        ┌─> futures, waiters
    commit thread                      └─> write, journal, sync ┘
    work threads    cold reads, checkpoints, syncs of spans
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from logmq.clock import Clock
from logmq.config import Config
from logmq.errors import LogMQError, RetriableError, Throttled, Unavailable, UnknownPartition, UnknownTopic
from logmq.limits import CHECKPOINT_COMMITS_MAX, JOURNAL_FILE_COUNT_MAX, WORK_THREADS
from logmq.model import Bounds, TopicPartition
from logmq.storage.calls import PendingCall
from logmq.storage.engine import (
    ActiveProducer,
    Append,
    Chunk,
    LogSpec,
    LogStatistics,
    RecoveryStatistics,
    StoreStatistics,
)
from logmq.storage.local import retention
from logmq.storage.local.commit import Commits
from logmq.storage.local.committer import Committer, Item, fail
from logmq.storage.local.files import Files, SyncFailed
from logmq.storage.local.index import Entry, IndexDamaged
from logmq.storage.local.journal import create_journal_file
from logmq.storage.local.log import Log, LogState, create_segment
from logmq.storage.local.recovery import Recovered, Report, recover
from logmq.storage.local.refusal import refusal_of
from logmq.storage.local.repair import is_damaged, repair_index
from logmq.storage.waiters import Waiters, settle

T = TypeVar("T")

_log = logging.getLogger(__name__)


class LocalStore:
    """Logs in one directory. Made by `open`, inside a running event loop."""

    def __init__(
        self,
        files: Files,
        recovered: Recovered,
        config: Config,
        clock: Clock,
        executor: ThreadPoolExecutor,
        on_failure: Callable[[BaseException], None],
        recovery_s: float = 0.0,
    ) -> None:
        self.report: Report = recovered.report
        self.recovery = _recovery_statistics(recovered.report, recovery_s)
        self._files = files
        self._opened = recovered.opened
        self._logs = recovered.logs
        self._journal = recovered.journal
        self._checkpointer = recovered.checkpointer
        self._commits = Commits(recovered.logs, recovered.journal, recovered.checkpointer, clock, executor)
        self.metrics = self._commits.metrics
        self._config = config
        self._clock = clock
        self._executor = executor
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._waiting_bytes = 0
        self._waiting_calls = 0
        self._room: asyncio.Future[None] | None = None
        self._waiters = Waiters()
        self._maintenance = asyncio.Lock()
        self._checkpoint_task: asyncio.Task[None] | None = None
        self._checkpoint_due = clock.monotonic() + config.checkpoint_interval_ms / 1000
        self._retention_due = clock.monotonic()
        self._failure: LogMQError | None = None
        self._closed = False
        self._committer = Committer(self._commits, config.sync, self)

    @classmethod
    def open(
        cls,
        files: Files,
        specs: Iterable[LogSpec],
        config: Config,
        clock: Clock,
        on_failure: Callable[[BaseException], None],
    ) -> LocalStore:
        """Recover the directory and start the commit thread. Blocks while it recovers.

        `on_failure` is called on the loop when a sync failed: nothing can be acknowledged any more, the process
        should stop.

        Raises: SyncFailed, OSError.
        """
        executor = ThreadPoolExecutor(WORK_THREADS, thread_name_prefix="logmq-work")
        began = clock.monotonic()
        recovered = recover(files, specs, clock, executor)
        return cls(files, recovered, config, clock, executor, on_failure, clock.monotonic() - began)

    # -- appending ---------------------------------------------------------------------------------------------------

    def append(self, appends: Sequence[Append], *, atomic: bool = False, at_once: bool = False) -> PendingCall:
        """See `LogStore.append`."""
        size = sum([len(append.data) for append in appends]) if len(appends) > 1 else len(appends[0].data)
        call = PendingCall(appends, size, atomic=atomic)
        refused = self._refusal()
        if refused is None:
            self._waiting_bytes += size
            self._waiting_calls += 1
            self._committer.submit(call, at_once=at_once)
        else:
            call.complete([refused] * len(appends))
        return call

    def _refusal(self) -> LogMQError | None:
        if self._failure is not None:
            return self._failure
        if self._closed:
            return Unavailable("the broker is stopping")
        if self._waiting_bytes >= 2 * self._config.append_queue_size_bytes:
            return Throttled("too many bytes wait for the disk (append_queue_size_bytes)")
        return None

    def room(self) -> asyncio.Future[None] | None:
        """See `LogStore.room`."""
        if self._waiting_bytes < self._config.append_queue_size_bytes:
            return None
        if self._room is None:
            self._room = self._loop.create_future()
        return self._room

    async def _job(self, function: Callable[[], T]) -> T:
        """Run `function` on the commit thread. Raises: what it raises, Unavailable when the store has failed."""
        if self._failure is not None:
            raise self._failure
        return await self._committer.job(function)

    # -- called by the committer, on the loop ------------------------------------------------------------------------

    def committed(self, calls: list[PendingCall]) -> None:
        """See `Owner.committed`."""
        self._waiting_calls -= len(calls)
        for call in calls:
            self._waiting_bytes -= call.size
            call.complete(call.results)
        if self._waiters:
            for partition in {append.partition for call in calls for append in call.appends}:
                self._wake(partition)
        if self._room is not None and self._waiting_bytes < self._config.append_queue_size_bytes:
            room, self._room = self._room, None
            settle(room, None, None)
        if self._journal.retired or self._journal.commit - self._checkpointer.last_commit > CHECKPOINT_COMMITS_MAX:
            self._begin_checkpoint()

    def synced(self) -> None:
        """See `Owner.synced`."""
        for partition in self._waiters:
            self._wake(partition)

    def failed(self, error: BaseException, items: list[Item]) -> None:
        """See `Owner.failed`: nobody gets an acknowledgement from here on."""
        first = self._failure is None
        self._failure = self._failure or Unavailable(f"the broker has stopped taking messages: {error}")
        for item in items:
            fail(item, self._failure)
        for partition in self._waiters:
            self._waiters.fail(partition, self._failure)
        if self._room is not None:
            settle(self._room, None, None)
        if first:
            self._on_failure(error)

    def _wake(self, partition: TopicPartition) -> None:
        log = self._logs.get(partition)
        if log is None:
            self._waiters.fail(partition, UnknownPartition(partition.topic, partition.index, 0))
        else:
            self._waiters.wake(partition, log.committed.offset)

    # -- reading -----------------------------------------------------------------------------------------------------

    def _find(self, partition: TopicPartition) -> Log:
        log = self._logs.get(partition)
        if log is None:
            if TopicPartition(partition.topic, 0) not in self._logs:
                raise UnknownTopic(partition.topic)
            count = sum(1 for other in self._logs if other.topic == partition.topic)
            raise UnknownPartition(partition.topic, partition.index, count)
        return log

    def read_nowait(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk | None:
        """See `LogStore.read_nowait`."""
        try:
            chunk = self._find(partition).read(offset, size_max, may_wait=False)
        except (IndexDamaged, OSError):
            return None  # `read` deals with it
        if chunk is not None:
            self.metrics.reads += 1
            self.metrics.read_bytes += len(chunk.data)
        return chunk

    async def read(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk:
        """See `LogStore.read`."""
        log = self._find(partition)
        try:
            return await self._read_in_thread(log, offset, size_max)
        except FileNotFoundError:  # the segment was deleted between look-up and read
            return await self._read_in_thread(self._find(partition), offset, size_max)
        except IndexDamaged as error:
            _log.warning("repairing an index", extra={"partition": str(partition), "reason": str(error)})
            await self._repair(log)
            return await self._read_in_thread(log, offset, size_max)

    async def _read_in_thread(self, log: Log, offset: int, size_max: int) -> Chunk:
        try:
            chunk = await self._loop.run_in_executor(self._executor, lambda: log.read(offset, size_max, may_wait=True))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unavailable(f"reading {log.spec.partition} failed: {error.strerror}") from error
        assert chunk is not None
        self.metrics.reads += 1
        self.metrics.cold_reads += 1
        self.metrics.read_bytes += len(chunk.data)
        return chunk

    async def _repair(self, log: Log) -> None:
        def repair() -> None:
            self._commits.sync()
            log.tail.close(log.last_append_ms)
            log.publish()
            for number, segment in enumerate(log.segments):
                last = number == len(log.segments) - 1
                end_offset = log.tail.offset if last else log.segments[number + 1].base_offset
                if is_damaged(segment, end_offset):
                    size = log.tail.position if last else segment.file.size()
                    repair_index(segment, log.codec, Entry(end_offset, size, log.last_append_ms, 0))
                    log.dirty.setdefault(segment, segment.file)

        async with self._maintenance:
            await self._job(repair)

    async def wait_any(self, offsets: Mapping[TopicPartition, int], timeout_s: float | None) -> bool:
        """See `LogStore.wait_any`."""
        if any(self._find(partition).committed.offset > offset for partition, offset in offsets.items()):
            return True
        if self._failure is not None:
            raise self._failure
        return await self._waiters.wait_any(offsets, timeout_s)

    def bounds(self, partition: TopicPartition) -> Bounds:
        """See `LogStore.bounds`."""
        return self._find(partition).bounds()

    def statistics(self, partition: TopicPartition) -> LogStatistics:
        """See `LogStore.statistics`."""
        log = self._find(partition)
        return LogStatistics(log.size(), len(log.segments), log.last_append_ms or None)

    def store_statistics(self) -> StoreStatistics:
        """See `LogStore.store_statistics`."""
        return StoreStatistics(
            waiting_bytes=self._waiting_bytes,
            waiting_calls=self._waiting_calls,
            log_size=sum([log.size() for log in list(self._logs.values())]),
            open_file_count=len(self._opened),
            journal_file_count=self._journal.file_count,
            journal_size=self._journal.size,
            disk_free_size=self._files.free_size(),
            disk_size=self._files.disk_size(),
        )

    @property
    def failure(self) -> LogMQError | None:
        """See `LogStore.failure`."""
        return self._failure

    async def find_timestamp(self, partition: TopicPartition, timestamp_ms: int) -> int:
        """See `LogStore.find_timestamp`."""
        return await self._loop.run_in_executor(self._executor, self._find(partition).find_timestamp, timestamp_ms)

    def leads(self, partition: TopicPartition) -> bool:
        """See `LogStore.leads`: one process leads all it has."""
        return partition in self._logs

    # -- creating, trimming, dropping ----------------------------------------------------------------------------------

    async def create(self, specs: Iterable[LogSpec]) -> None:
        """See `LogStore.create`."""
        wanted = list(specs)
        await self._job(lambda: self._create(wanted))

    def _create(self, specs: list[LogSpec]) -> None:
        created: list[Log] = []
        try:
            for spec in specs:
                segment = create_segment(self._opened, spec, 0)
                log = Log(self._files, self._opened, spec, LogState((segment,), 0, segment.origin()))
                created.append(log)
                if segment.file.size():  # a file of that name that no topic had: never append to it
                    reason = f"{segment.name} is in the way: move it out of the data directory"
                    raise FileExistsError(errno.EEXIST, reason)
        except OSError as error:
            for log in created:
                if not log.segments[0].file.size():
                    self._delete(log)
            reason = f"the topic's files cannot be created: {error.strerror}"
            raise refusal_of(error) or RetriableError(reason) from error
        self._files.sync_names()
        self._logs.update({log.spec.partition: log for log in created})

    async def configure(self, specs: Iterable[LogSpec]) -> None:
        """See `LogStore.configure`."""
        for spec in specs:
            self._find(spec.partition).spec = spec

    async def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """See `LogStore.drop`."""
        logs = [self._find(partition) for partition in partitions]

        def drop() -> None:
            for log in logs:
                self._logs.pop(log.spec.partition, None)
                log.dirty.clear()
                self._delete(log)
            self._files.sync_names()

        async with self._maintenance:
            await self._job(drop)
        for log in logs:
            self._wake(log.spec.partition)

    def _delete(self, log: Log) -> None:
        for segment in log.segments:
            for name in (segment.name, segment.index.name):
                self._opened.forget(name)
                self._files.unlink(name)

    async def producers(self, partition: TopicPartition) -> list[ActiveProducer]:
        """See `LogStore.producers`."""
        log = self._find(partition)
        return await self._job(log.producers.active)

    async def trim(self, partition: TopicPartition, offset: int) -> int:
        """See `LogStore.trim`."""
        log = self._find(partition)
        async with self._maintenance:
            await self._job(lambda: self._trim(log, min(offset, log.committed.offset)))
        return log.log_start_offset

    def _trim(self, log: Log, offset: int) -> None:
        if offset <= log.log_start_offset:
            return
        self._commits.trim(log, offset)
        self._commits.sync()
        gone = log.trim(offset)
        for segment in gone:
            for name in (segment.name, segment.index.name):
                self._opened.forget(name)
                self._files.unlink(name)
        if gone:
            self._files.sync_names()

    # -- in the background -------------------------------------------------------------------------------------------

    async def maintain(self) -> None:
        """See `LogStore.maintain`: call it every second or so."""
        if self._failure is not None or self._closed:
            return
        now = self._clock.monotonic()
        if now >= self._checkpoint_due and self._checkpointer.due:
            self._begin_checkpoint()
        if now >= self._retention_due:
            self._retention_due = now + self._config.retention_check_interval_ms / 1000
            await self._expire()
            await self._forget_producers()
        if not self._journal.free and self._journal.used_size > self._journal.active_size // 2:
            self._begin_checkpoint()

    def _begin_checkpoint(self) -> None:
        if self._checkpoint_task is None and not self._closed and self._failure is None:
            self._checkpoint_task = self._loop.create_task(self._checkpoint())

    async def _checkpoint(self) -> None:
        try:
            async with self._maintenance:
                await self._spare_journal_file()
                plan = await self._job(self._begin_plan)
                await self._loop.run_in_executor(self._executor, self._checkpointer.write, plan)
                await self._job(lambda: self._checkpointer.finish(plan))
            self.metrics.checkpoints += 1
        except OSError as error:
            _log.warning("a checkpoint could not be written", extra={"reason": error.strerror})
        except Unavailable:
            pass  # the store has failed meanwhile and has said so
        finally:
            self._checkpoint_due = self._clock.monotonic() + self._config.checkpoint_interval_ms / 1000
            self._checkpoint_task = None

    def _begin_plan(self) -> Any:
        self._commits.sync()
        return self._checkpointer.begin()

    async def _spare_journal_file(self) -> None:
        """Have a free journal file ready before the one in use is full."""
        journal = self._journal
        if journal.free or journal.file_count >= JOURNAL_FILE_COUNT_MAX:
            return
        number, size = journal.next_number, self._config.journal_file_size_bytes
        if self._files.free_size() < 2 * size:
            return  # what is left is for messages: the file in use can be begun anew after a checkpoint
        try:
            journal.free.append(
                await self._loop.run_in_executor(self._executor, create_journal_file, self._files, number, size)
            )
        except OSError as error:
            _log.warning("no room for another journal file", extra={"reason": error.strerror})
        except SyncFailed as error:
            failure = error

            def stop() -> None:
                raise failure

            await self._job(stop)  # where a failed sync ends everything

    async def _expire(self) -> None:
        now_ms = self._clock.now_ms()
        for partition, log in list(self._logs.items()):
            if not log.spec.settings.has_retention:
                continue
            try:
                async with self._maintenance:
                    start = await self._job(lambda log=log: self._expire_log(log, now_ms))  # type: ignore[misc]
            except (OSError, IndexDamaged) as error:
                _log.warning("retention skipped a log", extra={"partition": str(partition), "reason": str(error)})
            else:
                if start is not None:
                    _log.info("retention", extra={"partition": str(partition), "log_start_offset": start})

    async def _forget_producers(self) -> None:
        """What was known of a producer is kept for as long as it may come back: each costs some 500 bytes."""
        before_ms = self._clock.now_ms() - self._config.producer_id_expiration_ms
        logs = [log for log in self._logs.values() if len(log.producers)]

        def forget() -> None:
            for log in logs:
                log.producers.expire(before_ms)

        if logs:
            await self._job(forget)

    def _expire_log(self, log: Log, now_ms: int) -> int | None:
        """Delete what is expired; returns the new log start offset if there is one."""
        if retention.is_last_expired(log, now_ms):
            self._commits.sync()
            log.roll(log.last_append_ms)
            log.publish()
        start = retention.first_kept_offset(log, now_ms)
        if start <= log.log_start_offset:
            return None
        self._trim(log, start)
        return start

    async def close(self) -> None:
        """See `LogStore.close`."""
        if self._closed:
            return
        self._closed = True
        if self._checkpoint_task is not None:
            await asyncio.wait([self._checkpoint_task])
        if self._failure is None:
            with suppress(Unavailable):
                await self._job(self._last_checkpoint)
        await self._committer.close()
        self._executor.shutdown()
        for partition in self._waiters:
            self._waiters.fail(partition, Unavailable("the broker is stopping"))

    def _last_checkpoint(self) -> None:
        self._commits.sync()
        if self._checkpointer.due:
            try:
                self._checkpointer.run()
            except OSError as error:
                _log.warning("no checkpoint at the stop", extra={"reason": error.strerror})


def _recovery_statistics(report: Report, seconds: float) -> RecoveryStatistics:
    return RecoveryStatistics(
        seconds=seconds,
        replayed_commits=report.replayed_commits,
        undone_commits=report.undone_commits,
        missing_commits=len(report.missing_commits),
        cut_bytes=sum(report.cut_bytes.values()),
        damaged_ranges=len(report.damaged),
        repaired_indexes=len(report.repaired_indexes),
    )
