"""The audit: everything the logs serve, and every byte of their files, beside the ledger."""

from __future__ import annotations

from random import Random

from tests.simulation.disk import SimulatedDisk
from tests.simulation.ledger import Ledger, Stream, demand

from logmq.errors import LogMQError
from logmq.model import TopicPartition
from logmq.records import frames
from logmq.storage.engine import Chunk
from logmq.storage.local.log import Log
from logmq.storage.local.names import parse_segment, stored_partition


def read(log: Log, offset: int, size_max: int, rng: Random) -> Chunk:
    """One read, first without waiting for the disk, as a server does it."""
    chunk = log.read(offset, size_max, may_wait=rng.random() < 0.5)
    if chunk is None:
        chunk = log.read(offset, size_max, may_wait=True)
    assert chunk is not None
    return chunk


def check_chunk(chunk: Chunk, offset: int, log: Log, stream: Stream) -> None:
    """What a read answered must be whole frames that were sent, from the first one at or after `offset` on."""
    partition, end = log.spec.partition, log.committed.offset
    first_offset = min(end, stream.first_at_or_after(offset))
    demand(chunk.first_offset == first_offset, partition, "gave", chunk.first_offset, "for", offset)
    demand(chunk.next_offset <= end, partition, "gave offsets up to", chunk.next_offset, "of", end)
    sent = bytes(stream.data[first_offset : chunk.next_offset])
    demand(chunk.data == sent, partition, f"[{first_offset}, {chunk.next_offset}) is not what was sent")
    demand(bool(chunk.data) or first_offset == end, partition, "gave nothing at", offset)
    demand(frames.walk(chunk.data)[1] == len(chunk.data), partition, "gave a part of a frame at", offset)


def check_served(log: Log, stream: Stream, rng: Random) -> None:
    """Read all of a log in chunks of any size, and at a few offsets anywhere."""
    end = log.committed.offset
    try:
        offset = log.log_start_offset
        size_max = rng.choice((1, 700, 5_000, 1 << 20))
        while offset < end:
            chunk = read(log, offset, size_max, rng)
            check_chunk(chunk, offset, log, stream)
            offset = chunk.next_offset
        for _ in range(4):
            offset = rng.randint(log.log_start_offset, end + 10)
            check_chunk(read(log, offset, size_max, rng), min(offset, end), log, stream)
    except LogMQError as error:
        demand(False, log.spec.partition, "cannot be read:", repr(error))


def check_files(disk: SimulatedDisk, log: Log, stream: Stream) -> None:
    """The log's files hold the frames that were sent, back to back, and nothing else."""
    names = [parsed for name in disk.sizes() if (parsed := parse_segment(name)) is not None and parsed.kind == "log"]
    bases = sorted(name.base_offset for name in names if name.stored == stored_partition(log.spec.partition))
    demand(bases == [segment.base_offset for segment in log.segments], log.spec.partition, "has files", bases)
    content = b"".join(disk.content(segment.name) for segment in log.segments)
    sent = bytes(stream.data[bases[0] : log.committed.offset])
    demand(content == sent, log.spec.partition, f"holds {len(content)} bytes that are not the {len(sent)} sent")


def audit(disk: SimulatedDisk, logs: dict[TopicPartition, Log], ledger: Ledger, rng: Random) -> None:
    """Compare all logs with the ledger. Nothing may be written and unpublished. Raises: Violation."""
    for partition, log in logs.items():
        stream = ledger.streams.get(partition, Stream())
        demand(log.committed.offset == len(stream.data), partition, "ends at", log.committed.offset)
        check_served(log, stream, rng)
        check_files(disk, log, stream)
