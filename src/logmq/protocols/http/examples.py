"""An example of each call, for its documentation: what is sent, and what is answered to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from logmq.protocols.http.bodies import JSON

_V2_JSON = "application/vnd.kafka.json.v2+json"


@dataclass(frozen=True, slots=True)
class Part:
    """A variable part of paths."""

    meaning: str
    example: str
    pattern: str | None = None
    """A regular expression for what it may be, where not every text will do."""


PARTS_OF_PATHS: Mapping[str, Part] = {
    "topic": Part("the name of the topic", "orders", r"^[A-Za-z0-9._-]{1,249}$"),
    "group": Part("the name of the group; a slash in it is written %2F", "billing"),
    "offset": Part("the offset of the record", "0", r"^[0-9]{1,19}$"),
    "partition": Part("the number of the partition", "0", r"^[0-9]{1,9}$"),
    "cluster": Part("the id of the cluster, as GET /broker has it", "6AWX2vyIRmuaURR5-xQCNA"),
}


@dataclass(frozen=True, slots=True)
class Example:
    """What goes with a call, and what comes of it: text, or what JSON makes of it."""

    query: str = ""
    body: Any = None
    body_type: str = JSON
    answer: Any = None


_OFFSET = {
    "topic": "orders", "partition": 0, "offset": 1, "metadata": "", "committed_ms": 1767225600000,
    "log_start_offset": 0, "high_watermark": 2, "lag": 1, "offset_unit": "records", "member_id": None,
}  # fmt: skip
_RECORD = {
    "partition": 0, "offset": 0, "timestamp_ms": 1767225600000, "key": "customer-1", "value": {"total": 12.5},
    "headers": [{"name": "source", "value": "web"}], "size_bytes": 34,
}  # fmt: skip
_PARTITION = {"partition": 0, "log_start_offset": 0, "high_watermark": 2, "size_bytes": 180, "segment_count": 1}
_SETTING = {
    "name": "retention.ms", "value": "7d", "source": "topic",
    "meaning": "age at which the topic's old segments are deleted",
}  # fmt: skip
_TOPIC = {
    "name": "orders", "format": "batch", "internal": False, "offset_unit": "records", "created_ms": 1767225600000,
    "size_bytes": 180, "partitions": [_PARTITION], "settings": [_SETTING],
}  # fmt: skip
_TOPIC_LINE = {
    "name": "orders", "format": "batch", "internal": False, "partition_count": 1, "size_bytes": 180,
    "offset_unit": "records",
}  # fmt: skip
_GROUP_LINE = {
    "group": "billing", "type": "classic", "state": "Empty", "member_count": 0, "topic_count": 1, "lag": 1,
}  # fmt: skip
_GROUP = {
    "group": "billing", "type": "classic", "state": "Empty", "protocol": "", "generation": 0,
    "coordinator": "127.0.0.1:8080", "members": [], "offsets": [_OFFSET],
}  # fmt: skip
_READY = {"status": "ready", "reason": "the broker takes requests"}
_PLACED = {"offset": 2, "partition": 0, "error_code": None, "error": None}
_V2_ANSWER = {"offsets": [_PLACED], "key_schema_id": None, "value_schema_id": None}
_REPORT = {
    "error_code": 200, "cluster_id": "6AWX2vyIRmuaURR5-xQCNA", "topic_name": "orders", "partition_id": 0, "offset": 4,
    "timestamp": "2026-01-01T00:00:00.000Z", "key": {"type": "BINARY", "size": 10},
    "value": {"type": "JSON", "size": 14},
}  # fmt: skip


def _event(data: Any, *, event: str = "", position: str = "") -> str:
    """A Server-Sent Event."""
    fields = {"id": position, "event": event, "data": json.dumps(data)}
    return "".join(f"{name}: {text}\n" for name, text in fields.items() if text) + "\n"


EXAMPLES: Mapping[tuple[str, str], Example] = {
    ("GET", "/topics"): Example(query="search=ord", answer={"topics": [_TOPIC_LINE], "total": 1, "next": None}),
    ("POST", "/topics"): Example(
        body={"name": "orders", "partitions": 1, "settings": {"retention.ms": "7d"}}, answer=_TOPIC
    ),
    ("GET", "/topics/{topic}"): Example(answer=_TOPIC),
    ("PATCH", "/topics/{topic}"): Example(body={"settings": {"retention.ms": "7d"}}, answer=_TOPIC),
    ("POST", "/topics/{topic}/records"): Example(
        body={
            "records": [
                {"key": "customer-1", "value": {"total": 12.5}, "headers": {"source": "web"}},
                {"value": "text"},
            ]
        },
        answer={"offsets": [{"partition": 0, "offset": 0}, {"partition": 0, "offset": 1}]},
    ),
    ("GET", "/topics/{topic}/records"): Example(
        query="offset=earliest&count=1&values=json",
        answer={
            "topic": "orders",
            "partition": 0,
            "log_start_offset": 0,
            "high_watermark": 2,
            "records": [_RECORD],
            "next_offset": 1,
        },
    ),
    ("GET", "/topics/{topic}/search"): Example(
        query="query=customer",
        answer=_event(_RECORD, event="match")
        + _event({"reason": "end", "matches": 1, "scanned_records": 2, "scanned_bytes": 180}, event="end"),
    ),
    ("GET", "/topics/{topic}/stream"): Example(
        query="offset=earliest&values=json", answer=_event(_RECORD, position="0")
    ),
    ("GET", "/groups"): Example(answer={"groups": [_GROUP_LINE], "total": 1, "next": None}),
    ("GET", "/groups/{group}"): Example(answer=_GROUP),
    ("GET", "/groups/{group}/offsets"): Example(answer={"offsets": [_OFFSET]}),
    ("PUT", "/groups/{group}/offsets"): Example(
        body={"offsets": [{"topic": "orders", "partition": 0, "offset": 1}]}, answer={"offsets": [_OFFSET]}
    ),
    ("DELETE", "/groups/{group}/offsets"): Example(query="topic=orders"),
    ("POST", "/groups/{group}/reset"): Example(
        body={"topic": "orders", "to": "earliest", "dry_run": True},
        answer={"offsets": [{"topic": "orders", "partition": 0, "from": 1, "to": 0}]},
    ),
    ("GET", "/healthz"): Example(answer=_READY),
    ("GET", "/readyz"): Example(answer=_READY),
    ("PUT", "/streams/{topic}"): Example(body="", body_type="*/*"),
    ("POST", "/streams/{topic}"): Example(body="text", body_type="*/*"),
    ("GET", "/streams/{topic}"): Example(query="offset=-1", answer="text"),
    ("POST", "/topics/{topic}"): Example(
        body={"records": [{"key": "customer-1", "value": {"total": 12.5}}]}, body_type=_V2_JSON, answer=_V2_ANSWER
    ),
    ("POST", "/topics/{topic}/partitions/{partition}"): Example(
        body={"records": [{"value": {"total": 12.5}}]}, body_type=_V2_JSON, answer=_V2_ANSWER
    ),
    ("POST", "/v3/clusters/{cluster}/topics/{topic}/records"): Example(
        body={
            "key": {"type": "BINARY", "data": "Y3VzdG9tZXItMQ=="},
            "value": {"type": "JSON", "data": {"total": 12.5}},
        },
        answer=_REPORT,
    ),
}
"""By method and path. Calls without one have nothing that an example would explain, or say too much for one."""
