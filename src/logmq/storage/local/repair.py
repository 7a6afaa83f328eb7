"""Making an index anew from its log, without giving up the checksums that are still good."""

from __future__ import annotations

from logmq.records.codec import Codec
from logmq.storage.local.files import File
from logmq.storage.local.index import Entry
from logmq.storage.local.segment import Segment
from logmq.storage.local.tail import Tail

_SCAN_SIZE = 4 * 1024 * 1024


def repair_index(segment: Segment, codec: Codec, end: Entry) -> int:
    """Replace damaged or missing entries up to `end` by boundaries found in the log itself.

    Only the stretches without a good entry at both ends are scanned; the new checksums vouch for their bytes as they
    are now. Bytes that do not even parse are entered as damaged. Returns how many bytes were scanned.

    Durability: none before the next `Index.write`. Raises: OSError.
    """
    entries = [entry for entry in segment.index.salvage() if entry is None or entry.position <= end.position]
    segment.index.cut(0)
    tail = Tail(segment.index, segment.origin())
    scanned = 0
    trusted = True  # whether `tail` stands where the next entry's checksum begins
    for entry in entries:
        if entry is None or entry.position <= tail.position:
            trusted = False
            continue
        if not trusted:
            scanned += entry.position - tail.position
            scan(segment.file, codec, tail, entry)
        else:
            segment.index.append(entry)
            tail = Tail(segment.index, entry)
        trusted = True
    if tail.position < end.position:
        scanned += end.position - tail.position
        scan(segment.file, codec, tail, end)
    return scanned


def is_damaged(segment: Segment, end_offset: int) -> bool:
    """Whether entries of the index are damaged or missing, given where the segment ends. Raises: OSError."""
    entries = segment.index.salvage()
    last = entries[-1] if entries else segment.origin()
    return None in entries or len(entries) != len(segment.index) or last is None or last.offset != end_offset


def scan(file: File, codec: Codec, tail: Tail, stop: Entry) -> None:
    """Move `tail` over the records up to `stop`, a known boundary; what does not parse is entered as damaged."""
    data = b""
    while tail.position < stop.position:
        wanted = min(_SCAN_SIZE, stop.position - tail.position - len(data))
        more = file.read_at(tail.position + len(data), wanted)
        data += more
        found = codec.walk(data)
        if not more and not found.end:
            break
        tail.add(data[: found.end], found.starts, found.offsets, found.offset_count, stop.timestamp_ms)
        data = data[found.end :]
    if (tail.offset, tail.position) == (stop.offset, stop.position):
        tail.close(stop.timestamp_ms)
    else:
        skip_damaged(file, tail, stop)


def skip_damaged(file: File, tail: Tail, stop: Entry) -> None:
    """Move `tail` to `stop` over bytes that nothing vouches for: whoever reads them gets an error for their range."""
    tail.close(stop.timestamp_ms)
    tail.skip(file.read_at(tail.position, stop.position - tail.position), stop)
