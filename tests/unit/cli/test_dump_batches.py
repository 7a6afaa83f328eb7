"""`logmq dump` on segments of record batches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.cli.logmq_command import logmq

from logmq.records import batches, frames
from logmq.records.batches import Compression
from logmq.records.records import Record, encode

Capture = pytest.CaptureFixture[str]


def rows(path: Path, capture: Capture) -> tuple[int, list[dict[str, object]]]:
    code = logmq("dump", str(path), "--format", "json")
    return code, [json.loads(line) for line in capture.readouterr().out.splitlines()]


def test_records_are_shown(tmp_path: Path, capsys: Capture) -> None:
    """Each record is a row with its key, value and headers, whatever its codec, and with its batch and producer."""
    first = encode([Record(0, 5, b"k", None, (("h", b"v"),)), Record(1, 6, None, b"x" * 100)], Compression.ZSTD)
    second = batches.place(batches.with_producer(encode([Record(0, 7, None, b"y")]), 9, 1, 3), (0,), 2)
    path = tmp_path / "t.log"
    path.write_bytes(first + second)
    code, found = rows(path, capsys)
    assert code == 0
    assert [(row["offset"], row["timestamp_ms"], row["key"]) for row in found] == [
        (0, 5, "k"),
        (1, 6, "(null)"),
        (2, 7, "(null)"),
    ]
    assert found[0]["value"] == "(null)"
    assert found[0]["headers"] == "h=v"
    assert found[0]["batch"] == f"0+2 zstd {len(first)} bytes"
    assert found[2]["producer"] == "9 epoch 1 sequence 3"


def test_damage_is_shown(tmp_path: Path, capsys: Capture) -> None:
    """A batch with a wrong checksum and a torn end are rows of their own; what is whole is shown."""
    good = encode([Record(0, 5, None, b"a")])
    bad = bytearray(batches.place(good, (0,), 1))
    bad[-2] ^= 1
    path = tmp_path / "t.log"
    path.write_bytes(good + bytes(bad) + batches.place(good, (0,), 2) + good[:30])
    code, found = rows(path, capsys)
    assert code != 0
    assert [(row["offset"], row["value"]) for row in found] == [
        (0, "a"),
        (1, "(wrong checksum)"),
        (2, "a"),
        (f"at position {3 * len(good)}", "(30 bytes that are no whole batch)"),
    ]


def test_frames_are_not_taken_for_batches(tmp_path: Path, capsys: Capture) -> None:
    """A plain log is shown as frames, even where they begin like a batch."""
    path = tmp_path / "t.log"
    path.write_bytes(frames.encode([b"", b"", b"\x00" * 8 + b"\x02" + b"z" * 60])[0])
    assert [row["length"] for row in rows(path, capsys)[1]] == [0, 0, 69]
