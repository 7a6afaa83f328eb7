"""Counters and histograms."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from logmq.metrics import COMMIT_BUCKETS_S, REQUEST_BUCKETS_S, Histogram, Metrics


@given(st.lists(st.floats(0, 100)))
def test_a_bucket_counts_what_is_at_most_its_upper_end(values: list[float]) -> None:
    """As Prometheus means it: buckets are cumulative, their upper ends belong to them, the last one has all."""
    histogram = Histogram((0.5, 1.0, 10.0))
    for value in values:
        histogram.observe(value)
    expected = [(end, sum(value <= end for value in values)) for end in (0.5, 1.0, 10.0, inf)]
    assert list(histogram.cumulative()) == expected
    assert histogram.count == len(values)
    assert abs(histogram.sum - sum(values)) < 1e-6


def test_buckets_ascend() -> None:
    """A histogram's look-up needs that."""
    for bounds in (COMMIT_BUCKETS_S, REQUEST_BUCKETS_S):
        assert list(bounds) == sorted(set(bounds))


def test_requests_are_counted_by_kind() -> None:
    """A kind begins with its first request, and errors count by code."""
    metrics = Metrics()
    metrics.kafka["Fetch"].answered(0.25)
    metrics.kafka["Fetch"].failed("OFFSET_OUT_OF_RANGE", 2)
    metrics.kafka["Produce"].answered(0.001)
    assert metrics.kafka.count == 2
    assert metrics.kafka.error_count == 2
    assert metrics.kafka["Fetch"].seconds.sum == 0.25
    assert metrics.text.count == 0
    assert list(metrics.protocols()) == list(metrics.connections.accepted)
