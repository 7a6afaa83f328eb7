"""What the files of a data directory are called.

    orders.log                              partition 0, first segment
    orders@3.log                            partition 3, first segment
    orders@3+00000000001073741824.log       partition 3, the segment that begins at this offset
    orders@3+00000000001073741824.index     its index
    journal.1  journal.2  checkpoint        not topics: their names do not end in .log or .index

`@`, `+` and `~` cannot occur in a topic name, so that no two logs share a name. The file of a topic's first segment
always bears its whole name; where the longest of its other names would not fit the 255 bytes of a file name, they have
the first letters of the topic and a digest of it instead: `<200 letters>~<16 hex digits>`.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import NamedTuple

from logmq.model import TopicPartition

CHECKPOINT = "checkpoint"
CHECKPOINT_NEW = "checkpoint.new"
META = "meta.sqlite"

_TOPIC_SIZE_MAX = 255 - len("@9999+00000000000000000000.index")
_SHORTENED_SIZE = 200
_SEGMENT = re.compile(
    r"(?P<topic>[A-Za-z0-9._-]+(?:~[0-9a-f]{16})?)(?:@(?P<index>\d+))?(?:\+(?P<base>\d{20}))?\.(?P<kind>log|index)"
)
_JOURNAL = re.compile(r"journal\.(\d+)")


class SegmentName(NamedTuple):
    """The parts of a segment's or index's file name; `stored` is its partition as `stored_partition` has it."""

    stored: TopicPartition
    base_offset: int
    kind: str


def stored_partition(partition: TopicPartition) -> TopicPartition:
    """A partition with its topic's name as file names have it."""
    return TopicPartition(_shortened(partition.topic), partition.index)


def _shortened(topic: str) -> str:
    if len(topic) <= _TOPIC_SIZE_MAX:
        return topic
    return f"{topic[:_SHORTENED_SIZE]}~{blake2b(topic.encode(), digest_size=8).hexdigest()}"


def log_name(partition: TopicPartition, base_offset: int) -> str:
    """The file of the segment that begins at `base_offset`."""
    return _stem(partition, base_offset) + ".log"


def index_name(partition: TopicPartition, base_offset: int) -> str:
    """The file of that segment's index."""
    return _stem(partition, base_offset) + ".index"


def _stem(partition: TopicPartition, base_offset: int) -> str:
    if partition.index == 0 and base_offset == 0:
        return partition.topic
    topic = _shortened(partition.topic)
    stem = topic if partition.index == 0 else f"{topic}@{partition.index}"
    return stem if base_offset == 0 else f"{stem}+{base_offset:020d}"


def parse_segment(name: str) -> SegmentName | None:
    """Take a segment's or index's file name apart; None for any other file."""
    match = _SEGMENT.fullmatch(name)
    if match is None:
        return None
    stored = TopicPartition(_shortened(match["topic"]), int(match["index"] or 0))
    return SegmentName(stored, int(match["base"] or 0), match["kind"])


def journal_name(number: int) -> str:
    """The file of the journal with this number."""
    return f"journal.{number}"


def parse_journal(name: str) -> int | None:
    """The number in a journal's file name; None for any other file."""
    match = _JOURNAL.fullmatch(name)
    return int(match[1]) if match else None
