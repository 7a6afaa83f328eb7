"""Records: produce in each of the forms, read, wait, download."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from logmq.errors import OffsetOutOfRange
from logmq.limits import (
    HTTP_READ_COUNT_MAX,
    HTTP_READ_SIZE_MAX,
    HTTP_READ_TIME_MAX_MS,
    HTTP_RECORDS_AT_ONCE_MAX,
    HTTP_SLICE_SIZE,
    HTTP_TIMESTAMP_MAX_MS,
    MIB,
    PARTITION_COUNT_MAX,
)
from logmq.model import Format, TopicPartition
from logmq.protocols.http.bodies import (
    JSON,
    Query,
    answer_json,
    body_of,
    check_object_count,
    check_utf8,
    decoded,
    media_type_of,
    query_of,
)
from logmq.protocols.http.context import context_of
from logmq.protocols.http.long_poll import wait_for_client
from logmq.protocols.http.media_types import wanted_type
from logmq.protocols.http.new_records import (
    NO_TEXT,
    Content,
    FieldNames,
    NewRecord,
    contents_of,
    nth_record,
    only_record,
)
from logmq.protocols.http.problems import InvalidInput, NoRecord
from logmq.protocols.http.producing import Placed, check_record_count, produce_contents
from logmq.protocols.http.reading import find_records, resolve_offset
from logmq.protocols.http.record_lines import produce_lines
from logmq.protocols.http.stored_records import NO_TIME, Found, RecordAnswer, Values, answer_of
from logmq.records.records import Record

NDJSON = "application/x-ndjson"
BYTES = "application/octet-stream"
_LINES = frozenset({NDJSON, "application/ndjson", "application/jsonl"})
_FORM = "application/x-www-form-urlencoded"
"""What curl says of a body unless it is told what it is."""

Partition = Annotated[int, Meta(ge=0, lt=PARTITION_COUNT_MAX, description="the number of the partition")]


class ProduceQuery(Query, frozen=True):
    """Where records go; key and time only of a body that is a value itself."""

    partition: Annotated[int, Meta(ge=0, lt=PARTITION_COUNT_MAX, description="for records that name none")] | None = (
        None
    )
    key: Annotated[str, Meta(description="the key of a value that is the body")] | None = None
    timestamp_ms: (
        Annotated[int, Meta(ge=0, le=HTTP_TIMESTAMP_MAX_MS, description="the time of a value that is the body")] | None
    ) = None


class NewRecords(NewRecord, frozen=True, forbid_unknown_fields=True):
    """Records to be stored: a list of them, or the fields of one alone."""

    records: list[NewRecord] | None = None


class ProducedAnswer(msgspec.Struct, frozen=True):
    """Where the records are, in their order."""

    offsets: list[Placed]


class ReadQuery(Query, frozen=True):
    """Which records to read."""

    partition: Partition = 0
    offset: Annotated[
        str,
        Meta(description="a number, earliest, latest, -10 (the last ten), @ and milliseconds, or an ISO 8601 time"),
    ] = "earliest"
    count: Annotated[int, Meta(ge=1, le=HTTP_READ_COUNT_MAX, description="records at most")] = 100
    timeout_ms: Annotated[
        int, Meta(ge=0, le=HTTP_READ_TIME_MAX_MS, description="how long to wait if there are none")
    ] = 0
    bytes_max: Annotated[
        int, Meta(ge=1, le=HTTP_READ_SIZE_MAX, description="about how many bytes of records at most, but at least one")
    ] = MIB
    values: Annotated[Values, Meta(description="json: values that are JSON are given as JSON")] = "text"


class RecordsAnswer(msgspec.Struct, frozen=True):
    """Records of a partition, and where they go on."""

    topic: str
    partition: int
    log_start_offset: int
    high_watermark: int
    records: list[RecordAnswer]
    next_offset: int


class DownloadQuery(Query, frozen=True):
    """Where the record is."""

    partition: Partition = 0


# -- producing -------------------------------------------------------------------------------------------------------


async def produce_records(request: Request) -> Response:
    """Store records. Durability: they survive as the sync mode promises when it is answered."""
    query, context, topic = query_of(request, ProduceQuery), context_of(request), request.path_params["topic"]
    kind = media_type_of(request)
    if kind != JSON and kind not in _LINES:
        return await _produce_value(request, query, kind)
    for name in ("key", "timestamp_ms"):
        if getattr(query, name) is not None:
            raise InvalidInput("this goes with a body that is the value; in JSON it is a field of the record", name)
    if kind in _LINES:
        return answer_json(await produce_lines(request, context, topic, query.partition))
    body = await body_of(request)
    is_small = len(body) <= HTTP_SLICE_SIZE and body.count(b"{") <= HTTP_RECORDS_AT_ONCE_MAX
    contents, names = _contents_in(body) if is_small else await asyncio.to_thread(_contents_in, body)
    placed = await produce_contents(context, topic, contents, partition=query.partition, names=names)
    return answer_json(ProducedAnswer(placed))


def _contents_in(body: bytes) -> tuple[list[Content], FieldNames]:
    """The records of a JSON body, and how problems call their fields. Raises: InvalidInput."""
    check_utf8(body)
    check_object_count(body)
    given = decoded(body, _NEW_RECORDS)
    if given.records is None:
        if given.value is NO_TEXT:
            raise InvalidInput('the body has neither "records" nor a "value"')
        return contents_of([given], only_record), only_record
    if _has_fields(given):
        raise InvalidInput('fields of a record stand in "records", not beside it')
    if not given.records:
        raise InvalidInput("there are no records", "records")
    check_record_count(len(given.records))
    return contents_of(given.records), nth_record


def _has_fields(given: NewRecord) -> bool:
    others = (given.headers, given.partition, given.timestamp_ms)
    return given.value is not NO_TEXT or given.key is not NO_TEXT or others != (None, None, None)


async def _produce_value(request: Request, query: ProduceQuery, kind: str) -> Response:
    """The body is the value. A plain topic holds nothing else, so there its type is not kept."""
    context, body = context_of(request), await body_of(request)
    topic = await context.broker.ensure_topic(request.path_params["topic"], format=Format.BATCH)
    kept = kind not in {"", _FORM} and topic.format is Format.BATCH
    content = Content(
        body,
        None if query.key is None else query.key.encode(),
        (("content-type", request.headers["content-type"].encode("latin-1")),) if kept else (),
        timestamp_ms=query.timestamp_ms,
    )
    placed = await produce_contents(context, topic.name, [content], partition=query.partition, names=only_record)
    return answer_json(ProducedAnswer(placed))


# -- reading ---------------------------------------------------------------------------------------------------------


async def read_records(request: Request) -> Response:
    """Records from an offset on; with a timeout those that come in that time, if there are none."""
    query, context = query_of(request, ReadQuery), context_of(request)
    kind = wanted_type(request, (JSON, NDJSON, BYTES))
    partition = TopicPartition(request.path_params["topic"], query.partition)
    context.broker.check_partition(partition)
    offset = await resolve_offset(context, partition, query.offset)
    found = await find_records(context, partition, offset, 1 if kind == BYTES else query.count, query.bytes_max)
    deadline = asyncio.get_running_loop().time() + query.timeout_ms / 1000
    while not found.records and (left_s := deadline - asyncio.get_running_loop().time()) > 0:
        if not await wait_for_client(request, context.broker.wait(partition, found.next_offset, left_s)):
            break
        found = await find_records(context, partition, found.next_offset, query.count, query.bytes_max)
    if kind == BYTES:
        return _answer_value(partition, found)
    records = [answer_of(partition.index, record, query.values) for record in found.records]
    if kind == NDJSON:
        return Response(_encode_lines(records), headers=_places(partition, found.next_offset), media_type=NDJSON)
    bounds = context.broker.bounds(partition)
    return answer_json(
        RecordsAnswer(
            partition.topic,
            partition.index,
            bounds.log_start_offset,
            bounds.high_watermark,
            records,
            found.next_offset,
        )
    )


def _answer_value(partition: TopicPartition, found: Found) -> Response:
    """The value of the first record alone; no content if there is none."""
    if not found.records:
        return Response(status_code=204, headers=_places(partition, found.next_offset))
    record = found.records[0]
    return Response(record.value or b"", headers=_places(partition, found.next_offset, record), media_type=BYTES)


def _places(partition: TopicPartition, next_offset: int, record: Record | None = None) -> dict[str, str]:
    headers = {"LogMQ-Partition": str(partition.index), "LogMQ-Next-Offset": str(next_offset)}
    if record is not None:
        headers["LogMQ-Offset"] = str(record.offset)
        if record.timestamp_ms != NO_TIME:
            headers["LogMQ-Timestamp"] = str(record.timestamp_ms)
        if record.value is None:
            headers["LogMQ-Value"] = "null"
    return headers


async def download_record(request: Request) -> Response:
    """The value of the record at an offset, to be saved as a file."""
    query, context = query_of(request, DownloadQuery), context_of(request)
    partition = TopicPartition(request.path_params["topic"], query.partition)
    context.broker.check_partition(partition)
    offset = _offset_in(request.path_params["offset"])
    try:
        found = await find_records(context, partition, offset, 1, 1)
    except OffsetOutOfRange as error:
        raise NoRecord(str(error), "offset") from None
    if not found.records or found.records[0].offset != offset:
        raise NoRecord(f"there is no record at the very offset {offset} of {partition}", "offset")
    answer = _answer_value(partition, found)
    name = f"{partition.topic}-{partition.index}-{offset}.bin"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _offset_in(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 20:
        return int(text)
    raise InvalidInput(f"{text[:40]!r} is no offset: use a number", "offset")


_NEW_RECORDS = msgspec.json.Decoder(NewRecords)
_encode_lines = msgspec.json.Encoder().encode_lines
