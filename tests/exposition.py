"""What `GET /metrics` said, read by Prometheus' own parsers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from prometheus_client.core import Metric
from prometheus_client.openmetrics import parser as open_metrics
from prometheus_client.parser import text_string_to_metric_families


class Exposition:
    """The families of one scrape."""

    def __init__(self, text: str) -> None:
        """Raises: ValueError, if the text is not what one of the formats allows."""
        parse: Any = text_string_to_metric_families
        if text.endswith("# EOF\n"):
            parse = open_metrics.text_string_to_metric_families
        self.families = list(cast(Iterable[Metric], parse(text)))

    def series(self, name: str, **labels: str) -> dict[tuple[str, ...], float]:
        """The values of a name's series that have these labels, by all their label values in the order of names."""
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        }

    def total(self, name: str, **labels: str) -> float:
        """The sum of those; 0 if there are none."""
        return sum(self.series(name, **labels).values())

    def value(self, name: str, **labels: str) -> float:
        """The value of the one series that there is."""
        (value,) = self.series(name, **labels).values()
        return value

    def names(self) -> set[str]:
        """The names of all series."""
        return {sample.name for family in self.families for sample in family.samples}
