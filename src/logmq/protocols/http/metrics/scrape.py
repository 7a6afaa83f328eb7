"""A scrape: all metrics, in the format that the client takes."""

from __future__ import annotations

import asyncio
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from logmq.protocols.http.context import Context
from logmq.protocols.http.metrics.series import group_series, partition_series

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

OPEN_METRICS = "application/openmetrics-text"
_EOF = b"# EOF\n"
"""What an OpenMetrics exposition ends with, and nothing else may."""


class Scrape(NamedTuple):
    """A whole exposition."""

    content_type: str
    body: bytes


async def scrape(context: Context, address: str, accept: str = "") -> Scrape:
    """All metrics as they are now, while other clients have their turn.

    `address` is the broker's as its clients know it, `accept` the request's header: OpenMetrics where the client takes
    it (Prometheus does), else Prometheus' text format.
    """
    open_metrics = OPEN_METRICS in accept
    process = await asyncio.to_thread(_process, open_metrics)
    from logmq.protocols.http.metrics.collector import BrokerCollector  # noqa: PLC0415 - its library is loaded now

    exposition = _exposition(open_metrics)
    few = exposition.generate_latest(BrokerCollector(context, address))
    many = await partition_series(context.broker) + await group_series(context.broker)
    body = process + few.removesuffix(_EOF) + many.encode()
    if not open_metrics:
        return Scrape("text/plain; version=0.0.4; charset=utf-8", body)
    return Scrape(f"{OPEN_METRICS}; version=1.0.0; charset=utf-8", body + _EOF)


def _exposition(open_metrics: bool) -> Any:
    """The library's module that writes the format."""
    return import_module("prometheus_client.openmetrics.exposition" if open_metrics else "prometheus_client.exposition")


def _process(open_metrics: bool) -> bytes:
    """The process and the interpreter. Not on the loop: files of /proc are read, and the library is loaded (30 ms)."""
    text: bytes = _exposition(open_metrics).generate_latest(_process_registry())
    return text.removesuffix(_EOF)


@cache
def _process_registry() -> CollectorRegistry:
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector  # noqa: PLC0415

    registry = CollectorRegistry(auto_describe=False)
    for collector in (ProcessCollector, GCCollector, PlatformCollector):
        collector(registry=registry)
    return registry
