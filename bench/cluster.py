"""What a leader of a cluster carries: `python bench/cluster.py`, beside one etcd and one SeaweedFS on this machine.

The engine alone, without a protocol around it: appends as the broker makes them, acknowledged as to its clients.
Both services are the tests' own; neither syncs as one would let it in production, and all share the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

sys.path[:0] = [str(Path(__file__).parents[1])]

from tests.integration.cluster.processes import Etcd, Seaweed  # noqa: E402

from bench.machine import facts  # noqa: E402
from logmq.clock import SYSTEM_CLOCK  # noqa: E402
from logmq.config import Config, topic_settings  # noqa: E402
from logmq.model import Format, TopicPartition  # noqa: E402
from logmq.records import batches  # noqa: E402
from logmq.records.records import Record, encode  # noqa: E402
from logmq.storage.cluster.etcd import EtcdKeys  # noqa: E402
from logmq.storage.cluster.formats import BROKERS  # noqa: E402
from logmq.storage.cluster.object_store import connect  # noqa: E402
from logmq.storage.cluster.store import ClusterStore  # noqa: E402
from logmq.storage.cluster.takeover import take  # noqa: E402
from logmq.storage.engine import Append, Appended, LogSpec  # noqa: E402

RESULTS = Path(__file__).parent / "results"
PARTITIONS = [TopicPartition("t", index) for index in range(16)]
GOALS = {"ack_p50_ms": 30.0, "mb_per_s": 60.0, "tail_p50_ms": 10.0, "tail_gets": 0}


@dataclass
class Figures:
    """What was measured; goals are in GOALS."""

    ack_p50_ms: float
    ack_p99_ms: float
    tail_p50_ms: float
    """From the acknowledgement to the reader's having the record; below 0 the reader was first."""
    tail_gets: int
    mb_per_s: float
    large_ack_p50_ms: float
    cpu_s_per_gb: float
    """Of this process; the services have their own."""


def batch(partition: TopicPartition, size: int) -> Append:
    """One Kafka batch of a single record."""
    data = encode([Record(0, 0, None, b"x" * size)])
    batches.check(data)
    return Append(partition, bytearray(data), (0,), (0,), 1, 0)


async def small(store: ClusterStore, seconds: float) -> tuple[list[float], list[float], int]:
    """1 KiB at a time, with a reader at the end: seconds to each acknowledgement, and from it to the reader."""
    acks: list[float] = []
    acked: dict[int, float] = {}
    seen: dict[int, float] = {}
    partition = PARTITIONS[0]
    before = store.metrics.cold_reads
    offset = store.bounds(partition).high_watermark

    async def read() -> None:
        at = offset
        while True:
            await store.wait_any({partition: at}, None)
            chunk = store.read_nowait(partition, at, 1 << 20) or await store.read(partition, at, 1 << 20)
            seen.update(dict.fromkeys(range(at, chunk.next_offset), time.perf_counter()))
            at = chunk.next_offset

    reader = asyncio.create_task(read())
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        (result,) = await store.append([batch(partition, 1024)])
        assert isinstance(result, Appended), result
        acked[result.first_offset] = time.perf_counter()
        acks.append(acked[result.first_offset] - began)
    await asyncio.sleep(0.1)
    reader.cancel()
    return acks, [seen[one] - when for one, when in acked.items()], store.metrics.cold_reads - before


async def large(store: ClusterStore, seconds: float) -> tuple[float, list[float]]:
    """256 KiB batches, 64 under way: bytes a second, and seconds to each acknowledgement."""
    acks: list[float] = []
    began = time.perf_counter()

    async def produce(number: int) -> None:
        while (start := time.perf_counter()) < began + seconds:
            (result,) = await store.append([batch(PARTITIONS[number % len(PARTITIONS)], 256 * 1024)])
            assert isinstance(result, Appended), result
            acks.append(time.perf_counter() - start)

    await asyncio.gather(*(produce(number) for number in range(64)))
    return len(acks) * 256 * 1024 / (time.perf_counter() - began), acks


async def measure(etcd: Etcd, url: str, seconds: float) -> Figures:
    """A leader, taken through both loads."""
    config = Config(cluster_linger_ms=5)
    keys = await EtcdKeys.connect(f"etcd://{etcd.address}/{uuid4().hex}")
    objects = await connect(url)
    presence = await keys.announce(BROKERS + "bench", b"", 600)
    leadership = await take(keys, "bench", presence)
    assert leadership is not None
    settings = topic_settings(config, {})
    specs = [LogSpec(partition, 1 + number, Format.BATCH, settings) for number, partition in enumerate(PARTITIONS)]
    store = await ClusterStore.open(leadership, objects, specs, config, SYSTEM_CLOCK, lambda error: None)
    await small(store, 1)
    acks, tails, gets = await small(store, seconds)
    cpu = time.process_time()
    rate, large_acks = await large(store, seconds)
    cpu = time.process_time() - cpu
    await store.close()
    await keys.close()
    return Figures(
        round(1000 * statistics.median(acks), 1), round(1000 * sorted(acks)[int(0.99 * len(acks))], 1),
        round(1000 * statistics.median(tails), 2), gets, round(rate / 1e6, 1),
        round(1000 * statistics.median(large_acks), 1), round(cpu / (rate * seconds / 1e9), 2),
    )  # fmt: skip


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="for each load")
    parser.add_argument("--keep", action="store_true", help="write to bench/results")
    arguments = parser.parse_args()
    path = Path(tempfile.mkdtemp())
    with Etcd(path / "etcd") as etcd, Seaweed(path / "s3", 2_000) as seaweed:
        seaweed.await_ready()
        os.environ.update(seaweed.variables)
        figures = asyncio.run(measure(etcd, f"s3://test/{uuid4().hex}", arguments.seconds))
    shutil.rmtree(path)
    print(json.dumps(asdict(figures), indent=2))
    if arguments.keep:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        name = f"{time.strftime('%Y-%m-%d')}-{commit.stdout.strip()}-cluster.json"
        found = {"machine": facts(Path(tempfile.gettempdir())), "goals": GOALS, "figures": asdict(figures)}
        (RESULTS / name).write_text(json.dumps(found, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
