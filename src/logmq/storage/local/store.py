"""`LogStore` on local files: the event loop's face of logs and journal.

One thread owns the logs: it takes what has come in meanwhile, makes one commit of it, and hands the results back to
the loop. Everything else that changes logs (creating, trimming, dropping) is a job on the same thread, between two
commits. Reads happen on the loop where the page cache has the bytes, in a few reading threads where it has not.

    loop            append -> waiting ─┐                        ┌─> futures, waiters
    commit thread                      └─> write, journal, sync ┘
    work threads    cold reads, checkpoints, syncs of spans
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from logmq.clock import Clock
from logmq.config import Config
from logmq.errors import DiskFull, LogMQError, Throttled, Unavailable, UnknownPartition, UnknownTopic
from logmq.limits import CHECKPOINT_COMMITS_MAX, COMMIT_SIZE_MAX, JOURNAL_FILE_COUNT_MAX, WORK_THREADS
from logmq.model import Bounds, TopicPartition
from logmq.storage.engine import ActiveProducer, Append, AppendResult, Chunk, LogSpec, LogStatistics
from logmq.storage.local import retention
from logmq.storage.local.commit import Call, Commits
from logmq.storage.local.files import Files, SyncFailed
from logmq.storage.local.index import Entry, IndexDamaged
from logmq.storage.local.journal import create_journal_file
from logmq.storage.local.log import Log, LogState, create_segment
from logmq.storage.local.recovery import Recovered, Report, recover
from logmq.storage.local.repair import is_damaged, repair_index

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class PendingCall(Call):
    """A call whose caller waits."""

    future: asyncio.Future[list[AppendResult]] = field(kw_only=True)
    size: int = 0


@dataclass(slots=True)
class Job:
    """Work for the commit thread between two commits."""

    function: Callable[[], Any]
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """What the store did since its start, and what waits now."""

    commits: int
    syncs: int
    inline_bytes: int
    span_bytes: int
    waiting_bytes: int
    open_files: int


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
    ) -> None:
        self.report: Report = recovered.report
        self._files = files
        self._opened = recovered.opened
        self._logs = recovered.logs
        self._journal = recovered.journal
        self._checkpointer = recovered.checkpointer
        self._commits = Commits(recovered.logs, recovered.journal, recovered.checkpointer, clock, executor)
        self._config = config
        self._clock = clock
        self._executor = executor
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._waiting: list[PendingCall | Job] = []
        self._waiting_bytes = 0
        self._room: asyncio.Future[None] | None = None
        self._waiters: dict[TopicPartition, list[tuple[int, asyncio.Future[None]]]] = {}
        self._maintenance = asyncio.Lock()
        self._checkpoint_task: asyncio.Task[None] | None = None
        self._checkpoint_due = clock.monotonic() + config.checkpoint_interval_ms / 1000
        self._retention_due = clock.monotonic()
        self._failure: LogMQError | None = None
        self._closed = False
        self._queue: SimpleQueue[list[PendingCall | Job] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="logmq-commit", daemon=True)
        self._thread.start()

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
        return cls(files, recover(files, specs, clock, executor), config, clock, executor, on_failure)

    # -- appending ---------------------------------------------------------------------------------------------------

    def append(self, appends: Sequence[Append], *, atomic: bool = False) -> asyncio.Future[list[AppendResult]]:
        """See `LogStore.append`."""
        future: asyncio.Future[list[AppendResult]] = self._loop.create_future()
        size = sum([len(append.data) for append in appends])
        refused = self._refusal()
        if refused is not None:
            future.set_result([refused] * len(appends))
            return future
        self._waiting_bytes += size
        self._submit(PendingCall(appends, atomic, future=future, size=size))
        return future

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

    def _submit(self, item: PendingCall | Job) -> None:
        """Hand over everything that this turn of the loop brings at once: it will be one commit."""
        if not self._waiting:
            self._loop.call_soon(self._hand_over)
        self._waiting.append(item)

    def _hand_over(self) -> None:
        self._queue.put(self._waiting)
        self._waiting = []

    async def _job(self, function: Callable[[], T]) -> T:
        """Run `function` on the commit thread. Raises: what it raises, Unavailable when the store has failed."""
        if self._failure is not None:
            raise self._failure
        future: asyncio.Future[T] = self._loop.create_future()
        self._submit(Job(function, future))
        return await future

    # -- the commit thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        mode = self._config.sync
        interval_s = None if mode.interval_ms is None else mode.interval_ms / 1000
        sync_due: float | None = None  # only under an interval: when what was written must be synced
        items: list[PendingCall | Job] = []
        try:
            while True:
                taken = self._take(sync_due)
                items = taken or []
                if taken is None:
                    return
                self._carry_out(items)
                if interval_s is not None:
                    sync_due = self._sync_in_time(interval_s, sync_due)
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._fail, error, items)

    def _take(self, due: float | None) -> list[PendingCall | Job] | None:
        """Everything that waits; an empty list when `due` came first; None to end the thread."""
        try:
            timeout = None if due is None else max(0.0, due - time.monotonic())
            items = self._queue.get(timeout=timeout)
            while items is not None and not self._queue.empty():
                more = self._queue.get()
                if more is None:
                    self._queue.put(None)
                    break
                items += more
        except Empty:
            return []
        return items

    def _carry_out(self, items: list[PendingCall | Job]) -> None:
        calls: list[PendingCall] = []
        size = 0
        for item in items:
            alone = isinstance(item, Job) or item.atomic
            if calls and (alone or size >= COMMIT_SIZE_MAX):
                self._commit(calls)
                calls, size = [], 0
            if isinstance(item, Job):
                self._do(item)
            else:
                calls.append(item)
                size += item.size
                if alone:
                    self._commit(calls)
                    calls, size = [], 0
        if calls:
            self._commit(calls)

    def _commit(self, calls: list[PendingCall]) -> None:
        self._commits.write(calls)
        if self._config.sync.name == "always":
            self._commits.sync()
        elif self._config.sync.name == "never":
            self._commits.publish()
        self._loop.call_soon_threadsafe(self._complete, calls)

    def _sync_in_time(self, interval_s: float, due: float | None) -> float | None:
        """Sync when it is due; returns when the next sync is, None while nothing is unsynced."""
        if self._journal.synced == self._journal.commit:
            return None
        now = time.monotonic()
        if due is None:
            return now + interval_s
        if now < due:
            return due
        self._commits.sync()
        self._loop.call_soon_threadsafe(self._wake_all)
        return None

    def _do(self, job: Job) -> None:
        try:
            result = job.function()
        except SyncFailed:
            raise
        except Exception as error:
            self._loop.call_soon_threadsafe(_set_exception, job.future, error)
        else:
            self._loop.call_soon_threadsafe(_set_result, job.future, result)

    # -- back on the loop --------------------------------------------------------------------------------------------

    def _complete(self, calls: list[PendingCall]) -> None:
        for call in calls:
            self._waiting_bytes -= call.size
            if not call.future.done():
                call.future.set_result(call.results)
        if self._waiters:
            for partition in {append.partition for call in calls for append in call.appends}:
                self._wake(partition)
        if self._room is not None and self._waiting_bytes < self._config.append_queue_size_bytes:
            room, self._room = self._room, None
            _set_result(room, None)
        if self._journal.retired or self._journal.commit - self._checkpointer.last_commit > CHECKPOINT_COMMITS_MAX:
            self._begin_checkpoint()

    def _wake(self, partition: TopicPartition) -> None:
        log = self._logs.get(partition)
        waiters = self._waiters.pop(partition, [])
        for offset, future in waiters:
            if log is None:
                _set_exception(future, UnknownPartition(partition.topic, partition.index, 0))
            elif log.committed.offset > offset:
                _set_result(future, None)
            elif not future.done():
                self._waiters.setdefault(partition, []).append((offset, future))

    def _wake_all(self) -> None:
        for partition in list(self._waiters):
            self._wake(partition)

    def _fail(self, error: BaseException, items: list[PendingCall | Job]) -> None:
        """The commit thread has ended: nobody gets an acknowledgement from here on."""
        self._failure = Unavailable(f"the broker has stopped taking messages: {error}")
        while not self._queue.empty():
            items = items + (self._queue.get() or [])
        for item in [*items, *self._waiting]:
            if isinstance(item, Job):
                _set_exception(item.future, self._failure)
            elif not item.future.done():
                item.future.set_result([self._failure] * len(item.appends))
        self._waiting = []
        for waiters in self._waiters.values():
            for _, future in waiters:
                _set_exception(future, self._failure)
        self._waiters.clear()
        if self._room is not None:
            _set_result(self._room, None)
        self._on_failure(error)

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
            return self._find(partition).read(offset, size_max, may_wait=False)
        except (IndexDamaged, OSError):
            return None  # `read` deals with it

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

    async def wait(self, partition: TopicPartition, offset: int, timeout_s: float | None) -> bool:
        """See `LogStore.wait`."""
        if self._find(partition).committed.offset > offset:
            return True
        if self._failure is not None:
            raise self._failure
        future: asyncio.Future[None] = self._loop.create_future()
        entry = (offset, future)
        self._waiters.setdefault(partition, []).append(entry)
        try:
            await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            return False
        finally:
            self._forget_waiter(partition, entry)
        return True

    def _forget_waiter(self, partition: TopicPartition, entry: tuple[int, asyncio.Future[None]]) -> None:
        waiters = self._waiters.get(partition)
        if waiters is not None:
            with suppress(ValueError):
                waiters.remove(entry)
            if not waiters:
                del self._waiters[partition]

    def bounds(self, partition: TopicPartition) -> Bounds:
        """See `LogStore.bounds`."""
        return self._find(partition).bounds()

    def statistics(self, partition: TopicPartition) -> LogStatistics:
        """See `LogStore.statistics`."""
        log = self._find(partition)
        return LogStatistics(log.size(), len(log.segments), log.last_append_ms or None)

    def store_statistics(self) -> StoreStatistics:
        """What the store did and what waits."""
        done = self._commits.statistics
        return StoreStatistics(
            done.commits, done.syncs, done.inline_bytes, done.span_bytes, self._waiting_bytes, len(self._opened)
        )

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
                segment = create_segment(self._files, self._opened, spec, 0)
                log = Log(self._files, self._opened, spec, LogState((segment,), 0, segment.origin()))
                created.append(log)
                if segment.file.size():  # a file of that name that no topic had: never append to it
                    raise FileExistsError(17, f"{segment.name} is in the way: move it out of the data directory")
        except OSError as error:
            for log in created:
                if not log.segments[0].file.size():
                    self._delete(log)
            raise DiskFull(f"the topic's files cannot be created: {error.strerror}") from error
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
        try:
            journal.free.append(
                await self._loop.run_in_executor(self._executor, create_journal_file, self._files, number, size)
            )
        except OSError as error:
            _log.warning("no room for another journal file", extra={"reason": error.strerror})

    async def _expire(self) -> None:
        now_ms = self._clock.now_ms()
        for partition, log in list(self._logs.items()):
            if log.spec.settings.retention_ms is None and log.spec.settings.retention_bytes is None:
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
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        self._executor.shutdown()
        for waiters in list(self._waiters.values()):
            for _, future in waiters:
                _set_exception(future, Unavailable("the broker is stopping"))

    def _last_checkpoint(self) -> None:
        self._commits.sync()
        if self._checkpointer.due:
            try:
                self._checkpointer.run()
            except OSError as error:
                _log.warning("no checkpoint at the stop", extra={"reason": error.strerror})


def _set_result(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _set_exception(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
