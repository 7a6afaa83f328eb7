"""Who carries out commits: a thread of its own as a rule, the loop itself for small ones.

Handing a commit to a thread and its results back costs two switches, more than the sync of a good disk. So a commit
is carried out on the loop if the thread has nothing to do, the commit is small, and commits have been quick of late: a
stalling disk must not stall everybody. While the thread is at work everything goes to it, so that the order is kept;
and while it waits for the disk the loop goes on receiving what will be the next commit.

Everything else that changes logs is a job on the thread, between two commits.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from logmq.config import SyncMode
from logmq.errors import LogMQError, Unavailable
from logmq.limits import COMMIT_SIZE_MAX, LOOP_COMMIT_CALLS_MAX, LOOP_COMMIT_SIZE_MAX
from logmq.storage.calls import PendingCall
from logmq.storage.local.commit import Commits
from logmq.storage.local.files import SyncFailed
from logmq.storage.waiters import settle

T = TypeVar("T")

_log = logging.getLogger(__name__)

QUICK_COMMIT_S = 0.001
"""Commits that take longer on average go to the thread."""
_WEIGHT = 0.1
"""Of the last commit in the average: after one that took 100 ms some 20 quick ones lead back to the loop."""


@dataclass(slots=True)
class Job:
    """Work for the commit thread between two commits."""

    function: Callable[[], Any]
    future: asyncio.Future[Any]


Item = PendingCall | Job


class Owner(Protocol):
    """Whom the committer tells, always on the loop."""

    def committed(self, calls: list[PendingCall]) -> None:
        """These calls have their results, and under `always` and `never` readers see what they wrote."""
        ...

    def synced(self) -> None:
        """Under an interval: what was written is durable and visible."""
        ...

    def failed(self, error: BaseException, items: list[Item]) -> None:
        """Nothing will be committed any more. `items` are those whose outcome is unknown, and those behind them."""
        ...


class Committer:
    """Takes calls and jobs on the loop and carries them out in their order."""

    def __init__(self, commits: Commits, sync: SyncMode, owner: Owner) -> None:
        self._commits = commits
        self._sync = sync
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Item] = []
        self._given = 0
        """Lists of items that the thread has and has not finished."""
        self._average_s = 0.0
        """How long commits take, whoever carries them out."""
        self._ended = False
        self._queue: SimpleQueue[list[Item] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="logmq-commit", daemon=True)
        self._thread.start()

    def submit(self, item: Item, *, at_once: bool = False) -> None:
        """Take an item. All that one turn of the loop brings is carried out together, unless it is to be `at_once`."""
        self._waiting.append(item)
        if at_once:
            self._hand_over()
        elif len(self._waiting) == 1:
            self._loop.call_soon(self._hand_over)

    async def job(self, function: Callable[[], T]) -> T:
        """Run `function` on the commit thread, between commits. Raises: what it raises."""
        future: asyncio.Future[T] = self._loop.create_future()
        self.submit(Job(function, future))
        return await future

    async def close(self) -> None:
        """End the thread when all that was submitted is carried out."""
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    # -- on the loop -------------------------------------------------------------------------------------------------

    def _hand_over(self) -> None:
        items, self._waiting = self._waiting, []
        if not items:
            return
        if self._ended:
            self._owner.failed(Unavailable("the broker has stopped taking messages"), items)
        elif self._may_commit_here(items):
            self._commit_here(items)  # type: ignore[arg-type]
        else:
            self._given += 1
            self._queue.put(items)

    def _may_commit_here(self, items: list[Item]) -> bool:
        if self._given or len(items) > LOOP_COMMIT_CALLS_MAX or self._sync.interval_ms is not None:
            return False
        size = 0
        for item in items:
            if type(item) is not PendingCall or item.atomic:
                return False
            size += item.size
        quick = self._average_s < QUICK_COMMIT_S and self._commits.is_quick(len(items), size)
        return quick and size <= LOOP_COMMIT_SIZE_MAX

    def _commit_here(self, calls: list[PendingCall]) -> None:
        try:
            self._commit(calls)
        except BaseException as error:
            self._end(error, list(calls))
        else:
            self._owner.committed(calls)

    def _returned(self) -> None:
        self._given -= 1

    def _end(self, error: BaseException, items: list[Item]) -> None:
        # Nobody takes from the queue any more: the thread has ended, or it had nothing to do.
        self._ended = True
        while not self._queue.empty():
            items += self._queue.get() or []
        waiting, self._waiting = self._waiting, []
        self._owner.failed(error, items + waiting)

    # -- on the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        interval_s = None if self._sync.interval_ms is None else self._sync.interval_ms / 1000
        sync_due: float | None = None  # only under an interval: when what was written must be synced
        items: list[Item] | None = []
        try:
            while (items := self._take(sync_due)) is not None:
                if items:
                    self._carry_out(items)
                    self._loop.call_soon_threadsafe(self._returned)
                if interval_s is not None:
                    sync_due = self._sync_in_time(interval_s, sync_due)
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._end, error, items or [])

    def _take(self, due: float | None) -> list[Item] | None:
        """The next items and all that wait behind them; none when `due` came first; None to end the thread."""
        try:
            items = self._queue.get(timeout=None if due is None else max(0.0, due - time.monotonic()))
        except Empty:
            return []
        while items is not None and not self._queue.empty():
            more = self._queue.get()
            if more is None:
                self._queue.put(None)
                break
            items += more
            self._loop.call_soon_threadsafe(self._returned)
        return items

    def _carry_out(self, items: list[Item]) -> None:
        calls: list[PendingCall] = []
        size = 0
        for item in items:
            alone = isinstance(item, Job) or item.atomic
            if calls and (alone or size >= COMMIT_SIZE_MAX):
                self._commit_and_tell(calls)
                calls, size = [], 0
            if isinstance(item, Job):
                self._do(item)
            else:
                calls.append(item)
                size += item.size
                if alone:
                    self._commit_and_tell(calls)
                    calls, size = [], 0
        if calls:
            self._commit_and_tell(calls)

    def _commit_and_tell(self, calls: list[PendingCall]) -> None:
        self._commit(calls)
        self._loop.call_soon_threadsafe(self._owner.committed, calls)

    def _commit(self, calls: list[PendingCall]) -> None:
        began = time.perf_counter()
        self._commits.write(calls)
        if self._sync.name == "always":
            self._commits.sync()
        elif self._sync.name == "never":
            self._commits.publish()
        took_s = time.perf_counter() - began
        self._average_s += _WEIGHT * (took_s - self._average_s)
        self._commits.metrics.commit_seconds.observe(took_s)

    def _sync_in_time(self, interval_s: float, due: float | None) -> float | None:
        """Sync when it is due; returns when the next sync is, None while nothing is unsynced."""
        if not self._commits.unsynced:
            return None
        now = time.monotonic()
        if due is None:
            return now + interval_s
        if now < due:
            return due
        self._commits.sync()
        self._loop.call_soon_threadsafe(self._owner.synced)
        return None

    def _do(self, job: Job) -> None:
        try:
            result = job.function()
        except SyncFailed:
            raise
        except Exception as error:
            self._loop.call_soon_threadsafe(settle, job.future, None, error)
        else:
            self._loop.call_soon_threadsafe(settle, job.future, result, None)


def fail(item: Item, error: LogMQError) -> None:
    """Tell whoever waits for an item that it will not be carried out."""
    if isinstance(item, Job):
        settle(item.future, None, error)
    elif not item.done():
        item.complete([error] * len(item.appends))
