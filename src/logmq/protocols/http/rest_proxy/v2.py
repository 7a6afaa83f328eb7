"""Version 2: one kind of embedding for all records of a request, said by its media type.

{"records": [{"key": ..., "value": ..., "partition": 1}]}
{"offsets": [{"partition": 1, "offset": 100, "error_code": null, "error": null}], "key_schema_id": null, ...}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from logmq.protocols.http.new_records import NO_TEXT, Content
from logmq.protocols.http.rest_proxy.embedded import Embedding, embedded

MEDIA_TYPE = "application/vnd.kafka.v2+json"
EMBEDDINGS: Mapping[str, Embedding] = {
    "application/vnd.kafka.json.v2+json": "JSON",
    "application/vnd.kafka.binary.v2+json": "BINARY",
    MEDIA_TYPE: "BINARY",
}
"""By media type. Those of Avro, Protobuf and JSON Schema need a schema registry."""


class Record(msgspec.Struct, frozen=True):
    """A record to be stored."""

    value: Raw = NO_TEXT
    key: Raw = NO_TEXT
    partition: Annotated[int, Meta(ge=-(2**31), lt=2**31)] | None = None


class Records(msgspec.Struct, frozen=True):
    """A request; what it says of schemas is passed over."""

    records: Annotated[list[Record], Meta(min_length=1)]


class Placed(msgspec.Struct, frozen=True):
    """Where a record is; errors are those of the whole request, so that here are none."""

    partition: int
    offset: int
    error_code: int | None = None
    error: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """The answer, in the order of the records."""

    offsets: list[Placed]
    key_schema_id: int | None = None
    value_schema_id: int | None = None


def content_of(record: Record, kind: Embedding, name: str) -> Content:
    """What is stored of a record; `name` is how errors call it. Raises: InvalidInput."""
    return Content(
        embedded(record.value, kind, f"{name}value"),
        embedded(record.key, kind, f"{name}key"),
        partition=record.partition,
    )
