"""What came out of a run: counts, latencies and errors of each load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from logmq.client.load.histogram import Histogram

PERCENTILES = (50.0, 99.0, 99.9)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is; `message_counts` has one figure a load, counted from the very beginning."""

    elapsed_s: float
    total_s: float
    warming_up: bool
    message_counts: tuple[int, ...]
    error_count: int


@dataclass(frozen=True, slots=True)
class Result:
    """One load's figures.

    `message_count` and `latency` cover the measured `seconds` only; `message_count_total`, `errors` and `unanswered`
    the whole run with its warm-up and its last answers.
    `cpu_s` is the CPU time that the generator spent in the measured seconds for all loads of its processes, and
    `processes` how many those were. `per_second` has the messages of each measured second.
    """

    name: str
    message_count: int
    message_count_total: int
    message_size: int
    seconds: float
    latency: Histogram
    errors: Counter[str]
    unanswered: int
    cpu_s: float
    processes: int
    per_second: tuple[int, ...]

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.message_count / self.seconds if self.seconds else 0.0

    @property
    def bytes_per_second(self) -> float:
        """Payload bytes a second."""
        return self.rate * self.message_size

    @property
    def error_count(self) -> int:
        """Requests that were refused, lost or never answered."""
        return self.errors.total() + self.unanswered

    @property
    def generator_load(self) -> float:
        """The part of its processes' time that the generator was busy; near 1 it is the generator that was measured."""
        return self.cpu_s / (self.seconds * self.processes) if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """Everything a program would want, units in the names."""
        latency_us = {f"p{percent:g}": self.latency.percentile(percent) / 1e3 for percent in PERCENTILES}
        return {
            "messages": self.message_count,
            "message_size_bytes": self.message_size,
            "seconds": round(self.seconds, 6),
            "messages_per_second": round(self.rate, 1),
            "bytes_per_second": round(self.bytes_per_second, 1),
            "latency_us": {**latency_us, "max": self.latency.max_ns / 1e3} if self.latency.count else None,
            "latency_buckets_ns": [list(bucket) for bucket in self.latency.buckets()],
            "errors": dict(self.errors),
            "unanswered": self.unanswered,
            "generator_load": round(self.generator_load, 3),
            "per_second": list(self.per_second),
        }


def merge(parts: Sequence[Result]) -> Result:
    """The same load's results from several processes as one."""
    latency = Histogram()
    errors: Counter[str] = Counter()
    for part in parts:
        latency.add(part.latency)
        errors.update(part.errors)
    return Result(
        name=parts[0].name,
        message_count=sum(part.message_count for part in parts),
        message_count_total=sum(part.message_count_total for part in parts),
        message_size=parts[0].message_size,
        seconds=max(part.seconds for part in parts),
        latency=latency,
        errors=errors,
        unanswered=sum(part.unanswered for part in parts),
        cpu_s=sum(part.cpu_s for part in parts),
        processes=sum(part.processes for part in parts),
        per_second=tuple(map(sum, zip_longest(*(part.per_second for part in parts), fillvalue=0))),
    )
