"""The rows of the table: what each figure is called, how it is written, and what LogMQ sets itself as a goal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.kafka.brokers import APACHE, CEILING, OWN

Medians = Mapping[str, Mapping[str, float]]
"""By figure, then by broker."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A row. `over_peer` asks for at least `ratio` times that broker's figure in the same run."""

    name: str
    title: str
    unit: str
    form: str = ",.0f"
    at_least: float | None = None
    under: float | None = None
    over_peer: str = ""
    ratio: float = 1.0

    def shown(self, value: float) -> str:
        """A value as the table has it."""
        return format(value, self.form)

    def goal(self) -> str:
        """The goal in a few words; empty if there is none."""
        if self.over_peer:
            return f"{self.ratio:g}x {self.over_peer}"
        if self.at_least is not None:
            return f"at least {self.shown(self.at_least)}"
        return f"under {self.shown(self.under)}" if self.under is not None else ""

    def met(self, medians: Medians) -> bool | None:
        """Whether LogMQ reaches its goal; None if there is none or one side was not measured."""
        values = medians.get(self.name, {})
        own = values.get(OWN)
        if own is None or not self.goal():
            return None
        if self.over_peer:
            return own >= self.ratio * values[self.over_peer] if self.over_peer in values else None
        return own >= self.at_least if self.at_least is not None else own < (self.under or 0.0)


FIGURES = (
    Figure("produce-100-rate", "produce, 100 B", "messages/s", over_peer=APACHE),
    Figure("produce-100-mb", "produce, 100 B", "MB/s", ",.1f"),
    Figure("produce-100-cpu", "produce, 100 B: broker's CPU", "s/GB", ".2f"),
    Figure("produce-100-missing", "produce, 100 B: acknowledged and not there", "messages", under=1),
    Figure("produce-1024-rate", "produce, 1 KiB", "messages/s", over_peer=APACHE),
    Figure("produce-1024-mb", "produce, 1 KiB", "MB/s", ",.1f"),
    Figure("produce-1024-cpu", "produce, 1 KiB: broker's CPU", "s/GB", ".2f", under=2.5),
    Figure("produce-1024-missing", "produce, 1 KiB: acknowledged and not there", "messages", under=1),
    Figure("consume-100-rate", "consume, 100 B", "messages/s", over_peer=CEILING, ratio=0.9),
    Figure("consume-100-mb", "consume, 100 B", "MB/s", ",.1f"),
    Figure("consume-100-cpu", "consume, 100 B: broker's CPU", "s/GB", ".2f"),
    Figure("consume-1024-rate", "consume, 1 KiB", "messages/s", over_peer=CEILING, ratio=0.9),
    Figure("consume-1024-mb", "consume, 1 KiB", "MB/s", ",.1f"),
    Figure("consume-1024-cpu", "consume, 1 KiB: broker's CPU", "s/GB", ".2f"),
    Figure("single-rate", "64 connections, one record at a time", "requests/s", at_least=20_000),
    Figure("single-p50", "64 connections, one record at a time: p50", "ms", ",.2f"),
    Figure("single-p99", "64 connections, one record at a time: p99", "ms", ",.2f", under=10),
    Figure("latency-p50", "produce to consume at 1,000/s: p50", "ms", ",.2f", under=0.8),
    Figure("latency-p99", "produce to consume at 1,000/s: p99", "ms", ",.2f", under=3),
    Figure("partitions-create", "1,000 partitions: create the topic", "ms"),
    Figure("partitions-metadata", "1,000 partitions: Metadata", "ms", ",.1f", under=1000),
    Figure("partitions-join", "1,000 partitions: 10 members join", "ms", under=1000),
    Figure("start", "start to the first answer", "s", ".2f"),
    Figure("idle-memory", "memory, idle", "MB"),
)
