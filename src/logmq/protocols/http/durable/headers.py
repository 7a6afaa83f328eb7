"""What the headers of Durable Streams requests say, checked."""

from __future__ import annotations

import re
from datetime import datetime

from starlette.datastructures import Headers

from logmq.limits import STREAM_PRODUCER_ID_SIZE_MAX, STREAM_SEQ_SIZE_MAX
from logmq.protocols.http.durable.state import Producer
from logmq.protocols.http.problems import InvalidInput

DEFAULT_TYPE = "application/octet-stream"
_NUMBER = re.compile(r"0|[1-9]\d{0,15}")
_SAFE_INTEGER_MAX = 2**53 - 1
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CONTENT_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}(?:\s*;.*)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")
_CONTENT_TYPE_SIZE_MAX = 256


def content_type_of(headers: Headers) -> str | None:
    """The type of the body; None if it is not given. Raises: InvalidInput."""
    text = headers.get("content-type", "").strip()
    if not text:
        return None
    if len(text) > _CONTENT_TYPE_SIZE_MAX or not text.isascii() or _CONTENT_TYPE.fullmatch(text) is None:
        raise InvalidInput("this is no content type", "Content-Type")
    return text


def closes(headers: Headers) -> bool:
    """Whether the stream is to be closed. Anything but true means no."""
    return headers.get("stream-closed", "").lower() == "true"


def expiry_of(headers: Headers) -> tuple[int | None, int | None]:
    """Seconds of idleness, or the moment in milliseconds, after which the stream is gone. Raises: InvalidInput."""
    ttl, at = headers.get("stream-ttl"), headers.get("stream-expires-at")
    if ttl is not None and at is not None:
        raise InvalidInput("a stream expires after some time or at some time: give one of the two", "Stream-TTL")
    return (
        None if ttl is None else number(ttl, "Stream-TTL"),
        None if at is None else _moment_ms(at),
    )


def _moment_ms(text: str) -> int:
    try:
        if _TIME.fullmatch(text) is None:
            raise ValueError(text)
        return int(datetime.fromisoformat(text.upper()).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidInput("this is no time such as 2026-01-31T12:00:00Z", "Stream-Expires-At") from None


def number(text: str, name: str) -> int:
    """A whole number, as plainly written as can be. Raises: InvalidInput."""
    if _NUMBER.fullmatch(text) is None or not text.isascii() or int(text) > _SAFE_INTEGER_MAX:
        raise InvalidInput(f"this is no whole number from 0 to {_SAFE_INTEGER_MAX}", name)
    return int(text)


def producer_of(headers: Headers) -> Producer | None:
    """The idempotent producer that appends. Raises: InvalidInput."""
    id, epoch, seq = (headers.get(name) for name in ("producer-id", "producer-epoch", "producer-seq"))
    if id is None and epoch is None and seq is None:
        return None
    if not id or epoch is None or seq is None:
        raise InvalidInput("Producer-Id, Producer-Epoch and Producer-Seq belong together, none empty", "Producer-Id")
    if len(id) > STREAM_PRODUCER_ID_SIZE_MAX:
        raise InvalidInput(f"a producer's id has at most {STREAM_PRODUCER_ID_SIZE_MAX} characters", "Producer-Id")
    return Producer(id, number(epoch, "Producer-Epoch"), number(seq, "Producer-Seq"))


def seq_of(headers: Headers) -> str | None:
    """The writer's own number of the append. Raises: InvalidInput."""
    seq = headers.get("stream-seq")
    if seq is not None and len(seq) > STREAM_SEQ_SIZE_MAX:
        raise InvalidInput(f"it has at most {STREAM_SEQ_SIZE_MAX} characters", "Stream-Seq")
    return seq
