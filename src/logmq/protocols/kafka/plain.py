"""Between record batches and the frames of a plain topic (docs/formats.md): values only, offsets are positions."""

from __future__ import annotations

from logmq.errors import MessageTooLarge
from logmq.model import Topic, TopicPartition
from logmq.records import frames
from logmq.records.batches import TRANSACTIONAL, BatchHeader, InvalidBatch
from logmq.records.records import batch_of, decode, encode_values
from logmq.storage.engine import Append, Chunk


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
    return batch_of(
        body=encode_values(frames.cut(chunk.data, starts, end), starts),
        base_offset=chunk.first_offset,
        last_offset_delta=end - 1,
        record_count=len(starts),
        base_timestamp_ms=timestamp_ms,
        max_timestamp_ms=timestamp_ms,
    )
