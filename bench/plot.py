"""The comparison as a picture: one group of bars a scenario, on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.report import OWN, median_rate
from bench.rounds import Comparison
from bench.scenarios import Scenario
from logmq.client.load.result import Result

_COLORS = {"LogMQ": "#1f5fa8", "Redis Streams": "#c0392b", "NATS JetStream": "#2e8b57", "bare loop": "#888888"}


def draw(comparison: Comparison, scenarios: Sequence[Scenario], caption: str, path: Path) -> None:
    """Write a PNG. The thin line at each bar's end spans the lowest to the highest round."""
    shown = [scenario for scenario in scenarios if scenario.name in comparison.results]
    figure = Figure(figsize=(10, 1.2 + 1.05 * len(shown)), layout="constrained")
    axes = figure.subplots()
    position, ticks = 0.0, []
    named: set[str] = set()
    for scenario in shown:
        brokers = comparison.results[scenario.name]
        ticks.append(position + (len(brokers) - 1) / 2)
        for broker, results in brokers.items():
            rates = [result.rate for result in results]
            middle = median_rate(results)
            label = None if broker in named else broker
            named.add(broker)
            error = [[middle - min(rates)], [max(rates) - middle]]
            axes.barh(position, middle, 0.86, color=_COLORS.get(broker), label=label, xerr=error, ecolor="#333333")
            axes.text(max(rates) * 1.08, position, f"{middle:,.0f}{_ratio(brokers, broker)}", va="center", fontsize=8)
            position += 1
        position += 0.7
    axes.set_yticks(ticks, [scenario.title for scenario in shown], fontsize=9)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(1000, 4 * axes.get_xlim()[1])
    axes.set_xlabel("messages a second (logarithmic), 100 bytes each, on disk before each acknowledgement")
    axes.set_title(caption, fontsize=9, loc="left")
    figure.legend(fontsize=8, loc="outside lower center", ncols=max(len(named), 1))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def _ratio(brokers: Mapping[str, Sequence[Result]], broker: str) -> str:
    """How LogMQ's rate compares with this one's."""
    rate = median_rate(brokers[broker])
    if broker == OWN or OWN not in brokers or not rate:
        return ""
    ratio = median_rate(brokers[OWN]) / rate
    return f"   (LogMQ: {ratio:,.0f}x)" if ratio >= 10 else f"   (LogMQ: {ratio:.2f}x)"
