"""The comparison as one table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.kafka.brokers import OWN
from bench.kafka.figures import FIGURES, Figure
from bench.kafka.rounds import Comparison, Settings
from bench.report import machine_lines

_WORDS = {True: "met", False: "MISSED", None: "not measured"}


def table(comparison: Comparison) -> list[str]:
    """A Markdown table: a row a figure, a column a broker."""
    brokers = list(comparison.versions)
    lines = ["| | unit | " + " | ".join(brokers) + " | goal |", "|---|---|" + "--:|" * len(brokers) + "---|"]
    return lines + [_row(comparison, figure, brokers) for figure in FIGURES if figure.name in comparison.values]


def _row(comparison: Comparison, figure: Figure, brokers: Sequence[str]) -> str:
    medians = comparison.medians()
    values = medians[figure.name]
    cells = [figure.shown(values[broker]) if broker in values else "-" for broker in brokers]
    goal = figure.goal()
    if goal and OWN in brokers:
        goal += f": {_WORDS[figure.met(medians)]}"
    return f"| {figure.title} | {figure.unit} | {' | '.join(cells)} | {goal} |"


def document(comparison: Comparison, machine: dict[str, Any], plot: str) -> str:
    """The report as a page."""
    settings = comparison.settings
    failures = [f"- not measured: {' '.join(failure.split())}" for failure in comparison.failures]
    return "\n".join(
        [
            f"# LogMQ beside brokers of the Kafka protocol, {machine['date'][:10]}, commit {machine['commit']}",
            "",
            "LogMQ has every acknowledged message on the disk, and so has Apache Kafka (flushing); Apache Kafka with"
            " its defaults has it in the page cache, Tansu in its memory.",
            "The client's ceiling is the same client against a sink that stores nothing.",
            f"Medians of {comparison.rounds} rounds of {settings.duration_s:g} s, each after {settings.warmup_s:g} s of"
            " warm-up; in a round every broker is started once, on an empty directory, and measured through.",
            "",
            *table(comparison),
            "",
            f"![throughput and latency by broker]({plot})",
            "",
            *machine_lines(machine, comparison.versions),
            *failures,
            "",
        ]
    )


def to_json(comparison: Comparison, machine: dict[str, Any]) -> dict[str, Any]:
    """Everything, every round."""
    settings, medians = comparison.settings, comparison.medians()
    return {
        "machine": machine,
        "versions": comparison.versions,
        "settings": {"rounds": comparison.rounds, "duration_s": settings.duration_s, "warmup_s": settings.warmup_s},
        "figures": {
            figure.name: {
                "title": figure.title,
                "unit": figure.unit,
                "goal": figure.goal(),
                "goal_met": figure.met(medians),
                "medians": dict(medians[figure.name]),
                "rounds": comparison.values[figure.name],
            }
            for figure in FIGURES
            if figure.name in medians
        },
        "failures": comparison.failures,
    }


def from_json(earlier: dict[str, Any], settings: Settings) -> Comparison:
    """The comparison that an earlier run wrote, to go on with. Raises: ValueError: it measured for another time."""
    measured = earlier["settings"]
    if (measured["duration_s"], measured["warmup_s"]) != (settings.duration_s, settings.warmup_s):
        raise ValueError("only measurements of the same duration and warm-up can stand in one table")
    values = {name: figure["rounds"] for name, figure in earlier["figures"].items()}
    return Comparison(settings, dict(earlier["versions"]), values, list(earlier["failures"]))
