"""Group commit: all appends that arrived while the disk was busy become durable by one sync.

Commit k:
  1. write the bytes to each touched log (page cache only);
  2. write one record to the journal, holding the bytes (inline) or, of a large stretch, only their checksum (span);
  3. sync the journal, and beside it the own files of spans;
  4. let readers see the bytes; whoever called may be answered.
Nothing of k + 1 is written before k is synced, except under a sync interval, where commits are answered after step 2
and become visible with the next sync.

Everything here runs on one thread and calls only the file layer, so that tests can drive it step by step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from time import perf_counter

from crc32c import crc32c

from logmq.clock import Clock
from logmq.errors import LogMQError, RetriableError, Unavailable, UnknownPartition
from logmq.limits import INLINE_SIZE_MAX, SPAN_SIZE_MIN
from logmq.metrics import StorageMetrics
from logmq.model import Format, Octets, TopicPartition
from logmq.storage.calls import Call
from logmq.storage.engine import Appended, AppendResult
from logmq.storage.local.checkpointer import Checkpointer
from logmq.storage.local.files import File
from logmq.storage.local.journal import Journal, Kind, Part
from logmq.storage.local.log import Log, Written
from logmq.storage.local.refusal import refusal_of
from logmq.storage.producers import Producer


class Commits:
    """Turns calls into commits."""

    def __init__(
        self,
        logs: dict[TopicPartition, Log],
        journal: Journal,
        checkpointer: Checkpointer,
        clock: Clock,
        executor: Executor | None = None,
    ) -> None:
        """`executor` syncs spans beside the journal; without one they are synced one after the other."""
        self.logs = logs
        self.journal = journal
        self.metrics = StorageMetrics()
        self._checkpointer = checkpointer
        self._clock = clock
        self._executor = executor
        self._timestamp_ms = max((log.last_append_ms for log in logs.values()), default=0)
        self._spans: dict[str, File] = {}
        self._unpublished: dict[Log, None] = {}
        self._producers_before: dict[Log, list[tuple[int, Producer | None]]] = {}
        """What was known of producers before the commit that is being written."""

    @property
    def unsynced(self) -> bool:
        """Whether something was written that is not durable yet."""
        return self.journal.synced < self.journal.commit

    def is_quick(self, part_count: int, size: int) -> bool:
        """Whether a commit of this size needs no new journal file, and so no more than one write a log and a sync."""
        return self.journal.has_room(part_count, size)

    def write(self, calls: Sequence[Call]) -> None:
        """Write one commit: steps 1 and 2. Afterwards each call has its results.

        Durability: none before `sync`. Raises: SyncFailed, OSError (not for a full disk), both final.
        """
        items = self._by_log(calls)
        self._producers_before.clear()
        try:
            self._make_room(len(items), sum([len(append.data) for call in calls for append in call.appends]))
        except OSError as error:
            refusal = _as_refusal(error)
            for appends in items.values():
                _fail(appends, refusal)
            return
        # Clocks step back; timestamps of a log never do, so that they can be searched.
        self._timestamp_ms = timestamp_ms = max(self._timestamp_ms, self._clock.now_ms())
        written: list[Written] = []
        fresh: dict[Log, list[tuple[Call, int]]] = {}
        for log, appends in items.items():
            fresh[log] = self._without_repeated(log, appends, timestamp_ms)
            if not fresh[log]:
                continue
            try:
                written.append(log.write([call.appends[number] for call, number in fresh[log]], timestamp_ms))
            except OSError as error:
                self._restore_producers(log)
                _fail(appends, _as_refusal(error))
        if any(call.atomic and _failed(call) for call in calls):
            assert len(calls) == 1, "an atomic call has a commit of its own"
            self._undo(written)
            calls[0].results = [next(filter(_is_failure, calls[0].results))] * len(calls[0].appends)
        elif written:
            self._enter_into_journal(written, items, fresh, timestamp_ms)

    def _without_repeated(self, log: Log, appends: list[tuple[Call, int]], timestamp_ms: int) -> list[tuple[Call, int]]:
        """Leave out what idempotent producers sent before or out of order; those are answered here."""
        if all(call.appends[number].producer is None for call, number in appends):
            return appends
        fresh: list[tuple[Call, int]] = []
        offset = log.tail.offset
        for call, number in appends:
            append = call.appends[number]
            batch = append.producer
            if batch is not None:
                known = log.producers.judge(batch)
                if known is not None:
                    call.results[number] = known
                    continue
                before = (batch.producer_id, log.producers.copy_of(batch.producer_id))
                self._producers_before.setdefault(log, []).append(before)
                log.producers.add(batch, Appended(offset, offset + append.offset_count, timestamp_ms))
            fresh.append((call, number))
            offset += append.offset_count
        return fresh

    def _restore_producers(self, log: Log) -> None:
        for producer_id, producer in reversed(self._producers_before.pop(log, [])):
            log.producers.restore(producer_id, producer)

    def _by_log(self, calls: Sequence[Call]) -> dict[Log, list[tuple[Call, int]]]:
        """Group appends by log, in order; those without a log are answered at once."""
        items: dict[Log, list[tuple[Call, int]]] = {}
        for call in calls:
            call.results = [_NOT_YET] * len(call.appends)
            for number, append in enumerate(call.appends):
                log = self.logs.get(append.partition)
                if log is None:
                    call.results[number] = UnknownPartition(append.partition.topic, append.partition.index, 0)
                else:
                    items.setdefault(log, []).append((call, number))
        return items

    def _enter_into_journal(
        self,
        written: list[Written],
        items: dict[Log, list[tuple[Call, int]]],
        fresh: dict[Log, list[tuple[Call, int]]],
        timestamp_ms: int,
    ) -> None:
        parts, data = self._parts(written)
        try:
            self.journal.append(timestamp_ms, parts, data)
        except OSError as error:
            self._undo(written)
            refusal = _as_refusal(error)
            for one in written:
                _fail(items[one.log], refusal)
            return
        self.metrics.commits += 1
        for one in written:
            self._unpublished[one.log] = None
            offset = one.before.offset
            frame_count = 0
            for call, number in fresh[one.log]:
                append = call.appends[number]
                end = offset + append.offset_count
                call.results[number] = Appended(offset, end, timestamp_ms)
                offset = end
                frame_count += len(append.starts)
            self.metrics.appends += len(fresh[one.log])
            self.metrics.records += frame_count if one.log.spec.format is Format.PLAIN else one.offset_count

    def _parts(self, written: Iterable[Written]) -> tuple[list[Part], list[Octets]]:
        """The journal's parts of a commit, and the bytes of those that go inline."""
        parts: list[Part] = []
        inline: list[Octets] = []
        inline_size = 0
        for one in written:
            crc = 0
            for buffer in one.buffers:
                crc = crc32c(buffer, crc)
            base_offset, offset, position, _, _ = one.before
            kind = Kind.INLINE
            if one.size >= SPAN_SIZE_MIN or inline_size + one.size > INLINE_SIZE_MAX:
                kind = Kind.SPAN
                segment = one.log.segments[-1]
                self._spans[segment.name] = one.log.dirty[segment]
                self.metrics.span_bytes += one.size
            else:
                inline += one.buffers
                inline_size += one.size
            parts.append(
                Part(one.log.spec.log_id, base_offset, position, offset, one.offset_count, one.size, crc, kind)
            )
        self.metrics.inline_bytes += inline_size
        return parts, inline

    def _undo(self, written: Iterable[Written]) -> None:
        for one in written:
            one.log.undo(one)
            self._restore_producers(one.log)

    def trim(self, log: Log, offset: int) -> None:
        """Enter into the journal that a log begins later now. Durability: none before `sync`.

        Everything before is durable: once a trim is found in the journal, recovery need not look at what it covers,
        whose files may be deleted. Raises: OSError, SyncFailed.
        """
        self._make_room(1, 0)
        self.sync()
        part = Part(log.spec.log_id, 0, 0, offset, 0, 0, 0, Kind.TRIM)
        self.journal.append(self._clock.now_ms(), [part], [])

    def sync(self) -> None:
        """Make all that was written durable and visible: steps 3 and 4. Raises: SyncFailed, which is final."""
        if self.unsynced:
            began = perf_counter()
            self._sync_spans_and_journal()
            self.metrics.sync_seconds.observe(perf_counter() - began)
        self.publish()

    def _sync_spans_and_journal(self) -> None:
        if self._executor is None:
            for file in self._spans.values():
                file.sync()
            self.journal.sync()
        else:
            running = [self._executor.submit(file.sync) for file in self._spans.values()]
            self.journal.sync()
            for sync in running:
                sync.result()
        self._checkpointer.check()
        self._spans.clear()

    def publish(self) -> None:
        """Let readers see what was written, durable or not (that is for the sync mode to decide)."""
        for log in self._unpublished:
            log.publish()
        self._unpublished.clear()

    def _make_room(self, part_count: int, data_size: int) -> None:
        """Go on in a free journal file when this one is full, if need be by a checkpoint here and now."""
        if self.journal.has_room(part_count, min(data_size, INLINE_SIZE_MAX)):
            return
        self.sync()
        if self.journal.roll():
            return
        with suppress(OSError):  # the room that it lacked may be there by now
            self._checkpointer.settle()
        if not self.journal.roll():
            self._checkpointer.run()
            if not self.journal.roll():
                self.journal.restart()


_NOT_YET = Unavailable("the append was not carried out")


def _is_failure(result: AppendResult) -> bool:
    return isinstance(result, LogMQError) and result is not _NOT_YET


def _failed(call: Call) -> bool:
    return any(map(_is_failure, call.results))


def _fail(appends: Iterable[tuple[Call, int]], error: LogMQError) -> None:
    for call, number in appends:
        call.results[number] = error


def _as_refusal(error: OSError) -> RetriableError:
    """What the appends are told that an error kept from being written. Raises: OSError: the error, if it is final."""
    refusal = refusal_of(error)
    if refusal is None:
        raise error
    return refusal
