"""Records over HTTP: what every call that stores or reads them shares.

NewRecord (as given)  ->  Content (bytes)  ->  appends             new_records.py, producing.py
chunks  ->  Record (bytes)  ->  RecordAnswer (as read)             reading.py, stored_records.py
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from logmq.model import Topic
from logmq.protocols.http.context import Context
from logmq.protocols.http.new_records import NewRecord, contents_of
from logmq.protocols.http.producing import Placed, produce_contents
from logmq.protocols.http.reading import read, resolve_offset
from logmq.protocols.http.stored_records import RecordAnswer, Values, answer_of, records_in
from logmq.storage.engine import Chunk


class Decoded(NamedTuple):
    """Some records of a partition, and the offset at which the following ones are read."""

    records: list[RecordAnswer]
    next_offset: int


async def produce(
    context: Context, topic_name: str, records: Sequence[NewRecord], *, partition: int | None = None
) -> list[Placed]:
    """Store records, at least one, in one append a partition; a topic that is not there is made, where allowed.

    `partition` is for those that name none. All of them are stored, or none. The answer is in their order.
    Durability: they survive as the sync mode promises when it returns.
    Raises: LogMQError; `problem_of` has the field that is at fault, such as `records[3].value.base64`.
    """
    return await produce_contents(context, topic_name, contents_of(records), partition=partition)


def decode(
    topic: Topic,
    partition: int,
    chunk: Chunk,
    offset: int,
    *,
    values: Values = "text",
    count_max: int | None = None,
    size_max: int | None = None,
) -> Decoded:
    """The records of a chunk from `offset` on: at most `count_max`, and about `size_max` bytes of them, at least one.

    The broker's own marks (control batches) are left out, so that there may be none. A batch that cannot be read
    ends what is found before it. Raises: UnreadableBatch, when that is the first one asked for.
    """
    found, next_offset = records_in(topic, chunk, offset, count_max=count_max, size_max=size_max)
    return Decoded([answer_of(partition, record, values) for record in found], next_offset)


__all__ = ["Decoded", "NewRecord", "Placed", "RecordAnswer", "decode", "produce", "read",
           "resolve_offset"]  # fmt: skip
