"""Version 3: a record a JSON object, and a report for each.

{"key": {"type": "BINARY", "data": "Zm9v"}, "value": {"type": "JSON", "data": {...}}, "partition_id": 1,
 "headers": [{"name": ..., "value": "<base64>"}], "timestamp": "2026-01-31T12:00:00Z"}
{"error_code": 200, "cluster_id": ..., "topic_name": ..., "partition_id": 1, "offset": 100, "timestamp": ...,
 "key": {"type": "BINARY", "size": 3}, "value": {"type": "JSON", "size": 13}}
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from logmq.limits import HTTP_TIMESTAMP_MAX_MS
from logmq.protocols.http.new_records import NO_TEXT, Content
from logmq.protocols.http.problems import InvalidInput
from logmq.protocols.http.rest_proxy.embedded import embedded
from logmq.protocols.http.rest_proxy.errors import NeedsSchema

MEDIA_TYPE = "application/json"


class Data(msgspec.Struct, frozen=True):
    """A key or a value, and what it is embedded as."""

    data: Raw = NO_TEXT
    type: str | None = None


class Header(msgspec.Struct, frozen=True):
    """A header; its value is base64."""

    name: str
    value: bytes | None = None


class Record(msgspec.Struct, frozen=True):
    """A request: one record, of which several may follow each other in one body."""

    value: Data | None = None
    key: Data | None = None
    headers: list[Header] | None = None
    partition_id: Annotated[int, Meta(ge=-(2**31), lt=2**31)] | None = None
    timestamp: datetime | None = None


class Size(msgspec.Struct, frozen=True):
    """What became of a key or a value."""

    type: str
    size: int


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a record is."""

    error_code: int
    cluster_id: str
    topic_name: str
    partition_id: int
    offset: int
    timestamp: str
    key: Size | None = None
    value: Size | None = None


class Related(msgspec.Struct, frozen=True):
    """Where something else is."""

    related: str


class ClusterMetadata(msgspec.Struct, frozen=True):
    """Where a cluster is."""

    self: str
    resource_name: str


class Cluster(msgspec.Struct, frozen=True):
    """The cluster that this broker is."""

    kind: str
    metadata: ClusterMetadata
    cluster_id: str
    topics: Related


class ListMetadata(msgspec.Struct, frozen=True):
    """Where a list is, and goes on."""

    self: str
    next: str | None = None


class ClusterList(msgspec.Struct, frozen=True):
    """All clusters: this one."""

    kind: str
    metadata: ListMetadata
    data: list[Cluster]


def content_of(record: Record) -> Content:
    """What is stored of a record. Raises: InvalidInput, NeedsSchema."""
    return Content(
        _bytes_of(record.value, "value"),
        _bytes_of(record.key, "key"),
        tuple([(header.name, header.value) for header in record.headers or ()]),
        record.partition_id,
        None if record.timestamp is None else _milliseconds(record.timestamp),
    )


def _bytes_of(given: Data | None, name: str) -> bytes | None:
    if given is None:
        return None
    match given.type:
        case "BINARY" | "JSON" | "STRING" as kind:
            return embedded(given.data, kind, f"{name}.data")
    what = "no type" if given.type is None else f"type {given.type[:40]}"
    raise NeedsSchema(f"{name} has {what}; there is no schema registry here, so use BINARY, JSON or STRING")


def report_of(cluster_id: str, topic: str, record: Record, content: Content, place: tuple[int, int, int]) -> Report:
    """The answer to a record that is stored at a partition, an offset and a time."""
    partition, offset, timestamp_ms = place
    time = (_EPOCH + timedelta(milliseconds=timestamp_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Report(
        200,
        cluster_id,
        topic,
        partition,
        offset,
        time,
        _size_of(record.key, content.key),
        _size_of(record.value, content.value),
    )


def _size_of(given: Data | None, stored: bytes | None) -> Size | None:
    return None if given is None else Size(given.type or "", len(stored or b""))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _milliseconds(time: datetime) -> int:
    milliseconds = ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= milliseconds <= HTTP_TIMESTAMP_MAX_MS:
        raise InvalidInput("the time is before 1970", "timestamp")
    return milliseconds
