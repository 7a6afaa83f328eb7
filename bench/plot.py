"""The comparison as a picture: one group of bars a scenario, on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.report import median_rate
from bench.rounds import Comparison
from bench.scenarios import Scenario

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
            axes.text(max(rates) * 1.08, position, f"{middle:,.0f}", va="center", fontsize=8)
            position += 1
        position += 0.7
    axes.set_yticks(ticks, [scenario.title for scenario in shown], fontsize=9)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(left=1000)
    axes.margins(x=0.12)
    axes.set_xlabel("messages a second (logarithmic), 100 bytes each, on disk before each acknowledgement")
    axes.set_title(caption, fontsize=9)
    axes.legend(fontsize=8, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
