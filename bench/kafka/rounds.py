"""Runs the measurements: in every round each broker is started once and measured through, each time another first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from bench.kafka.brokers import Broker
from bench.kafka.figures import Medians
from bench.kafka.measures import consume, idle, latency, one_at_a_time, partitions, produce
from bench.peers.process import ServerProcess
from bench.rounds import temporary

SIZES = (100, 1024)
_Step = Callable[[], Mapping[str, float]]
SUBJECTS = ("idle", "produce", "consume", "single", "latency", "partitions")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured, how long and how often."""

    rounds: int
    duration_s: float
    warmup_s: float
    subjects: Sequence[str]
    directory: Path


@dataclass(slots=True)
class Comparison:
    """All values: by figure, then by broker, one a round; the versions of all brokers; and what went wrong."""

    settings: Settings
    versions: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, broker: str, figures: Mapping[str, float]) -> None:
        """Keep a measurement's figures, and show them."""
        for name, value in figures.items():
            self.values.setdefault(name, {}).setdefault(broker, []).append(value)
            print(f"    {name:22}{value:>16,.2f}", file=sys.stderr, flush=True)

    @property
    def rounds(self) -> int:
        """How many there were: those of this run and of the one that it went on with."""
        return max((len(each) for values in self.values.values() for each in values.values()), default=0)

    def medians(self) -> Medians:
        """The median of the rounds."""
        return {
            name: {broker: median(values) for broker, values in brokers.items()}
            for name, brokers in self.values.items()
        }


def compare(brokers: Sequence[Broker], comparison: Comparison) -> None:
    """Run everything; a measurement that fails is written down and the rest goes on."""
    present = [broker for broker in brokers if _is_installed(broker, comparison)]
    settings, before = comparison.settings, comparison.rounds
    for number in range(settings.rounds):
        first = (before + number) % max(1, len(present))
        for broker in (*present[first:], *present[:first]):
            print(f"round {number + 1}/{settings.rounds}: {broker.name}", file=sys.stderr, flush=True)
            with temporary(settings.directory) as directory:
                _measure(comparison, broker, directory)


def _is_installed(broker: Broker, comparison: Comparison) -> bool:
    """Whether it can be run; one that cannot is written down, and left out."""
    try:
        comparison.versions[broker.name] = broker.version()
    except FileNotFoundError as error:
        comparison.failures.append(f"{broker.name}: {error}")
        print(f"left out {broker.name}: {error}", file=sys.stderr, flush=True)
    return broker.name in comparison.versions


def _measure(comparison: Comparison, broker: Broker, directory: Path) -> None:
    with broker.start(directory) as server:
        for subject, measure in _steps(server, broker, comparison.settings):
            try:
                comparison.add(broker.name, measure())
            except Exception as error:
                failure = f"{broker.name}, {subject}: {type(error).__name__}: {error}"
                comparison.failures.append(failure)
                print(f"    FAILED {failure}", file=sys.stderr, flush=True)
        with suppress(ProcessLookupError):
            server.kill()  # all is measured: a clean stop would only take time


def _steps(server: ServerProcess, broker: Broker, settings: Settings) -> list[tuple[str, _Step]]:
    """What is asked of this broker, in order: what is consumed was produced before."""
    duration_s, warmup_s = settings.duration_s, settings.warmup_s
    steps: list[tuple[str, _Step]] = []
    for size in SIZES:
        steps.append(("produce", partial(produce.measure, server, size, duration_s, warmup_s, broker.stores)))
        steps.append(("consume", partial(consume.measure, server, size, duration_s)))
    if broker.stores:
        steps.insert(0, ("idle", partial(idle.measure, server)))
        steps.append(("single", partial(one_at_a_time.measure, server, duration_s, warmup_s)))
        steps.append(("latency", partial(latency.measure, server, duration_s, warmup_s)))
        steps.append(("partitions", partial(partitions.measure, server)))
    return [(subject, measure) for subject, measure in steps if subject in settings.subjects]
