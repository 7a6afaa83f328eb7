from __future__ import annotations

import random

import pytest

from logmq.client.load.histogram import Histogram


def test_percentiles_are_within_one_percent_and_never_too_low() -> None:
    """Of a million-fold range of latencies each percentile is at least the true one and at most 0.8 % more."""
    seed = 7
    print(f"seed {seed}")
    values = [int(10 ** random.Random(seed + i).uniform(2, 8)) for i in range(5000)]
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    values.sort()
    for percent in (0.1, 1, 50, 90, 99, 99.9, 100):
        true = values[max(-(-len(values) * percent // 100), 1).__int__() - 1]
        assert true <= histogram.percentile(percent) <= true * 1.008


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, 257, 511, 512, 1 << 20, (1 << 42) - 1])
def test_a_single_value_is_its_own_percentile(value: int) -> None:
    """The largest recorded latency bounds every percentile, at each edge between buckets."""
    histogram = Histogram()
    histogram.record(value, 3)
    assert histogram.count == 3
    assert histogram.percentile(50) == histogram.percentile(99.9) == histogram.max_ns == value


def test_values_beyond_the_range_are_counted() -> None:
    """Nothing is lost at either end: below zero counts as zero, hours count in the last bucket."""
    histogram = Histogram()
    histogram.record(-5)
    histogram.record(1 << 60)
    assert histogram.count == 2
    assert histogram.max_ns == 1 << 60


def test_adding_is_like_recording_in_one() -> None:
    """Two histograms added have the buckets of one that saw everything."""
    both, one, two = Histogram(), Histogram(), Histogram()
    for value in range(0, 100_000, 77):
        both.record(value)
        (one if value % 2 else two).record(value)
    one.add(two)
    assert list(one.buckets()) == list(both.buckets())
    assert one.max_ns == both.max_ns


def test_a_copy_does_not_change_with_the_original() -> None:
    """What was measured stays what it was while the last answers come in."""
    histogram = Histogram()
    histogram.record(10)
    copy = histogram.copy()
    histogram.record(1_000_000)
    assert copy.count == 1
    assert copy.max_ns == 10


def test_an_empty_histogram_has_no_latency() -> None:
    """No answer, no latency: zero, without an error."""
    histogram = Histogram()
    histogram.record(5)
    histogram.clear()
    assert histogram.count == 0
    assert histogram.percentile(99) == 0
