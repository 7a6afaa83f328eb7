"""The table of durable streams: what is known of each beside its records, in memory and in `__durable_streams`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import cast

import msgspec

from logmq.broker.broker import Broker
from logmq.broker.table_log import NO_ROWS, TableLog
from logmq.clock import Clock
from logmq.errors import LogMQError
from logmq.limits import STREAM_PRODUCERS_MAX
from logmq.protocols.http.durable.state import Producer, ProducerRow, Row, Stream
from logmq.storage.engine import Append, Appended

TABLE = "__durable_streams"
_ROW_SIZE_TYPICAL = 300
_PRODUCER_SIZE_TYPICAL = 130
_ROWS = msgspec.json.Decoder(Row | ProducerRow)


class StreamTable:
    """Made by `open`."""

    def __init__(self, broker: Broker, clock: Clock, log: TableLog) -> None:
        self._broker = broker
        self._clock = clock
        self._log = log
        self._streams: dict[str, Stream] = {}
        self._forks: Counter[int] = Counter()
        self._producer_count = 0
        self._under_way = 0
        """Rows that are being written."""

    @classmethod
    async def open(cls, broker: Broker, clock: Clock) -> StreamTable:
        """Read the table back. Raises: DiskFull, Unavailable."""
        table = cls(broker, clock, await broker.open_table(TABLE))
        await table._log.load(table._take)
        return table

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[Stream]:
        return iter(list(self._streams.values()))

    def get(self, name: str) -> Stream | None:
        """The stream of this name, deleted ones with forks included."""
        return self._streams.get(name)

    def fork_count(self, stream: Stream) -> int:
        """How many forks of it there are."""
        return self._forks[stream.row.log_id]

    async def write(self, rows: Sequence[Row | ProducerRow], records: Append | None = None) -> Appended | None:
        """Store rows, and records in the same commit; then the rows hold. Returns where the records are.

        Durability: as an append, when it returns. Raises: LogMQError: nothing is stored.
        """
        appends = [] if records is None else [records]
        if rows:
            appends.append(self._log.rows([msgspec.json.encode(row) for row in rows]))
        self._under_way += 1
        try:
            results = await self._broker.append(appends, atomic=len(appends) > 1)
        finally:
            self._under_way -= 1
        for result in results:
            if isinstance(result, LogMQError):
                raise result
        for row in rows:
            self._apply(row)
        if not self._under_way:
            size = _ROW_SIZE_TYPICAL * len(self._streams) + _PRODUCER_SIZE_TYPICAL * self._producer_count
            self._log.compact_if_grown(size, self._rows)
        return None if records is None else cast(Appended, results[0])

    def _take(self, payload: bytes) -> None:
        if payload != NO_ROWS:
            self._apply(_ROWS.decode(payload))

    def _apply(self, row: Row | ProducerRow) -> None:
        """Let a row hold."""
        stream = self._streams.get(row.stream)
        if stream is not None and stream.row.log_id != row.log_id:
            stream = None
        if isinstance(row, ProducerRow):
            if stream is not None:
                self._remember(stream, row.producer)
        elif row.gone:
            if stream is not None:
                self._forget(stream)
        elif stream is not None:
            stream.row = row
            if row.closed or row.deleted:
                stream.ended.set()
        else:
            if (other := self._streams.get(row.stream)) is not None:
                self._forget(other)
            self._streams[row.stream] = Stream(row, self._clock.now_ms())
            if row.fork is not None:
                self._forks[row.fork.source_log_id] += 1

    def _forget(self, stream: Stream) -> None:
        del self._streams[stream.name]
        self._producer_count -= len(stream.producers)
        stream.ended.set()
        if stream.row.fork is not None:
            self._forks[stream.row.fork.source_log_id] -= 1
            self._forks += Counter()  # without those that came to nothing

    def _remember(self, stream: Stream, producer: Producer) -> None:
        """How far the producer has come; the one that was silent for longest goes when there are too many."""
        self._producer_count -= len(stream.producers)
        stream.producers.pop(producer.id, None)
        stream.producers[producer.id] = (producer.epoch, producer.seq)
        if len(stream.producers) > STREAM_PRODUCERS_MAX:
            del stream.producers[next(iter(stream.producers))]
        self._producer_count += len(stream.producers)

    def _rows(self) -> list[bytes]:
        rows: list[Row | ProducerRow] = []
        for stream in self._streams.values():
            rows.append(stream.row)
            rows += [
                ProducerRow(stream.name, stream.row.log_id, Producer(id, epoch, seq))
                for id, (epoch, seq) in stream.producers.items()
            ]
        return [msgspec.json.encode(row) for row in rows]
