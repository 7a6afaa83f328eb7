"""`LogStore` on an object store and a store of keys: one leader at a time, no state that a machine could lose.

    append -> buffer ──(linger, or enough)──> Plan.batch -> object, several written at once
                                                              │
              one after the other, in order: one transaction that moves the heads, IF nobody else has
                                                              │
                                              Lane.apply -> acknowledged, shown to readers

A leader that finds that it leads no longer acknowledges nothing more and stops: see `on_failure`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from crc32c import crc32c

from logmq.clock import Clock
from logmq.config import Config
from logmq.errors import (
    Damaged,
    LogMQError,
    NotLeader,
    OffsetOutOfRange,
    Throttled,
    Unavailable,
    UnknownPartition,
)
from logmq.limits import (
    CLUSTER_CHECKPOINT_COMMITS,
    CLUSTER_OBJECT_SIZE_MAX,
    CLUSTER_OBJECTS_IN_FLIGHT,
)
from logmq.metrics import StorageMetrics
from logmq.model import Bounds, TopicPartition
from logmq.records.codec import CODECS
from logmq.storage.cluster.cache import ExtentCache
from logmq.storage.cluster.calls import WaitingCall
from logmq.storage.cluster.formats import (
    BROKERS,
    CHECKPOINTS,
    LANES,
    WAL,
    Checkpoint,
    Extent,
    Head,
    decode_head,
    encode_checkpoint,
    encode_head,
    head_key,
    lane_of,
)
from logmq.storage.cluster.garbage import collect
from logmq.storage.cluster.lane import LaneLog
from logmq.storage.cluster.plan import Batch, Plan, unknown
from logmq.storage.cluster.segments import gather
from logmq.storage.cluster.services import Keys, ObjectMissing, Objects, OutcomeUnknown, Presence
from logmq.storage.cluster.takeover import Taken, load, take
from logmq.storage.engine import (
    ActiveProducer,
    Append,
    AppendResult,
    Chunk,
    LogSpec,
    LogStatistics,
    RecoveryStatistics,
    StoreStatistics,
)
from logmq.storage.waiters import Waiters

_log = logging.getLogger(__name__)

_RETRY_S = 0.1
_LAST_CHECKPOINT_TIMEOUT_S = 5.0


class Fenced(Exception):
    """Another broker leads now, or this one was taken for dead: `stored` says whether the last commit was carried out
    nevertheless (None: nobody can tell)."""

    def __init__(self, stored: bool | None) -> None:
        super().__init__("another broker has taken over")
        self.stored = stored


class ClusterStore:
    """All lanes, while this broker leads them. Made by `open`."""

    def __init__(
        self,
        keys: Keys,
        objects: Objects,
        presence: Presence,
        incarnation: str,
        taken: Taken,
        specs: Iterable[LogSpec],
        config: Config,
        clock: Clock,
        on_failure: Callable[[BaseException], None],
        recovery_s: float = 0.0,
    ) -> None:
        self.metrics = StorageMetrics()
        self.recovery = RecoveryStatistics(recovery_s, len(taken.recent), 0, 0, 0, 0, 0)
        self._keys = keys
        self._objects = objects
        self._presence = presence
        self._incarnation = incarnation
        self._heads = taken.heads
        self._revisions = [taken.revision] * len(taken.heads)
        self._lanes = taken.lanes
        self._recent = set(taken.recent)
        self._specs = {spec.partition: spec for spec in specs}
        self._config = config
        self._clock = clock
        self._on_failure = on_failure
        last_ms = max((log.last_append_ms for lane in self._lanes for log in lane.logs.values()), default=0)
        self._plan = Plan(self._lanes, [head.object for head in self._heads], last_ms)
        self._cache = ExtentCache()
        self._waiters = Waiters()
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._calls: list[WaitingCall] = []
        self._trims: dict[int, int] = {}
        self._drops: list[int] = []
        self._changes: list[asyncio.Future[None]] = []
        self._buffered = 0
        self._waiting_bytes = 0
        self._waiting_calls = 0
        self._room: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._queue: asyncio.Queue[Batch] = asyncio.Queue()
        self._in_flight: list[Batch] = []
        self._checkpoint: str | None = None
        """Written, and to be named by the next commit."""
        self._checkpoint_number = 0
        self._commits_since_checkpoint = len(taken.recent)
        self._checkpoint_due = clock.monotonic() + config.checkpoint_interval_ms / 1000
        self._maintenance = asyncio.Lock()
        self._failure: LogMQError | None = None
        self._closed = False
        self._committing = self._loop.create_task(self._commit_all())

    @classmethod
    async def open(
        cls,
        keys: Keys,
        objects: Objects,
        presence: Presence,
        incarnation: str,
        specs: Iterable[LogSpec],
        config: Config,
        clock: Clock,
        on_failure: Callable[[BaseException], None],
    ) -> ClusterStore | None:
        """Take over all lanes and read what they hold; None if another broker was quicker.

        `on_failure` is called on the loop when this broker has lost its lanes: it should stop and begin anew.

        Raises: MalformedObject, ObjectMissing: the object store no longer has what was committed.
        """
        began = clock.monotonic()
        mine = await take(keys, incarnation, presence)
        if mine is None:
            return None
        heads, revision = mine
        lanes, recent = await load(objects, heads)
        taken = Taken(heads, revision, lanes, recent)
        return cls(
            keys, objects, presence, incarnation, taken, specs, config, clock, on_failure, clock.monotonic() - began
        )

    # -- appending ---------------------------------------------------------------------------------------------------

    def append(self, appends: Sequence[Append], *, atomic: bool = False) -> WaitingCall:
        """See `LogStore.append`."""
        call = WaitingCall(appends)
        refused = self._refusal()
        if refused is None and atomic:
            missing = next((one.partition for one in appends if one.partition not in self._specs), None)
            refused = None if missing is None else unknown(missing, self._specs.get)
        if refused is not None:
            call.complete([refused] * len(appends))
            return call
        self._calls.append(call)
        self._buffered += call.size
        self._waiting_bytes += call.size
        self._waiting_calls += 1
        self._schedule()
        return call

    def _refusal(self) -> LogMQError | None:
        if self._failure is not None:
            return self._failure
        if self._closed:
            return Unavailable("the broker is stopping")
        if self._waiting_bytes >= 2 * self._config.append_queue_size_bytes:
            return Throttled("too many bytes wait for the object store (append_queue_size_bytes)")
        return None

    def room(self) -> asyncio.Future[None] | None:
        """See `LogStore.room`."""
        if self._waiting_bytes < self._config.append_queue_size_bytes or self._failure is not None:
            return None
        if self._room is None:
            self._room = self._loop.create_future()
        return self._room

    def _schedule(self) -> None:
        """Make a batch of what is buffered: at once if it is enough, else after the linger."""
        if len(self._in_flight) >= CLUSTER_OBJECTS_IN_FLIGHT:
            return
        if self._buffered >= CLUSTER_OBJECT_SIZE_MAX:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._config.cluster_linger_ms / 1000, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._failure is not None or len(self._in_flight) >= CLUSTER_OBJECTS_IN_FLIGHT:
            return
        if not (self._calls or self._changes):
            return
        self._number += 1
        name = f"{WAL}{self._incarnation}/{self._number:012d}"
        batch = self._plan.batch(
            self._calls, self._trims, self._drops, self._changes, name, self._clock.now_ms(), self._specs.get
        )
        self._calls, self._trims, self._drops, self._changes, self._buffered = [], {}, [], [], 0
        batch.put = self._loop.create_task(self._put(batch.name, batch.data))
        self._in_flight.append(batch)
        self._queue.put_nowait(batch)

    async def _put(self, name: str, data: bytes) -> None:
        """Write an object; the same name and bytes again until it is known to be there."""
        while data:
            try:
                await self._objects.put(name, data)
                return
            except OutcomeUnknown as error:
                _log.warning(
                    "an object could not be written, trying again", extra={"object": name, "reason": str(error)}
                )
                await asyncio.sleep(_RETRY_S)

    # -- committing --------------------------------------------------------------------------------------------------

    async def _commit_all(self) -> None:
        try:
            while True:
                batch = await self._queue.get()
                assert batch.put is not None
                await batch.put
                await self._commit(batch)
                self._settle(batch)
        except Fenced as fenced:
            self._lose(fenced)
        except Exception as error:  # whatever it is, nothing can be committed any more
            self._lose(error)

    async def _commit(self, batch: Batch) -> None:
        """Move the heads of the batch's lanes, all heads if there is a checkpoint to name. Raises: Fenced."""
        checkpoint = self._checkpoint
        heads = (
            {}
            if checkpoint is None
            else {
                lane: Head(head.term, head.owner, head.number, head.object, checkpoint)
                for lane, head in enumerate(self._heads)
            }
        )
        for section in batch.sections:
            head = heads.get(section.lane, self._heads[section.lane])
            heads[section.lane] = Head(head.term, head.owner, section.number, batch.name, head.checkpoint)
        expected = {head_key(lane): self._revisions[lane] for lane in heads.keys() | batch.judged}
        if not expected:
            return
        expected[BROKERS + self._incarnation] = self._presence.revision
        if not heads:
            await self._prove(expected)
            return
        revision = await self._move(expected, heads)
        for lane, head in heads.items():
            self._heads[lane] = head
            self._revisions[lane] = revision
        if checkpoint == self._checkpoint:
            self._checkpoint = None

    async def _move(self, expected: Mapping[str, int], heads: Mapping[int, Head]) -> int:
        """Carry out the transaction; returns its revision. Raises: Fenced."""
        puts = {head_key(lane): encode_head(head) for lane, head in heads.items()}
        while True:
            with suppress(OutcomeUnknown):
                revision = await self._keys.commit(expected, puts)
                if revision is not None:
                    return revision
            found = await self._find_out(expected, heads)
            if found is not None:
                return found
            await asyncio.sleep(_RETRY_S)

    async def _prove(self, expected: Mapping[str, int]) -> None:
        """Make sure that this broker still leads. Raises: Fenced."""
        while True:
            try:
                if await self._keys.commit(expected, {}) is None:
                    raise Fenced(stored=False)
                return
            except OutcomeUnknown:
                await asyncio.sleep(_RETRY_S)

    async def _find_out(self, expected: Mapping[str, int], heads: Mapping[int, Head]) -> int | None:
        """What became of a transaction: its revision if it was carried out, None to send it again. Raises: Fenced.

        Also asked when it was refused: an earlier sending of it may have been carried out without an answer. This
        broker's own key is looked at first: once it is gone nothing can be carried out any more, and the head tells
        what was.
        """
        lane = next(iter(heads))
        while True:
            try:
                present = await self._keys.get(BROKERS + self._incarnation)
                stored = await self._keys.get(head_key(lane))
                break
            except OutcomeUnknown:
                await asyncio.sleep(_RETRY_S)
        assert stored is not None
        head = decode_head(stored.value)
        if head == heads[lane]:
            return stored.revision
        if head.owner != self._incarnation:
            raise Fenced(_was_stored(head, heads[lane]))
        if present is None or present.revision != self._presence.revision:
            raise Fenced(stored=False)
        assert stored.revision == expected[head_key(lane)], "only this broker moves its heads"
        return None

    def _settle(self, batch: Batch) -> None:
        """The batch is committed: it becomes part of the lanes, of what readers see, and is acknowledged."""
        for section in batch.sections:
            lane = self._lanes[section.lane]
            lane.apply(section, batch.name, batch.body)
            for piece in section.pieces:
                log = lane.logs.get(piece.log_id)
                if log is not None and log.extents:
                    self._keep(log, batch)
        if batch.sections:
            self._recent.add(batch.name)
            self._commits_since_checkpoint += 1
            self.metrics.commits += 1
        self._in_flight.remove(batch)
        self._acknowledge(batch)
        self._schedule()

    def _keep(self, log: LaneLog, batch: Batch) -> None:
        view = memoryview(batch.data)
        for extent in reversed(log.extents):
            if extent.object != batch.name:
                return
            self._cache.put(extent, bytes(view[extent.position : extent.position + extent.size]))

    def _acknowledge(self, batch: Batch) -> None:
        for call, results in zip(batch.calls, batch.results, strict=True):
            self._count_out(call)
            self.metrics.appends += len(call.appends)
            call.complete(results)
        for change in batch.changes:
            if not change.done():
                change.set_result(None)
        if self._waiters:
            for partition in {append.partition for call in batch.calls for append in call.appends}:
                self._wake(partition)
        self._make_room()

    def _count_out(self, call: WaitingCall) -> None:
        self._waiting_bytes -= call.size
        self._waiting_calls -= 1

    def _make_room(self) -> None:
        if self._room is not None and self._waiting_bytes < self._config.append_queue_size_bytes:
            room, self._room = self._room, None
            if not room.done():
                room.set_result(None)

    def _wake(self, partition: TopicPartition) -> None:
        spec = self._specs.get(partition)
        if spec is None:
            self._waiters.fail(partition, UnknownPartition(partition.topic, partition.index, 0))
        else:
            self._waiters.wake(partition, self._log(spec).next_offset)

    def _lose(self, error: BaseException) -> None:
        """Nobody gets an acknowledgement from here on, but for a last batch that is known to be stored."""
        first = self._failure is None
        self._failure = self._failure or NotLeader("this partition: another broker has taken over")
        batches, self._in_flight = self._in_flight, []
        for number, batch in enumerate(batches):
            stored = error.stored if isinstance(error, Fenced) and number == 0 else False
            if not isinstance(error, Fenced):
                stored = None
            self._give_up(batch, stored)
        for call in self._calls:
            self._refuse(call, self._failure)
        for change in self._changes:
            _fail(change, self._failure)
        self._calls, self._changes = [], []
        for partition in list(self._waiters):
            self._waiters.fail(partition, self._failure)
        self._make_room()
        if first and not self._closed:
            self._on_failure(error)

    def _give_up(self, batch: Batch, stored: bool | None) -> None:
        assert self._failure is not None
        if batch.put is not None:
            batch.put.cancel()
        unknown_outcome = Unavailable("another broker has taken over; whether this was stored is unknown")
        for call, results in zip(batch.calls, batch.results, strict=True):
            if stored:
                self._count_out(call)
                call.complete(results)
            else:
                self._refuse(call, self._failure if stored is False else unknown_outcome)
        for change in batch.changes:
            _fail(change, unknown_outcome)

    def _refuse(self, call: WaitingCall, error: LogMQError) -> None:
        self._count_out(call)
        refused: list[AppendResult] = [error] * len(call.appends)
        call.complete(refused)

    def lost_presence(self) -> None:
        """This broker was taken for dead: another one leads, or soon will."""
        self._committing.cancel()
        self._lose(Fenced(None))

    # -- reading -----------------------------------------------------------------------------------------------------

    def _find(self, partition: TopicPartition) -> LogSpec:
        spec = self._specs.get(partition)
        if spec is None:
            raise unknown(partition, self._specs.get)
        return spec

    def _log(self, spec: LogSpec) -> LaneLog:
        return self._lanes[lane_of(spec.log_id)].logs.get(spec.log_id) or LaneLog()

    def read_nowait(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk | None:
        """See `LogStore.read_nowait`."""
        spec = self._find(partition)
        log = self._log(spec)
        pieces: list[bytes] = []
        for extent in self._extents(partition, log, offset, size_max):
            data = self._cache.get(extent)
            if data is None:
                return None
            pieces.append(data)
        return self._chunk(spec, log, offset, size_max, pieces)

    async def read(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk:
        """See `LogStore.read`."""
        while True:
            spec = self._find(partition)
            log = self._log(spec)
            extents = self._extents(partition, log, offset, size_max)
            pieces = []
            try:
                for extent in extents:
                    pieces.append(await self._fetch(partition, extent))
            except ObjectMissing:
                if self._extents(partition, self._log(self._find(partition)), offset, size_max) == extents:
                    await self._explain_missing(partition, extents)
                continue  # the bytes were moved meanwhile
            chunk = self._chunk(spec, log, offset, size_max, pieces, extents)
            if chunk is not None:
                return chunk

    async def _explain_missing(self, partition: TopicPartition, extents: Sequence[Extent]) -> NoReturn:
        """Objects of a leader do not go away; those of one who does not know yet that he leads no longer do."""
        lane = lane_of(self._find(partition).log_id)
        while self._failure is None:
            try:
                stored = await self._keys.get(head_key(lane))
            except OutcomeUnknown:
                await asyncio.sleep(_RETRY_S)
                continue
            if stored is not None and decode_head(stored.value).owner == self._incarnation:
                raise Damaged(str(partition), extents[0].first_offset, extents[-1].next_offset)
            break
        raise self._failure or NotLeader(str(partition))

    async def _fetch(self, partition: TopicPartition, extent: Extent) -> bytes:
        data = self._cache.get(extent)
        if data is not None:
            return data
        while True:
            try:
                data = await self._objects.get(extent.object, extent.position, extent.size)
                break
            except OutcomeUnknown:
                if self._failure is not None:
                    raise self._failure from None
                await asyncio.sleep(_RETRY_S)
        if crc32c(data) != extent.crc:
            raise Damaged(str(partition), extent.first_offset, extent.next_offset)
        self._cache.put(extent, data)
        return data

    def _extents(self, partition: TopicPartition, log: LaneLog, offset: int, size_max: int) -> list[Extent]:
        """Those to read for about `size_max` bytes from `offset` on."""
        if offset < log.start_offset:
            raise OffsetOutOfRange(offset, log.start_offset, log.next_offset)
        found: list[Extent] = []
        size = 0
        for extent in log.extents[log.find(offset) :]:
            found.append(extent)
            size += extent.size
            if size >= size_max and len(found) > 1:
                break
        return found

    def _chunk(
        self,
        spec: LogSpec,
        log: LaneLog,
        offset: int,
        size_max: int,
        pieces: list[bytes],
        extents: Sequence[Extent] | None = None,
    ) -> Chunk:
        extents = self._extents(spec.partition, log, offset, size_max) if extents is None else extents
        self.metrics.reads += 1
        if not extents:
            return Chunk(log.next_offset, log.next_offset, b"")
        codec, first, data = CODECS[spec.format], extents[0].first_offset, b"".join(pieces)
        position, relative = codec.seek(data, max(0, offset - first))
        if position == len(data):  # the offset lies inside the very last record
            return Chunk(log.next_offset, log.next_offset, b"")
        if position:
            data = data[position:]
        first += relative
        found = codec.walk(data[: max(size_max, len(pieces[0]))])
        if not found.starts:
            found = codec.walk(data)
        data = data[: found.end]
        self.metrics.read_bytes += len(data)
        return Chunk(first, first + found.offset_count, data)

    async def wait_any(self, offsets: Mapping[TopicPartition, int], timeout_s: float | None) -> bool:
        """See `LogStore.wait_any`."""
        if any(self._log(self._find(partition)).next_offset > offset for partition, offset in offsets.items()):
            return True
        if self._failure is not None:
            raise self._failure
        return await self._waiters.wait_any(offsets, timeout_s)

    def bounds(self, partition: TopicPartition) -> Bounds:
        """See `LogStore.bounds`."""
        spec = self._find(partition)
        log = self._log(spec)
        return Bounds(log.start_offset, log.next_offset, log.next_offset, self._heads[lane_of(spec.log_id)].term)

    def statistics(self, partition: TopicPartition) -> LogStatistics:
        """See `LogStore.statistics`."""
        log = self._log(self._find(partition))
        return LogStatistics(log.size, len(log.extents), log.last_append_ms or None)

    def store_statistics(self) -> StoreStatistics:
        """See `LogStore.store_statistics`."""
        return StoreStatistics(self._waiting_bytes, self._waiting_calls, 0, 0, 0, -1, -1)

    @property
    def failure(self) -> LogMQError | None:
        """See `LogStore.failure`."""
        return self._failure

    async def find_timestamp(self, partition: TopicPartition, timestamp_ms: int) -> int:
        """See `LogStore.find_timestamp`."""
        log = self._log(self._find(partition))
        for extent in log.extents:
            if extent.timestamp_ms >= timestamp_ms:
                return max(extent.first_offset, log.start_offset)
        return log.next_offset

    async def producers(self, partition: TopicPartition) -> list[ActiveProducer]:
        """See `LogStore.producers`."""
        return self._log(self._find(partition)).producers.active()

    def leads(self, partition: TopicPartition) -> bool:
        """See `LogStore.leads`."""
        return partition in self._specs and self._failure is None

    # -- creating, trimming, dropping --------------------------------------------------------------------------------

    async def create(self, specs: Iterable[LogSpec]) -> None:
        """See `LogStore.create`: a log begins with its first append."""
        self._specs.update({spec.partition: spec for spec in specs})

    async def configure(self, specs: Iterable[LogSpec]) -> None:
        """See `LogStore.configure`."""
        self._specs.update({self._find(spec.partition).partition: spec for spec in specs})

    async def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """See `LogStore.drop`. The bytes go with the next collections."""
        specs = [self._find(partition) for partition in partitions]
        for spec in specs:
            del self._specs[spec.partition]
        await self._change(drops=[spec.log_id for spec in specs])
        for spec in specs:
            self._wake(spec.partition)

    async def trim(self, partition: TopicPartition, offset: int) -> int:
        """See `LogStore.trim`."""
        spec = self._find(partition)
        log = self._log(spec)
        wanted = min(offset, log.next_offset)
        if wanted > log.start_offset:
            await self._change(trims={spec.log_id: wanted})
        return self._log(spec).start_offset

    async def _change(self, trims: Mapping[int, int] | None = None, drops: Sequence[int] = ()) -> None:
        """Let the next batch trim and drop, and name the checkpoint; returns when it is committed.

        Raises: NotLeader, Unavailable.
        """
        refused = self._refusal()
        if isinstance(refused, NotLeader | Unavailable):
            raise refused
        for log_id, offset in (trims or {}).items():
            self._trims[log_id] = max(offset, self._trims.get(log_id, 0))
        self._drops += drops
        done: asyncio.Future[None] = self._loop.create_future()
        self._changes.append(done)
        self._schedule()
        await done

    # -- in the background -------------------------------------------------------------------------------------------

    async def maintain(self) -> None:
        """See `LogStore.maintain`: retention, checkpoints, segments, collection of what nothing names any more."""
        async with self._maintenance:
            if self._failure is not None:
                return
            await self._retain()
            before_ms = self._clock.now_ms() - self._config.producer_id_expiration_ms
            self._plan.expire_producers(before_ms)
            for lane in self._lanes:
                for log in lane.logs.values():
                    log.producers.expire(before_ms)
            due = self._clock.monotonic() >= self._checkpoint_due
            if self._commits_since_checkpoint >= CLUSTER_CHECKPOINT_COMMITS or (due and self._commits_since_checkpoint):
                await self.checkpoint()

    async def _retain(self) -> None:
        now_ms = self._clock.now_ms()
        trims: dict[int, int] = {}
        for spec in self._specs.values():
            if spec.settings.has_retention:
                log = self._log(spec)
                start = retained_from(log, spec, now_ms)
                if start > log.start_offset:
                    trims[spec.log_id] = start
        if trims:
            await self._change(trims=trims)

    async def checkpoint(self) -> None:
        """Move small extents together, write all lanes into an object, have the heads name it, collect what is left."""
        self._checkpoint_due = self._clock.monotonic() + self._config.checkpoint_interval_ms / 1000
        await gather(self._lanes, self._objects, self._next_name, self._cache.get, list(self._specs.values()))
        if self._failure is not None:
            return
        snapshot = Checkpoint([lane.snapshot() for lane in self._lanes])
        recent, commits = set(self._recent), self._commits_since_checkpoint
        name = self._next_name(CHECKPOINTS)
        await self._put(name, encode_checkpoint(snapshot))
        self._checkpoint = name
        await self._change()
        self._recent -= recent
        self._commits_since_checkpoint -= commits
        self.metrics.checkpoints += 1
        await self._collect(name)

    def _next_name(self, kind: str) -> str:
        self._checkpoint_number += 1
        return f"{kind}{self._incarnation}/{self._checkpoint_number:012d}"

    async def _collect(self, checkpoint: str) -> None:
        reachable = {checkpoint} | self._recent | {name for lane in self._lanes for name in lane.objects()}
        reachable |= {batch.name for batch in self._in_flight}

        async def still_leading() -> bool:
            stored = await self._keys.under(LANES)
            return all(decode_head(one.value).owner == self._incarnation for one in stored.values())

        try:
            await collect(self._keys, self._objects, self._incarnation, reachable, still_leading)
        except OutcomeUnknown as error:
            _log.warning("collecting garbage did not end, the next time will", extra={"reason": str(error)})

    async def close(self) -> None:
        """See `LogStore.close`."""
        if self._failure is None and self._commits_since_checkpoint:
            with suppress(TimeoutError, LogMQError):
                async with asyncio.timeout(_LAST_CHECKPOINT_TIMEOUT_S):
                    await self.checkpoint()
        self._closed = True
        if self._failure is None:
            self._flush()
            while self._in_flight or self._calls or self._changes:
                if self._failure is not None:
                    break
                self._flush()
                await asyncio.sleep(0.001)
        self._committing.cancel()
        if self._failure is None:
            self._failure = Unavailable("the broker has stopped")


def _was_stored(found: Head, mine: Head) -> bool | None:
    """Whether this broker's last head was there before another one took over, as far as the other's head tells."""
    if found.object == mine.object and found.number == mine.number:
        return True
    return False if found.number < mine.number else None


def retained_from(log: LaneLog, spec: LogSpec, now_ms: int) -> int:
    """The offset before which nothing need be kept, by age and size, in whole extents."""
    start = log.start_offset
    if spec.settings.retention_ms is not None:
        for extent in log.extents:
            if extent.timestamp_ms >= now_ms - spec.settings.retention_ms:
                break
            start = extent.next_offset
    if spec.settings.retention_bytes is not None:
        size = sum(extent.size for extent in log.extents if extent.first_offset >= start)
        for extent in log.extents:
            if extent.first_offset < start:
                continue
            if size - extent.size < spec.settings.retention_bytes:
                break
            size -= extent.size
            start = extent.next_offset
    return start


def _fail(future: asyncio.Future[None], error: LogMQError) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # whoever waits sees it; nobody need
