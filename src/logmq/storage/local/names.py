"""What the files of a data directory are called.

    orders.log                              partition 0, first segment
    orders@3.log                            partition 3, first segment
    orders@3+00000000001073741824.log       partition 3, the segment that begins at this offset
    orders@3+00000000001073741824.index     its index
    journal.1  journal.2  checkpoint        not topics: their names do not end in .log or .index

`@` and `+` cannot occur in a topic name, so that no two logs share a name.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from logmq.model import TopicPartition

CHECKPOINT = "checkpoint"
CHECKPOINT_NEW = "checkpoint.new"
META = "meta.sqlite"

_SEGMENT = re.compile(r"(?P<topic>[A-Za-z0-9._-]+)(?:@(?P<index>\d+))?(?:\+(?P<base>\d{20}))?\.(?P<kind>log|index)")
_JOURNAL = re.compile(r"journal\.(\d+)")


class SegmentName(NamedTuple):
    """The parts of a segment's or index's file name."""

    partition: TopicPartition
    base_offset: int
    kind: str


def log_name(partition: TopicPartition, base_offset: int) -> str:
    """The file of the segment that begins at `base_offset`."""
    return _stem(partition, base_offset) + ".log"


def index_name(partition: TopicPartition, base_offset: int) -> str:
    """The file of that segment's index."""
    return _stem(partition, base_offset) + ".index"


def _stem(partition: TopicPartition, base_offset: int) -> str:
    stem = partition.topic if partition.index == 0 else f"{partition.topic}@{partition.index}"
    return stem if base_offset == 0 else f"{stem}+{base_offset:020d}"


def parse_segment(name: str) -> SegmentName | None:
    """Take a segment's or index's file name apart; None for any other file."""
    match = _SEGMENT.fullmatch(name)
    if match is None:
        return None
    partition = TopicPartition(match["topic"], int(match["index"] or 0))
    return SegmentName(partition, int(match["base"] or 0), match["kind"])


def journal_name(number: int) -> str:
    """The file of the journal with this number."""
    return f"journal.{number}"


def parse_journal(name: str) -> int | None:
    """The number in a journal's file name; None for any other file."""
    match = _JOURNAL.fullmatch(name)
    return int(match[1]) if match else None
