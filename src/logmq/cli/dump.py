"""`logmq dump`: what lies in the files of a data directory, read without a broker and without changing anything.

A running broker does no harm: what it is just writing may then look torn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from logmq.cli.exits import ExitCode
from logmq.cli.options import Format
from logmq.cli.output import OutputFormat
from logmq.cli.table import print_table
from logmq.errors import LogMQError, RequestError
from logmq.limits import DECOMPRESSED_SIZE_MAX
from logmq.records import batches, frames
from logmq.records.records import decode
from logmq.storage.local import checkpoint
from logmq.storage.local.index import salvage_entries
from logmq.storage.local.journal import HEADER_SIZE, decode_header, find_record
from logmq.storage.local.names import CHECKPOINT, parse_journal, parse_segment

Row = dict[str, Any]

_PREVIEW_SIZE = 60
_BLOCK_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is, and what of it is shown."""

    name: str
    columns: tuple[str, ...]


LOG = Kind("segment", ("offset", "length", "payload"))
BATCHES = Kind("segment", ("offset", "timestamp_ms", "key", "value", "headers", "batch", "producer"))
INDEX = Kind("index", ("number", "offset", "position", "timestamp_ms", "crc32c"))
JOURNAL = Kind("journal", ("commit", "synced", "timestamp_ms", "log_id", "kind", "position", "first_offset", "size"))
CHECKPOINT_KIND = Kind(
    "checkpoint", ("log_id", "log_start_offset", "base_offset", "end_offset", "end_position", "last_append_ms")
)
DIRECTORY = Kind("directory", ("file", "kind", "bytes"))


def dump(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A data directory, or a file in one.")] = Path("data"),
    limit: Annotated[int, typer.Option(min=1, metavar="COUNT", help="Rows to show.")] = 1000,
    output: Format = OutputFormat.TEXT,
) -> None:
    """Show what a segment, an index, a journal file, the checkpoint or a whole directory holds."""
    kind, rows = _open(path)
    shown: list[Row] = []
    more = False
    for row in rows:
        if len(shown) == limit:
            more = True
            break
        shown.append(row)
        if output is OutputFormat.JSON:
            typer.echo(json.dumps(row))
    if output is OutputFormat.TEXT:
        print_table(kind.columns, [[row[column] for column in kind.columns] for row in shown], exact=kind.columns)
    if more:
        typer.echo(f"... there is more: --limit {limit}", err=True)
    if any(row.get("damaged") for row in shown):
        typer.echo("some of it is damaged", err=True)
        raise typer.Exit(ExitCode.REFUSED)


def _open(path: Path) -> tuple[Kind, Iterator[Row]]:
    if not path.exists():
        raise RequestError(f"{path} is not there: name a data directory or a file in one")
    if path.is_dir():
        return DIRECTORY, _directory(path)
    segment = parse_segment(path.name)
    if segment is not None:
        if segment.kind != "log":
            return INDEX, _entries(path)
        if _holds_batches(path, segment.base_offset):
            return BATCHES, _records(path)
        return LOG, _frames(path, segment.base_offset)
    if parse_journal(path.name) is not None:
        return JOURNAL, _commits(path)
    if path.name == CHECKPOINT:
        return CHECKPOINT_KIND, _checkpoint(path)
    raise RequestError(f"{path} is no file that LogMQ writes: try a .log, an .index, journal.1 or checkpoint")


def _directory(path: Path) -> Iterator[Row]:
    for file in sorted(path.iterdir()):
        segment = parse_segment(file.name)
        kind = "-"
        if segment is not None:
            kind = f"{'segment' if segment.kind == 'log' else 'index'} of {segment.stored}"
        elif parse_journal(file.name) is not None or file.name == CHECKPOINT:
            kind = file.name.partition(".")[0]
        elif file.name.startswith("meta.sqlite"):
            kind = "topics and settings"
        yield {"file": file.name, "kind": kind, "bytes": file.stat().st_size}


def _frames(path: Path, base_offset: int) -> Iterator[Row]:
    with path.open("rb") as file:
        data, offset = b"", base_offset
        while block := file.read(_BLOCK_SIZE):
            data += block
            starts, end = frames.walk(data)
            for start, payload in zip(starts, frames.cut(data, starts, end), strict=True):
                yield {"offset": offset + start, "length": len(payload), "payload": _preview(payload)}
            data, offset = data[end:], offset + end
        if data:
            yield {"offset": offset, "length": len(data), "payload": "(not a whole frame)", "damaged": True}


def _holds_batches(path: Path, base_offset: int) -> bool:
    """Whether a segment begins with a batch: of a plain log's frames none looks like one, down to its checksum."""
    with path.open("rb") as file:
        data = file.read(batches.HEADER_SIZE)
        if len(data) < batches.HEADER_SIZE:
            return False
        header = batches.header_at(data, 0)
        if header.magic != batches.MAGIC or header.base_offset != base_offset or header.length < 0:
            return False
        data += file.read(header.size - len(data))
    return batches.matches_checksum(data, 0)


def _records(path: Path) -> Iterator[Row]:
    """A row for each record; one for a batch that shows no records, and one for what is damaged."""
    with path.open("rb") as file:
        data, position = b"", 0
        while block := file.read(_BLOCK_SIZE):
            data += block
            end = 0
            for start, header in batches.headers(data):
                yield from _records_of(data[start : start + header.size], header)
                end = start + header.size
            data, position = data[end:], position + end
        if data:
            yield _damaged_batch(f"at position {position}", f"({len(data)} bytes that are no whole batch)")


def _records_of(data: bytes, header: batches.BatchHeader) -> Iterator[Row]:
    if not batches.matches_checksum(data, 0):
        yield _damaged_batch(header.base_offset, "(wrong checksum)")
        return
    about = {"batch": _describe_batch(header), "producer": _describe_producer(header)}
    if header.attributes & batches.CONTROL:
        marker = {"offset": header.base_offset, "timestamp_ms": header.max_timestamp_ms, "value": "(marker)"}
        yield {**dict.fromkeys(BATCHES.columns, ""), **marker, **about}
        return
    try:
        for record in decode(data, DECOMPRESSED_SIZE_MAX):
            headers = " ".join([f"{key}={_preview_of(value)}" for key, value in record.headers])
            yield {
                "offset": record.offset,
                "timestamp_ms": record.timestamp_ms,
                "key": _preview_of(record.key),
                "value": _preview_of(record.value),
                "headers": headers,
                **about,
            }
    except LogMQError as error:
        yield _damaged_batch(header.base_offset, f"({error})")


def _damaged_batch(offset: int | str, reason: str) -> Row:
    return {**dict.fromkeys(BATCHES.columns, ""), "offset": offset, "value": reason, "damaged": True}


def _describe_batch(header: batches.BatchHeader) -> str:
    """Such as `0+3 zstd 120 bytes`: base offset, count, codec and size, and what else is set."""
    codec = header.compression
    words = [f"{header.base_offset}+{header.record_count}"]
    words.append(batches.Compression(codec).name.lower() if codec <= batches.Compression.ZSTD else f"codec {codec}")
    words.append(f"{header.size} bytes")
    flags = ((batches.LOG_APPEND_TIME, "append time"), (batches.TRANSACTIONAL, "transactional"))
    words += [word for flag, word in flags if header.attributes & flag]
    return " ".join(words)


def _describe_producer(header: batches.BatchHeader) -> str:
    if header.producer_id < 0:
        return ""
    return f"{header.producer_id} epoch {header.producer_epoch} sequence {header.base_sequence}"


def _preview_of(field: bytes | None) -> str:
    return "(null)" if field is None else _preview(field)


def _preview(payload: bytes) -> str:
    text = payload[:_PREVIEW_SIZE].decode("utf-8", "backslashreplace")
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown + ("..." if len(payload) > _PREVIEW_SIZE else "")


def _entries(path: Path) -> Iterator[Row]:
    for number, entry in enumerate(salvage_entries(path.read_bytes())):
        if entry is None:
            damaged = dict.fromkeys(INDEX.columns, "?")
            yield {**damaged, "number": number, "crc32c": "(wrong checksum)", "damaged": True}
        else:
            offset, position, timestamp_ms, crc = entry
            fields = (number, offset, position, timestamp_ms, f"{crc:08x}")
            yield dict(zip(INDEX.columns, fields, strict=True))


def _commits(path: Path) -> Iterator[Row]:
    data = path.read_bytes()
    header = decode_header(data[:HEADER_SIZE])
    record = None if header is None else find_record(data, HEADER_SIZE, header.salt)
    while header is not None and record is not None:
        for part in record.parts:
            fields = (
                *(record.commit, record.synced, record.timestamp_ms, part.log_id, part.kind.name.lower()),
                *(part.position, part.first_offset, part.size),
            )
            yield dict(zip(JOURNAL.columns, fields, strict=True))
        record = find_record(data, record.end, header.salt)


def _checkpoint(path: Path) -> Iterator[Row]:
    found = checkpoint.decode(path.read_bytes())
    if found is None:
        yield {**dict.fromkeys(CHECKPOINT_KIND.columns, "?"), "log_id": "(wrong checksum)", "damaged": True}
        return
    for log_id, log in found.logs.items():
        yield dict(zip(CHECKPOINT_KIND.columns, (log_id, *log), strict=True))
