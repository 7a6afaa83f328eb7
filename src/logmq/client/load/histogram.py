"""Latencies as counts in buckets that grow with the value, so that recording is cheap and memory is fixed.

A value of up to 8 significant bits has its own bucket; a larger one keeps its 8 highest bits:

    value (ns)        0 .. 255    256 .. 511    512 .. 1023    ...
    bucket width      1           2             4              ...
    buckets           256         128           128            ...

so that a percentile is never off by more than 1/128 (0.8 %), always to the high side.
"""

from __future__ import annotations

from collections.abc import Iterator

_LOW_BITS = 7
_DIRECT = 2 << _LOW_BITS
_VALUE_MAX = (1 << 42) - 1
"""73 minutes in nanoseconds: no run waits longer for an answer; larger values count as this one."""
_BUCKET_COUNT = ((42 - _LOW_BITS - 1) << _LOW_BITS) + _DIRECT


class Histogram:
    """How often each latency (in nanoseconds) occurred."""

    __slots__ = ("_buckets", "max_ns")

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKET_COUNT
        self.max_ns = 0

    def record(self, latency_ns: int, count: int = 1) -> None:
        """Count `count` answers that took `latency_ns` each; below zero counts as zero."""
        self.max_ns = max(self.max_ns, latency_ns)
        value = min(max(latency_ns, 0), _VALUE_MAX)
        shift = max(value.bit_length() - _LOW_BITS - 1, 0)
        self._buckets[(shift << _LOW_BITS) + (value >> shift)] += count

    def clear(self) -> None:
        """Forget everything."""
        self._buckets = [0] * _BUCKET_COUNT
        self.max_ns = 0

    def copy(self) -> Histogram:
        """The same counts, independent from here on."""
        twin = Histogram()
        twin.add(self)
        return twin

    def add(self, other: Histogram) -> None:
        """Take in the counts of another one."""
        self._buckets = [mine + theirs for mine, theirs in zip(self._buckets, other._buckets, strict=True)]
        self.max_ns = max(self.max_ns, other.max_ns)

    @property
    def count(self) -> int:
        """How many latencies were recorded."""
        return sum(self._buckets)

    def percentile(self, percent: float) -> int:
        """The latency in ns within which `percent` of the answers came; 0 when there were none."""
        wanted = self.count * percent / 100
        seen = 0
        for upper_ns, count in self.buckets():
            seen += count
            if seen >= wanted:
                return min(upper_ns, self.max_ns)
        return 0

    def buckets(self) -> Iterator[tuple[int, int]]:
        """The buckets that are not empty, ascending: the largest latency in ns that falls into it, and its count."""
        for index, count in enumerate(self._buckets):
            if count:
                shift = max((index >> _LOW_BITS) - 1, 0)
                yield ((index - (shift << _LOW_BITS) + 1) << shift) - 1, count
