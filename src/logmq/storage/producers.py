"""What a log remembers of idempotent producers: which batches it has had of each, so that none is stored twice.

A producer numbers its records. The next batch must go on where the last one ended; one of the last few again is
answered with the offsets that it got the first time. Sequences are 31 bits and wrap. Source: KIP-98, KIP-360.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from logmq.errors import LogMQError, OutOfOrderSequence, ProducerFenced
from logmq.storage.engine import ActiveProducer, Appended, ProducerBatch

BATCHES_REMEMBERED = 5
"""As many as a producer may have under way (max.in.flight.requests.per.connection with idempotence)."""

_SEQUENCE_MASK = 0x7FFFFFFF


class Remembered(NamedTuple):
    """A batch that was stored."""

    base_sequence: int
    last_sequence: int
    appended: Appended


@dataclass(slots=True)
class Producer:
    """One producer's epoch and last batches."""

    epoch: int
    batches: deque[Remembered] = field(default_factory=lambda: deque(maxlen=BATCHES_REMEMBERED))

    @property
    def last_ms(self) -> int:
        """When it was last heard of."""
        return self.batches[-1].appended.timestamp_ms if self.batches else 0


class Producers:
    """The producers of one log, by id. Belongs to the committing thread."""

    __slots__ = ("_by_id",)

    def __init__(self) -> None:
        self._by_id: dict[int, Producer] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def rows(self) -> tuple[tuple[int, int, tuple[Remembered, ...]], ...]:
        """All that is remembered: producer id, epoch, last batches."""
        return tuple([(number, one.epoch, tuple(one.batches)) for number, one in self._by_id.items()])

    def active(self) -> list[ActiveProducer]:
        """The producers as admin clients see them."""
        return [
            ActiveProducer(number, one.epoch, one.batches[-1].last_sequence if one.batches else -1, one.last_ms)
            for number, one in self._by_id.items()
        ]

    def load(self, rows: Iterable[tuple[int, int, tuple[Remembered, ...]]]) -> None:
        """Take in what `rows` gave."""
        for producer_id, epoch, remembered in rows:
            self._by_id[producer_id] = Producer(epoch, deque(remembered, maxlen=BATCHES_REMEMBERED))

    def judge(self, batch: ProducerBatch) -> Appended | LogMQError | None:  # noqa: PLR0911 - one a case
        """None if the batch may be stored, where it went if it was stored before, or why it may not be."""
        producer = self._by_id.get(batch.producer_id)
        if producer is None:
            return None  # never heard of, or forgotten: any sequence begins anew
        if batch.epoch < producer.epoch:
            return ProducerFenced(batch.producer_id, batch.epoch, producer.epoch)
        if batch.epoch > producer.epoch:
            return None if batch.base_sequence == 0 else OutOfOrderSequence(batch.producer_id, batch.base_sequence, 0)
        for known in producer.batches:
            if (known.base_sequence, known.last_sequence) == (batch.base_sequence, _last_sequence(batch)):
                return known.appended
        if not producer.batches:
            return None
        expected = (producer.batches[-1].last_sequence + 1) & _SEQUENCE_MASK
        if batch.base_sequence != expected:
            return OutOfOrderSequence(batch.producer_id, batch.base_sequence, expected)
        return None

    def add(self, batch: ProducerBatch, appended: Appended) -> None:
        """Remember a batch that was stored."""
        producer = self._by_id.get(batch.producer_id)
        if producer is None or producer.epoch != batch.epoch:
            producer = self._by_id[batch.producer_id] = Producer(batch.epoch)
        producer.batches.append(Remembered(batch.base_sequence, _last_sequence(batch), appended))

    def copy_of(self, producer_id: int) -> Producer | None:
        """What is known of a producer, for `restore`."""
        producer = self._by_id.get(producer_id)
        return None if producer is None else Producer(producer.epoch, producer.batches.copy())

    def restore(self, producer_id: int, producer: Producer | None) -> None:
        """Put back what `copy_of` returned: what was added since was not stored after all."""
        if producer is None:
            self._by_id.pop(producer_id, None)
        else:
            self._by_id[producer_id] = producer

    def expire(self, before_ms: int) -> None:
        """Forget producers not heard of since `before_ms`."""
        for producer_id in [number for number, producer in self._by_id.items() if producer.last_ms < before_ms]:
            del self._by_id[producer_id]


def _last_sequence(batch: ProducerBatch) -> int:
    return (batch.base_sequence + batch.record_count - 1) & _SEQUENCE_MASK
