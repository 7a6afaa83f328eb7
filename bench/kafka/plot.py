"""The comparison as a picture: a panel a figure, a bar a broker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from bench.kafka.brokers import APACHE, APACHE_FLUSHING, CEILING, OWN, TANSU
from bench.kafka.figures import FIGURES, Figure
from bench.kafka.rounds import Comparison

_COLORS = {OWN: "#1f5fa8", APACHE: "#c0392b", APACHE_FLUSHING: "#e59866", TANSU: "#2e8b57", CEILING: "#888888"}
_SHOWN = (
    *("produce-100-rate", "produce-1024-mb", "produce-1024-cpu"),
    *("consume-100-rate", "consume-1024-mb", "consume-1024-cpu"),
    *("single-rate", "single-p99", "latency-p50"),
    *("latency-p99", "partitions-join", "idle-memory"),
)
_COLUMNS = 3


def draw(comparison: Comparison, brokers: Sequence[str], caption: str, path: Path) -> None:
    """Write a PNG. The thin line at each bar's end spans the lowest to the highest round."""
    figures = [figure for figure in FIGURES if figure.name in _SHOWN and figure.name in comparison.values]
    rows = -(-len(figures) // _COLUMNS)
    picture = Picture(figsize=(14, 0.8 + 1.9 * rows), layout="constrained")
    panels = list(picture.subplots(rows, _COLUMNS, squeeze=False).flat)
    for panel, figure in zip(panels, figures, strict=False):
        _panel(panel, comparison, figure, brokers)
    for panel in panels[len(figures) :]:
        panel.set_visible(False)
    picture.suptitle(caption, fontsize=9)
    picture.savefig(path, dpi=120)


def _panel(axes: Axes, comparison: Comparison, figure: Figure, brokers: Sequence[str]) -> None:
    medians, values = comparison.medians()[figure.name], comparison.values[figure.name]
    shown = [broker for broker in brokers if broker in values]
    for position, broker in enumerate(shown):
        middle, lowest, highest = medians[broker], min(values[broker]), max(values[broker])
        error = [[middle - lowest], [highest - middle]]
        axes.barh(position, middle, 0.8, color=_COLORS.get(broker), xerr=error, ecolor="#333333")
        axes.text(highest, position, f"  {figure.shown(middle)}", va="center", fontsize=8)
    axes.set_yticks(range(len(shown)), shown, fontsize=8)
    axes.invert_yaxis()
    scale = ""
    if figure.unit == "ms":  # from half a millisecond to seconds
        axes.set_xscale("log")
        axes.set_xlim(min(medians.values()) / 3, max(map(max, values.values())) * 8)
        scale = " (logarithmic)"
    else:
        axes.set_xlim(0, max(map(max, values.values())) * 1.25)
        axes.xaxis.set_major_formatter("{x:,g}")
    axes.tick_params(axis="x", labelsize=7)
    axes.set_title(f"{figure.title}, {figure.unit}{scale}", fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
