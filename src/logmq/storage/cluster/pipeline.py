"""From appends to commits: several objects are written at a time, and committed strictly one after the other.

    append, change ─> buffer ──(linger, or enough)──> Plan.batch ─> object, written and written again until it is there
                                                          │
                        in order: Leadership.move ─> Lane.apply ─> shown to readers, acknowledged

Nothing is acknowledged before its transaction. When this broker leads no longer everything that waits is answered: what
is known not to be stored with NotLeader, what nobody can tell with Unavailable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from logmq.clock import Clock
from logmq.config import Config
from logmq.errors import LogMQError, NotLeader, Throttled, Unavailable
from logmq.limits import CLUSTER_OBJECT_SIZE_MAX, CLUSTER_OBJECTS_IN_FLIGHT
from logmq.metrics import ClusterMetrics
from logmq.model import TopicPartition
from logmq.storage.calls import PendingCall
from logmq.storage.cluster.formats import WAL, Head
from logmq.storage.cluster.leadership import Fenced, Leadership
from logmq.storage.cluster.partitions import Partitions
from logmq.storage.cluster.plan import Batch, Plan
from logmq.storage.cluster.services import RETRY_S, Objects, OutcomeUnknown
from logmq.storage.engine import Append, AppendResult
from logmq.storage.waiters import settle

_log = logging.getLogger(__name__)

_RETRY_MAX_S = 2.0
_CLOSE_TIMEOUT_S = 10.0
"""How long a broker that stops waits for services that do not answer."""


class Owner(Protocol):
    """Whom the pipeline tells."""

    def committed(self, batch: Batch) -> None:
        """The batch is part of the lanes now."""
        ...

    def failed(self, error: BaseException, failure: LogMQError) -> None:
        """Nothing will be committed any more; `failure` is what everybody is told."""
        ...


class Pipeline:
    """Takes appends while this broker leads."""

    def __init__(
        self,
        partitions: Partitions,
        leadership: Leadership,
        objects: Objects,
        config: Config,
        clock: Clock,
        metrics: ClusterMetrics,
        owner: Owner,
    ) -> None:
        self.failure: LogMQError | None = None
        self.closed = False
        self.checkpoint: str | None = None
        """Written, and to be named by the next commit."""
        self.waiting_bytes = 0
        self.waiting_calls = 0
        self._partitions = partitions
        self._leadership = leadership
        self._objects = objects
        self._config = config
        self._clock = clock
        self._metrics = metrics
        self._owner = owner
        self._plan = Plan(partitions, [head.object for head in leadership.heads])
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._calls: list[PendingCall] = []
        self._trims: dict[int, int] = {}
        self._drops: list[int] = []
        self._changes: list[asyncio.Future[None]] = []
        self._buffered = 0
        self._room: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._queue: asyncio.Queue[Batch] = asyncio.Queue()
        self._under_way: list[Batch] = []
        self._committing = self._loop.create_task(self._commit_all())

    # -- taking ------------------------------------------------------------------------------------------------------

    def append(self, appends: Sequence[Append], *, atomic: bool) -> PendingCall:
        """See `LogStore.append`."""
        call = PendingCall(appends, sum([len(append.data) for append in appends]), atomic=atomic)
        refused = self._refusal()
        if refused is not None:
            call.complete([refused] * len(appends))
            return call
        self._calls.append(call)
        self._buffered += call.size
        self.waiting_bytes += call.size
        self.waiting_calls += 1
        self._schedule()
        return call

    async def change(self, trims: Mapping[int, int] | None = None, drops: Sequence[int] = ()) -> None:
        """Let the next batch trim and drop, by log id, and name the checkpoint; returns when it is committed.

        Raises: NotLeader, Unavailable.
        """
        refused = self._refusal()
        if refused is not None and not isinstance(refused, Throttled):
            raise refused
        for log_id, offset in (trims or {}).items():
            self._trims[log_id] = max(offset, self._trims.get(log_id, 0))
        self._drops += drops
        done: asyncio.Future[None] = self._loop.create_future()
        self._changes.append(done)
        self._schedule()
        await done

    def _refusal(self) -> LogMQError | None:
        if self.failure is not None:
            return self.failure
        if self.closed:
            return Unavailable("the broker is stopping")
        if self.waiting_bytes >= 2 * self._config.append_queue_size_bytes:
            return Throttled("too many bytes wait for the object store (append_queue_size_bytes)")
        return None

    def room(self) -> asyncio.Future[None] | None:
        """See `LogStore.room`."""
        if self.waiting_bytes < self._config.append_queue_size_bytes or self.failure is not None:
            return None
        if self._room is None:
            self._room = self._loop.create_future()
        return self._room

    def _schedule(self) -> None:
        """Make a batch of what is buffered: at once if it is enough, else after the linger."""
        if len(self._under_way) >= CLUSTER_OBJECTS_IN_FLIGHT or not (self._calls or self._changes):
            return
        if self._buffered >= CLUSTER_OBJECT_SIZE_MAX:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._config.cluster_linger_ms / 1000, self.flush)

    def flush(self) -> None:
        """Make a batch of what is buffered, if there is anything and not too much under way."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.failure is not None or len(self._under_way) >= CLUSTER_OBJECTS_IN_FLIGHT:
            return
        if not (self._calls or self._changes):
            return
        self._number += 1
        name = f"{WAL}{self._leadership.incarnation}/{self._number:012d}"
        batch = self._plan.batch(
            self._take_calls(), self._trims, self._drops, self._changes, name, self._clock.now_ms()
        )  # fmt: skip
        self._trims, self._drops, self._changes = {}, [], []
        batch.began = self._clock.monotonic()
        batch.put = self._loop.create_task(self.put(batch.name, batch.data))
        self._under_way.append(batch)
        self._queue.put_nowait(batch)
        self._schedule()

    def _take_calls(self) -> list[PendingCall]:
        """Those that fit into one object, one at least; the others wait for the next."""
        size = count = 0
        for call in self._calls:
            if count and size + call.size > CLUSTER_OBJECT_SIZE_MAX:
                break
            size += call.size
            count += 1
        calls, self._calls = self._calls[:count], self._calls[count:]
        self._buffered -= size
        return calls

    async def put(self, name: str, data: bytes) -> None:
        """Write an object; the same name and bytes again until it is known to be there. Empty ones are not written.

        Raises: NotLeader, Unavailable: nobody waits for it any more.
        """
        delay_s = RETRY_S
        while data:
            began = self._clock.monotonic()
            try:
                await self._objects.put(name, data)
                self._metrics.put_seconds.observe(self._clock.monotonic() - began)
                self._metrics.put_bytes += len(data)
                return
            except OutcomeUnknown as error:
                if self.failure is not None:
                    raise self.failure from None
                self._metrics.put_retries += 1
                _log.warning("an object is written again", extra={"object": name, "reason": str(error)})
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, _RETRY_MAX_S)

    @property
    def number(self) -> int:
        """The last one that an object was given."""
        return self._number

    @property
    def objects_under_way(self) -> int:
        """Objects of commits that are being written, or wait for their turn."""
        return len(self._under_way)

    def expire_producers(self, before_ms: int) -> None:
        """Forget producers not heard of since `before_ms`."""
        self._plan.expire_producers(before_ms)

    def names(self) -> set[str]:
        """The objects of what is under way."""
        return {batch.name for batch in self._under_way}

    # -- committing --------------------------------------------------------------------------------------------------

    async def _commit_all(self) -> None:
        try:
            while True:
                batch = await self._queue.get()
                assert batch.put is not None
                await batch.put
                began = self._clock.monotonic()
                await self._commit(batch)
                self._metrics.transaction_seconds.observe(self._clock.monotonic() - began)
                self._settle(batch)
        except Exception as error:  # whatever it is, nothing can be committed any more
            self._lose(error)

    async def _commit(self, batch: Batch) -> None:
        """Move the heads of the batch's lanes, all heads if there is a checkpoint to name. Raises: Fenced."""
        current, checkpoint = self._leadership.heads, self.checkpoint
        heads: dict[int, Head] = {}
        if checkpoint is not None:
            heads = {
                lane: Head(head.term, head.owner, head.number, head.object, checkpoint)
                for lane, head in enumerate(current)
            }
        for section in batch.sections:
            head = heads.get(section.lane, current[section.lane])
            heads[section.lane] = Head(head.term, head.owner, section.number, batch.name, head.checkpoint)
        if heads:
            await self._leadership.move(heads, batch.judged)
        elif batch.judged:
            await self._leadership.prove(batch.judged)
        if checkpoint == self.checkpoint:
            self.checkpoint = None

    def _settle(self, batch: Batch) -> None:
        """The batch is committed: it becomes part of the lanes, of what readers see, and is acknowledged."""
        for section in batch.sections:
            self._partitions.lanes[section.lane].apply(section, batch.name, batch.body)
        self._under_way.remove(batch)
        self._owner.committed(batch)
        for call, results in zip(batch.calls, batch.results, strict=True):
            self._answer(call, results)
        for change in batch.changes:
            settle(change, None, None)
        self._make_room()
        self._schedule()

    def _answer(self, call: PendingCall, results: list[AppendResult]) -> None:
        self.waiting_bytes -= call.size
        self.waiting_calls -= 1
        call.complete(results)

    def _make_room(self) -> None:
        if self._room is not None and self.room() is None:
            room, self._room = self._room, None
            settle(room, None, None)

    # -- ending ------------------------------------------------------------------------------------------------------

    def _lose(self, error: BaseException) -> None:
        """Nobody gets an acknowledgement from here on, but for a last batch that is known to be stored."""
        if self.failure is None:
            self.failure = NotLeader("this partition: another broker has taken over")
        batches, self._under_way = self._under_way, []
        for number, batch in enumerate(batches):
            stored = False if number else None  # of the later ones no transaction was sent
            if isinstance(error, Fenced) and not number:
                stored = error.stored
            self._give_up(batch, stored)
        for call in self._calls:
            self._answer(call, [self.failure] * len(call.appends))
        for change in self._changes:
            _refuse(change, self.failure)
        self._calls, self._changes = [], []
        self._make_room()
        self._owner.failed(error, self.failure)

    def _give_up(self, batch: Batch, stored: bool | None) -> None:
        assert self.failure is not None
        if batch.put is not None:
            batch.put.cancel()
        nobody_knows = Unavailable("the broker no longer leads; whether this was stored is unknown")
        for call, results in zip(batch.calls, batch.results, strict=True):
            refused: list[AppendResult] = [self.failure if stored is False else nobody_knows] * len(call.appends)
            self._answer(call, results if stored else refused)
        for change in batch.changes:
            _refuse(change, nobody_knows)

    def lose_presence(self) -> None:
        """This broker was taken for dead: another one leads, or soon will."""
        self._committing.cancel()
        self._lose(Fenced(None))

    async def close(self) -> None:
        """Commit what waits; take nothing any more. What the services do not take in time has an unknown outcome."""
        self.closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._drain()
        self._committing.cancel()
        if self.failure is None:
            self.failure = Unavailable("the broker has stopped")
            self._lose(Fenced(None))

    async def _drain(self) -> None:
        while self.failure is None and (self._under_way or self._calls or self._changes):
            self.flush()
            done: asyncio.Future[None] = self._loop.create_future()
            if self._under_way:
                self._under_way[-1].changes.append(done)
                await asyncio.wait([done])


def _refuse(future: asyncio.Future[None], error: LogMQError) -> None:
    settle(future, None, error)
    if not future.cancelled():
        future.exception()  # whoever waits sees it; nobody need


def partitions_of(batch: Batch) -> set[TopicPartition]:
    """The partitions to which a batch appended."""
    return {append.partition for call in batch.calls for append in call.appends}
