"""Runs the scenarios: every round goes through all brokers, so that a slow minute of the disk hits them alike."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import floor
from bench.peers.logmq import LogMQServer
from bench.peers.peer import Peer, Server
from bench.peers.redis import RedisServer
from bench.scenarios import BATCH, DEPTH, LOG_MESSAGES, SIZE, Kind, Scenario
from logmq.client.load.plan import Load, Plan
from logmq.client.load.result import Result
from logmq.client.load.run import run
from logmq.client.load.wire import Wire

_FILL_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how often."""

    rounds: int
    duration_s: float
    warmup_s: float
    directory: Path


@dataclass(slots=True)
class Comparison:
    """All results: by scenario name, then by broker, one a round."""

    settings: Settings
    results: dict[str, dict[str, list[Result]]] = field(default_factory=dict)

    def add(self, scenario: Scenario, broker: str, result: Result) -> None:
        """Keep a result, and show it."""
        self.results.setdefault(scenario.name, {}).setdefault(broker, []).append(result)
        errors = f"  {result.error_count:,} ERRORS {dict(result.errors)}" if result.error_count else ""
        p99_ms = result.latency.percentile(99) / 1e6
        print(f"  {broker:16}{result.rate:>12,.0f}/s  p99 {p99_ms:9.3f} ms{errors}", file=sys.stderr, flush=True)


def compare(peers: Sequence[Peer], scenarios: Sequence[Scenario], settings: Settings) -> Comparison:
    """Run everything, interleaved."""
    comparison = Comparison(settings)
    for number in range(settings.rounds):
        for scenario in (each for each in scenarios if not each.reads):
            _announce(number, settings, scenario.title)
            for peer in peers:
                _produce(comparison, scenario, peer)
            if scenario.floor:
                with temporary(settings.directory) as directory:
                    result = floor.measure(directory, SIZE, settings.duration_s, settings.warmup_s)
                comparison.add(scenario, floor.NAME, result)
        reads = [each for each in scenarios if each.reads]
        for peer in peers if reads else ():
            _read(comparison, reads, peer, number)
    return comparison


def _announce(number: int, settings: Settings, title: str) -> None:
    print(f"round {number + 1}/{settings.rounds}: {title}", file=sys.stderr, flush=True)


@contextmanager
def temporary(parent: Path) -> Iterator[Path]:
    """An empty directory, removed afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _produce(comparison: Comparison, scenario: Scenario, peer: Peer) -> None:
    settings = comparison.settings
    with temporary(settings.directory) as directory, peer.start(directory) as server:
        load = Load(peer.name, server.produce(SIZE), scenario.clients, scenario.depth)
        (result,) = run(Plan(server.address, (load,), settings.duration_s, settings.warmup_s))
        _check_stored(peer, server, result)
    comparison.add(scenario, peer.name, result)


def _check_stored(peer: Peer, server: Server, result: Result) -> None:
    """What was acknowledged has to be there, and nothing else."""
    stored = server.stored_count(SIZE)
    if result.error_count == 0 and stored != result.message_count_total:
        raise RuntimeError(f"{peer.name} acknowledged {result.message_count_total} messages and has {stored}")


def _read(comparison: Comparison, scenarios: Sequence[Scenario], peer: Peer, number: int) -> None:
    """Fill a log once and let every scenario read it."""
    settings = comparison.settings
    with temporary(settings.directory) as directory, peer.start(directory) as server:
        if not isinstance(server, LogMQServer | RedisServer):
            return
        _announce(number, settings, f"{peer.name}: reading a log of {LOG_MESSAGES:,} messages")
        fill(server, LOG_MESSAGES)
        for scenario in scenarios:
            wire = _reading_wire(server, scenario.kind)
            if wire is not None:
                budget = LOG_MESSAGES if wire.streams else None
                load = Load(peer.name, wire, scenario.clients, scenario.depth, budget=budget)
                warmup_s = 0.0 if wire.streams else settings.warmup_s
                (result,) = run(Plan(server.address, (load,), settings.duration_s, warmup_s))
                comparison.add(scenario, peer.name, result)


def _reading_wire(server: LogMQServer | RedisServer, kind: Kind) -> Wire | None:
    """How a broker does it; Redis has no way to be asked for one entry after the other without knowing their ids."""
    if kind is Kind.READ_MANY:
        return server.read_many(SIZE, BATCH)
    if isinstance(server, RedisServer):
        return None
    return server.follow(SIZE) if kind is Kind.FOLLOW else server.read_one(SIZE)


def fill(server: Server, count: int, size: int = SIZE) -> Result:
    """Append `count` messages, pipelined."""
    load = Load("fill", server.produce(size), 1, DEPTH, budget=count)
    (result,) = run(Plan(server.address, (load,), _FILL_TIMEOUT_S))
    if result.error_count or result.message_count != count:
        raise RuntimeError(f"filling failed: {result.message_count} of {count}, {dict(result.errors)}")
    return result
