"""Between record batches and the frames of a plain topic (docs/formats.md): values only, offsets are positions."""

from __future__ import annotations

from itertools import chain, repeat

from logmq.errors import MessageTooLarge
from logmq.model import Topic, TopicPartition
from logmq.records import frames
from logmq.records.batches import TRANSACTIONAL, BatchHeader, InvalidBatch
from logmq.records.records import batch_of, decode, varint
from logmq.storage.engine import Append, Chunk

_EMPTY_RECORD_TAIL = b"\x00"


def as_frames(partition: TopicPartition, data: bytes, found: list[tuple[int, BatchHeader]], topic: Topic) -> Append:
    """The append that stores the values of produced batches as frames.

    Raises: InvalidBatch: they hold what a frame cannot; CannotDecompress, MalformedRecord, MessageTooLarge.
    """
    limit = topic.settings.message_size_max_bytes
    payloads: list[bytes] = []
    for position, header in found:
        if header.attributes & TRANSACTIONAL:
            raise InvalidBatch(f"{topic.name} is a plain topic: it takes no transactions; create one of format=batch")
        for record in decode(data[position : position + header.size], limit + 64 * header.record_count):
            if record.key is not None or record.headers or record.value is None:
                raise InvalidBatch(
                    f"{topic.name} is a plain topic, made by the text protocol: it stores values only, no key, header"
                    " or null value; send without them, or to a topic that a Kafka client or `CREATE` with"
                    " format=batch made"
                )
            if len(record.value) > limit:
                raise MessageTooLarge(len(record.value), limit)
            payloads.append(record.value)
    encoded, starts = frames.encode(payloads)
    return Append(partition, encoded, starts, starts, len(encoded))


def as_batch(chunk: Chunk, timestamp_ms: int) -> bytes:
    """The frames of a chunk as one uncompressed batch, whose offsets are the frames' positions.

    They are sparse, as in a compacted topic; the last offset delta reaches to the end of the last frame, so that the
    next fetch begins at a frame.
    """
    starts, end = frames.walk(chunk.data)
    parts = []
    sizes = [stop - start - frames.HEADER_SIZE for start, stop in zip(starts, [*starts[1:], end], strict=True)]
    heads = _heads(starts, sizes)
    payloads = frames.cut(chunk.data, starts, end)
    parts = list(chain.from_iterable(zip(heads, payloads, repeat(_EMPTY_RECORD_TAIL))))
    return batch_of(
        body=b"".join(parts),
        base_offset=chunk.first_offset,
        last_offset_delta=end - 1,
        record_count=len(starts),
        base_timestamp_ms=timestamp_ms,
        max_timestamp_ms=timestamp_ms,
    )


def _heads(starts: list[int], sizes: list[int]) -> list[bytes]:
    """Each record up to its value: size, attributes, timestamp delta 0, offset delta, null key, value length."""
    tails = {size: b"\x01" + varint(size) for size in set(sizes)}
    heads = []
    for start, size in zip(starts, sizes, strict=True):
        middle = b"\x00\x00" + varint(start) + tails[size]
        heads.append(varint(len(middle) + size + 1) + middle)
    return heads
