"""What is known of a stream beside its records, and how an idempotent producer's append is judged. No I/O, no clock."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import msgspec


class Producer(NamedTuple):
    """Who appends, and where the append stands among its others."""

    id: str
    epoch: int
    seq: int


class Fork(msgspec.Struct, frozen=True):
    """Where a stream branched off."""

    source: str
    source_log_id: int
    offset: int
    sub_offset: int


class Row(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="stream"):
    """A stream as it is kept. A row replaces the one before it; `gone` ends the stream."""

    stream: str
    log_id: int
    """Of its topic: a topic of the same name that was made later is not this stream."""
    content_type: str = ""
    ttl_s: int | None = None
    expires_ms: int | None = None
    closed: bool = False
    closed_by: Producer | None = None
    seq: str | None = None
    """The last `Stream-Seq`."""
    fork: Fork | None = None
    base: int = 0
    """What clients count beyond the offsets of the topic: a fork has no records that its source had lost already."""
    deleted: bool = False
    """Its records are gone, its name is taken until its forks are gone too."""
    gone: bool = False


class ProducerRow(msgspec.Struct, frozen=True, tag_field="kind", tag="producer"):
    """How far an idempotent producer has come in a stream."""

    stream: str
    log_id: int
    producer: Producer


@dataclass(slots=True, eq=False)
class Stream:
    """A stream as it stands."""

    row: Row
    touched_ms: int
    """When it was last read or written; of importance where it expires by that."""
    producers: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Epoch and last sequence number of each, the one heard of last at the end."""
    readers: int = 0
    """Live reads under way."""
    closing: bool = False
    """A commit that closes it is under way: nothing may come behind."""
    appending: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by appends that depend on earlier ones."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is closed or gone: who waits for more need not."""

    @property
    def name(self) -> str:
        """That of its topic."""
        return self.row.stream

    @property
    def is_json(self) -> bool:
        """Whether it keeps messages rather than bytes."""
        return media_type(self.row.content_type) == "application/json"

    @property
    def is_text(self) -> bool:
        """Whether Server-Sent Events carry it as it is."""
        return self.is_json or media_type(self.row.content_type).startswith("text/")

    def is_expired(self, now_ms: int) -> bool:
        """Whether its time is over."""
        if self.row.expires_ms is not None:
            return now_ms >= self.row.expires_ms
        return self.row.ttl_s is not None and not self.readers and now_ms - self.touched_ms >= self.row.ttl_s * 1000


def media_type(content_type: str) -> str:
    """A content type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


class Verdict(Enum):
    """What becomes of an idempotent producer's append."""

    NEW = "new"
    DUPLICATE = "duplicate"
    STALE_EPOCH = "stale epoch"
    NOT_FROM_ZERO = "not from zero"
    GAP = "gap"


def judge(producer: Producer, last: tuple[int, int] | None) -> Verdict:
    """What becomes of an append; `last` are the epoch and sequence number that the producer had come to."""
    if last is None or producer.epoch > last[0]:
        if producer.seq == 0:
            return Verdict.NEW
        return Verdict.GAP if last is None else Verdict.NOT_FROM_ZERO
    epoch, seq = last
    if producer.epoch < epoch:
        return Verdict.STALE_EPOCH
    if producer.seq <= seq:
        return Verdict.DUPLICATE
    return Verdict.NEW if producer.seq == seq + 1 else Verdict.GAP
