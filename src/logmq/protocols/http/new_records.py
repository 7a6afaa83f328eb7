"""Records as clients give them: JSON in, the bytes that are stored out.

{"key": "k", "value": {"a": 1}, "headers": {"name": "text"}, "partition": 2, "timestamp_ms": 1700000000000}

"text"               its UTF-8
null, or not there   null
{"base64": "..."}    these bytes
any other JSON       its text, as it stands in the body
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Raw

from logmq.limits import HTTP_TIMESTAMP_MAX_MS, PARTITION_COUNT_MAX
from logmq.protocols.http.problems import InvalidInput

Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]
FieldNames: TypeAlias = Callable[[int], str]
"""What stands before a field's name in problems, by the record's number."""

NO_TEXT = Raw(b"null")


class Base64(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes that are no text."""

    base64: bytes


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One header of a record; names may occur again."""

    name: str
    value: str | Base64 | None


class NewRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record to be stored."""

    value: Annotated[Raw, Meta(description='a string, null, {"base64": ...} or any other JSON, kept as its text')] = (
        NO_TEXT
    )
    key: Annotated[Raw, Meta(description="as the value; records of one key go to one partition")] = NO_TEXT
    headers: dict[str, str | Base64 | None] | list[Header] | None = None
    partition: Annotated[int, Meta(ge=0, lt=PARTITION_COUNT_MAX)] | None = None
    timestamp_ms: Annotated[int, Meta(ge=0, le=HTTP_TIMESTAMP_MAX_MS)] | None = None


class Content(msgspec.Struct, frozen=True, gc=False):
    """What is stored of a record, and where it is wanted."""

    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    partition: int | None = None
    timestamp_ms: int | None = None

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        fields = (self.key, self.value, *(value for _, value in self.headers))
        return sum(len(field) for field in fields if field) + sum(len(name.encode()) for name, _ in self.headers)


def nth_record(index: int) -> str:
    """The names of the fields of a record in a list."""
    return f"records[{index}]."


def only_record(_: int) -> str:
    """The names of the fields of a record that is the whole body."""
    return ""


def contents_of(records: Sequence[NewRecord], names: FieldNames = nth_record) -> list[Content]:
    """The contents of the records, in order. Raises: InvalidInput."""
    contents: list[Content] = []
    try:
        for record in records:
            key, headers = record.key, record.headers
            contents.append(
                Content(
                    _bytes_of(record.value, "value"),
                    None if key is NO_TEXT else _bytes_of(key, "key"),
                    _headers_of(headers) if headers else (),
                    record.partition,
                    record.timestamp_ms,
                )
            )
    except InvalidInput as error:
        raise InvalidInput(str(error), f"{names(len(contents))}{error.field}") from None
    return contents


def _bytes_of(given: Raw, field: str) -> bytes | None:
    """The bytes that a JSON text stands for. It is known to be JSON and UTF-8, without halves of surrogate pairs."""
    text = bytes(given)
    match text[:1]:
        case b'"':
            return text[1:-1] if b"\\" not in text else _STRING.decode(text).encode()
        case b"n":
            return None
        case b"{" if b'"base64"' in text:
            return _binary(text, field)
    return text


def _binary(text: bytes, field: str) -> bytes:
    """The bytes of an object that has `base64` and nothing else; another object is kept as its text."""
    if _OBJECT.decode(text).keys() != {"base64"}:
        return text
    try:
        return _BASE64.decode(text).base64
    except msgspec.DecodeError:
        raise InvalidInput(
            'this is not base64: use letters, digits, "+" and "/" in groups of four, filled up with "="',
            f"{field}.base64",
        ) from None


def _headers_of(given: dict[str, str | Base64 | None] | list[Header]) -> Headers:
    pairs = given.items() if isinstance(given, dict) else [(header.name, header.value) for header in given]
    return tuple([(name, _header_value(value)) for name, value in pairs])


def _header_value(value: str | Base64 | None) -> bytes | None:
    if isinstance(value, str):
        return value.encode()
    return None if value is None else value.base64


_STRING = msgspec.json.Decoder(str)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_BASE64 = msgspec.json.Decoder(Base64)
