"""The families of which there are few series, as prometheus_client's collector.

A series costs the library some 6 us, which is well for some hundred of them; see series.py for the many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from math import inf

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from logmq import __version__
from logmq.metrics import ClusterMetrics, Histogram
from logmq.protocols.http.context import Context
from logmq.protocols.http.metrics.families import FAMILIES
from logmq.storage.engine import ClusterStatistics

_BROKER_ID = "0"
_NO_CLUSTER = ClusterStatistics(0, 0, 0, ClusterMetrics())


class BrokerCollector:
    """What the broker counts, and what it has, at the moment of `collect`."""

    def __init__(self, context: Context, address: str) -> None:
        """`address` is the broker's, as its clients know it."""
        self._address = address
        self._config = context.config
        self._broker = context.broker

    def collect(self) -> Iterator[Metric]:
        """All families."""
        parts = (
            *(self._about, self._connections, self._tls, self._requests),
            *(self._storage, self._cluster, self._recovery),
        )
        return chain.from_iterable(part() for part in parts)

    def _about(self) -> Iterator[Metric]:
        broker = self._broker
        topics = broker.topics()
        info = (__version__, broker.cluster_id, str(self._config.sync))
        yield _gauges("logmq_info", [(info, 1)])
        yield _gauge("logmq_start_time_seconds", broker.started_ms / 1000)
        yield _gauge("logmq_ready", int(broker.health.look().ready))
        yield _gauge("logmq_topics", len(topics))
        yield _gauge("logmq_partitions", sum([topic.partition_count for topic in topics]))
        yield _gauge("kafka_brokers", 1)
        yield _gauges("kafka_broker_info", [((_BROKER_ID, self._address), 1)])

    def _connections(self) -> Iterator[Metric]:
        connections = self._broker.metrics.connections
        yield _gauges("logmq_connections", [((name,), len(kept)) for name, kept in connections.open.items()])
        yield _gauge("logmq_connections_max", self._config.connections_max)
        accepted = connections.accepted.items()
        yield _counters("logmq_connections_accepted_total", [((name,), count) for name, count in accepted])
        yield _counter("logmq_connections_refused_total", connections.refused)

    def _tls(self) -> Iterator[Metric]:
        tls = self._broker.metrics.tls
        expiry_s = tls.certificate_expiry_s
        yield _gauges("logmq_tls_certificate_expiry_timestamp_seconds", [] if expiry_s is None else [((), expiry_s)])
        yield _counter("logmq_tls_handshakes_total", tls.handshakes)
        yield _counter("logmq_tls_handshake_failures_total", tls.failures)

    def _requests(self) -> Iterator[Metric]:
        kinds = [
            ((protocol, kind), requests)
            for protocol, counted in self._broker.metrics.protocols().items()
            for kind, requests in counted.items()
        ]
        yield _counters("logmq_requests_total", [(labels, requests.count) for labels, requests in kinds])
        errors = [((*labels, code), count) for labels, requests in kinds for code, count in requests.errors.items()]
        yield _counters("logmq_request_errors_total", errors)
        timed = [(labels, requests.seconds) for labels, requests in kinds if requests.seconds.count]
        yield _histograms("logmq_request_seconds", timed)

    def _storage(self) -> Iterator[Metric]:
        done, held = self._broker.metrics.storage, self._broker.store_statistics()
        yield _counter("logmq_appends_total", done.appends)
        yield _counter("logmq_appended_records_total", done.records)
        paths = [(("journal",), done.inline_bytes), (("span",), done.span_bytes)]
        yield _counters("logmq_appended_bytes_total", paths)
        yield _gauge("logmq_append_queue_bytes", held.waiting_bytes)
        yield _gauge("logmq_append_queue_calls", held.waiting_calls)
        yield _counter("logmq_reads_total", done.reads)
        yield _counter("logmq_cold_reads_total", done.cold_reads)
        yield _counter("logmq_read_bytes_total", done.read_bytes)
        yield _counter("logmq_commits_total", done.commits)
        yield _histograms("logmq_commit_seconds", [((), done.commit_seconds)])
        yield _histograms("logmq_fdatasync_seconds", [((), done.sync_seconds)])
        yield _counter("logmq_checkpoints_total", done.checkpoints)
        yield _gauge("logmq_journal_files", held.journal_file_count)
        yield _gauge("logmq_journal_bytes", held.journal_size)
        yield _gauge("logmq_open_files", held.open_file_count)
        yield _gauge("logmq_disk_free_bytes", held.disk_free_size)
        yield _gauge("logmq_disk_bytes", held.disk_size)

    def _cluster(self) -> Iterator[Metric]:
        cluster = self._broker.store_statistics().cluster or _NO_CLUSTER
        done = cluster.metrics
        yield _gauge("logmq_cluster_term", cluster.term)
        yield _gauge("logmq_cluster_takeover_seconds", done.takeover_seconds)
        yield _histograms("logmq_cluster_object_put_seconds", [((), done.put_seconds)])
        yield _counter("logmq_cluster_object_put_bytes_total", done.put_bytes)
        yield _counter("logmq_cluster_object_retries_total", done.put_retries)
        yield _gauge("logmq_cluster_objects_under_way", cluster.objects_under_way)
        yield _histograms("logmq_cluster_transaction_seconds", [((), done.transaction_seconds)])
        yield _counter("logmq_cluster_transaction_retries_total", cluster.transaction_retries)

    def _recovery(self) -> Iterator[Metric]:
        found = self._broker.recovery
        yield _gauge("logmq_recovery_seconds", found.seconds)
        yield _gauge("logmq_recovery_replayed_commits", found.replayed_commits)
        yield _gauge("logmq_recovery_undone_commits", found.undone_commits)
        yield _gauge("logmq_recovery_missing_commits", found.missing_commits)
        yield _gauge("logmq_recovery_cut_bytes", found.cut_bytes)
        yield _gauge("logmq_recovery_damaged_ranges", found.damaged_ranges)
        yield _gauge("logmq_recovery_repaired_indexes", found.repaired_indexes)


_Series = Iterable[tuple[tuple[str, ...], float]]
"""Label values, in the family's order, and the value."""


def _gauge(name: str, value: float) -> Metric:
    return _gauges(name, [((), value)])


def _counter(name: str, value: float) -> Metric:
    return _counters(name, [((), value)])


def _gauges(name: str, series: _Series) -> Metric:
    family = FAMILIES[name]
    assert family.kind == "gauge"
    metric = GaugeMetricFamily(name, family.help, labels=family.labels)
    for labels, value in series:
        metric.add_metric(labels, value)
    return metric


def _counters(name: str, series: _Series) -> Metric:
    family = FAMILIES[name]
    assert family.kind == "counter"
    metric = CounterMetricFamily(name, family.help, labels=family.labels)
    for labels, value in series:
        metric.add_metric(labels, value)
    return metric


def _histograms(name: str, series: Iterable[tuple[tuple[str, ...], Histogram]]) -> Metric:
    family = FAMILIES[name]
    assert family.kind == "histogram"
    metric = HistogramMetricFamily(name, family.help, labels=family.labels)
    for labels, histogram in series:
        buckets = [("+Inf" if bound == inf else str(bound), count) for bound, count in histogram.cumulative()]
        metric.add_metric(labels, buckets, histogram.sum)
    return metric
