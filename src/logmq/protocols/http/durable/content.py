"""Bodies to records and back.

bytes    a body is a record, or several where it is large; reading joins the values
JSON     each message is a record: one, or the elements of an array; reading gives an array
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec

from logmq.errors import MessageTooLarge
from logmq.limits import STREAM_RECORD_SIZE_MAX
from logmq.model import Topic, TopicPartition
from logmq.protocols.http.bodies import check_utf8, decoded
from logmq.protocols.http.durable.state import Stream
from logmq.records.records import batch_of, encode_values
from logmq.storage.engine import Append

_MESSAGES = msgspec.json.Decoder(list[msgspec.Raw])
_MESSAGE = msgspec.json.Decoder(msgspec.Raw)
_SPACE = b" \t\r\n"
_OVERHEAD_SIZE = 1024
"""What a batch has beside the values, at most as many records as fit."""


def messages_of(body: bytes) -> list[bytes]:
    """The messages of a JSON body, as they are written. Raises: InvalidInput."""
    check_utf8(body)
    text = body.strip(_SPACE)
    if text.startswith(b"["):
        return [bytes(message) for message in decoded(text, _MESSAGES)]
    return [bytes(decoded(text, _MESSAGE))]


def payloads_of(stream_is_json: bool, body: bytes, topic: Topic) -> list[bytes]:
    """The values of the records that a body becomes. Raises: InvalidInput, MessageTooLarge."""
    limit = topic.settings.message_size_max_bytes - _OVERHEAD_SIZE
    if stream_is_json:
        messages = messages_of(body)
        for message in messages:
            if len(message) > limit:
                raise MessageTooLarge(len(message), limit)
        return messages
    size = max(1, min(STREAM_RECORD_SIZE_MAX, limit))
    return [body[start : start + size] for start in range(0, len(body), size)]


def append_of(topic: Topic, payloads: Sequence[bytes], now_ms: int) -> Append:
    """Records, at least one, as batches."""
    limit = min(STREAM_RECORD_SIZE_MAX, topic.settings.message_size_max_bytes - _OVERHEAD_SIZE)
    groups = list(_groups(payloads, limit))
    batches = [_batch(group, now_ms) for group in groups]
    starts = list(accumulate(map(len, batches), initial=0))
    offsets = list(accumulate(map(len, groups), initial=0))
    return Append(
        TopicPartition(topic.name, 0), b"".join(batches), starts[:-1], offsets[:-1], len(payloads), timestamp_ms=now_ms
    )


def _groups(payloads: Sequence[bytes], size_max: int) -> Iterator[Sequence[bytes]]:
    first = size = 0
    for number, payload in enumerate(payloads):
        added = len(payload) + 16
        if size + added > size_max and number > first:
            yield payloads[first:number]
            first, size = number, 0
        size += added
    yield payloads[first:]


def _batch(payloads: Sequence[bytes], now_ms: int) -> bytes:
    return batch_of(
        body=encode_values(payloads, range(len(payloads))),
        base_offset=0,
        last_offset_delta=len(payloads) - 1,
        record_count=len(payloads),
        base_timestamp_ms=now_ms,
        max_timestamp_ms=now_ms,
    )


def joined(stream: Stream, values: Sequence[bytes | None]) -> bytes:
    """What a client reads: the bytes one after the other, or the messages as an array."""
    if not stream.is_json:
        return b"".join([value for value in values if value])
    array = b"[" + b",".join([b"null" if value is None else value for value in values]) + b"]"
    try:
        if len(_MESSAGES.decode(array)) == len(values):
            return array
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return b"[" + b",".join([_as_message(value) for value in values]) + b"]"


def _as_message(value: bytes | None) -> bytes:
    """A value that another protocol may have stored, as JSON whatever it is: a string where it is none."""
    try:
        if value is not None:
            value.decode()
            _MESSAGE.decode(value)
            return value
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.encode((value or b"").decode("utf-8", "replace"))
    return b"null"
