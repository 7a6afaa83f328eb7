"""A comparison as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.rounds import Comparison
from bench.scenarios import BATCH, DEPTH, LOG_MESSAGES, SIZE, Scenario
from logmq.client.load.result import Result

OWN = "LogMQ"


def median_rate(results: Sequence[Result]) -> float:
    """Messages a second, the median of the rounds."""
    return median(result.rate for result in results)


def median_latency_ms(results: Sequence[Result], percent: float) -> float | None:
    """A percentile in milliseconds, the median of the rounds; None where latency has no meaning."""
    if not all(result.latency.count for result in results):
        return None
    return median(result.latency.percentile(percent) for result in results) / 1e6


def to_json(
    comparison: Comparison, scenarios: Sequence[Scenario], machine: dict[str, Any], versions: dict[str, str]
) -> dict[str, Any]:
    """Everything, every round with its whole histogram."""
    settings = comparison.settings
    return {
        "machine": machine,
        "versions": versions,
        "settings": {
            "rounds": settings.rounds,
            "duration_s": settings.duration_s,
            "warmup_s": settings.warmup_s,
            "message_size_bytes": SIZE,
            "depth": DEPTH,
            "batch": BATCH,
            "log_messages": LOG_MESSAGES,
        },
        "scenarios": {
            scenario.name: {
                "title": scenario.title,
                "clients": scenario.clients,
                "depth": scenario.depth,
                "goal": goal_words(scenario),
                "goal_met": goal_met(comparison, scenario),
                "brokers": {
                    broker: {
                        "messages_per_second_median": round(median_rate(results), 1),
                        "rounds": [result.to_json() for result in results],
                    }
                    for broker, results in comparison.results[scenario.name].items()
                },
            }
            for scenario in scenarios
            if scenario.name in comparison.results
        },
    }


def goal_words(scenario: Scenario) -> str:
    """The goal in a few words; empty if there is none."""
    if scenario.goal_ratio:
        return f"{scenario.goal_ratio:g}x {scenario.goal_peer}"
    return f"{scenario.goal_rate:,.0f}/s" if scenario.goal_rate else ""


def goal_met(comparison: Comparison, scenario: Scenario) -> bool | None:
    """Whether the medians reach the goal; None if there is none or the other side is missing."""
    results = comparison.results.get(scenario.name, {})
    own = results.get(OWN)
    if own is None or not goal_words(scenario):
        return None
    if not scenario.goal_ratio:
        return median_rate(own) >= scenario.goal_rate
    peer = results.get(scenario.goal_peer)
    return None if peer is None else median_rate(own) >= scenario.goal_ratio * median_rate(peer)


def table(comparison: Comparison, scenarios: Sequence[Scenario]) -> list[str]:
    """A Markdown table: a row a broker and scenario, each with its ratio to LogMQ's rate."""
    lines = [
        "| scenario | broker | messages/s | lowest to highest | LogMQ is | p50 ms | p99 ms | p99.9 ms | goal |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for scenario in scenarios:
        brokers = comparison.results.get(scenario.name, {})
        for broker, results in brokers.items():
            lines.append(_row(comparison, scenario, broker, results))
    return lines


def _row(comparison: Comparison, scenario: Scenario, broker: str, results: Sequence[Result]) -> str:
    own = comparison.results[scenario.name].get(OWN)
    rates = [result.rate for result in results]
    ratio = ""
    if own is not None and broker != OWN and median_rate(results):
        ratio = f"{median_rate(own) / median_rate(results):.2f}x"
    latencies = [median_latency_ms(results, percent) for percent in (50, 99, 99.9)]
    shown = [f"{latency:.3f}" if latency is not None else "-" for latency in latencies]
    goal = ""
    if broker == OWN and (met := goal_met(comparison, scenario)) is not None:
        goal = f"{goal_words(scenario)}: {'met' if met else 'MISSED'}"
    title = scenario.title if broker == next(iter(comparison.results[scenario.name])) else ""
    span = f"{min(rates):,.0f} to {max(rates):,.0f}"
    return f"| {title} | {broker} | {median_rate(results):,.0f} | {span} | {ratio} | {' | '.join(shown)} | {goal} |"


def document(
    comparison: Comparison, scenarios: Sequence[Scenario], machine: dict[str, Any], versions: dict[str, str], plot: str
) -> str:
    """The report as a page."""
    settings = comparison.settings
    return "\n".join(
        [
            f"# LogMQ beside its peers, {machine['date'][:10]}, commit {machine['commit']}",
            "",
            f"Messages of {SIZE} bytes, on disk before each acknowledgement (one sync for each, or for a group).",
            f"Medians of {settings.rounds} rounds of {settings.duration_s:g} s,"
            f" each after {settings.warmup_s:g} s of warm-up;"
            " in a round the brokers take turns, each fresh on an empty directory.",
            f"Unanswered requests of a pipelining connection: {DEPTH} of one, {DEPTH // 4} each of eight.",
            f"Read is a log of {LOG_MESSAGES:,} messages that was written just before (so mostly from memory).",
            "",
            *table(comparison, scenarios),
            "",
            f"![messages a second by scenario]({plot})",
            "",
            *machine_lines(machine, versions),
            "",
        ]
    )


def machine_lines(machine: dict[str, Any], versions: dict[str, str]) -> list[str]:
    """The machine and the versions as a list."""
    return [
        f"- {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB;"
        f" {machine['kernel']}, {machine['file_system']}; {machine['busy_before']:.0%} busy before the run",
        f"- Python {machine['python']}; " + ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"- {machine['date']}, commit {machine['commit']} (`+`: with changes not committed)",
    ]


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON with a newline at its end."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
