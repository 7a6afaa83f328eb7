"""What the broker counts: plain numbers on slotted objects, read when somebody asks (`GET /metrics`).

Whoever does the work adds to them where it is done, with a statement that costs some 30 ns (a histogram 150); nobody
locks, because each number has one writer at a time:

    the committer       `StorageMetrics`, but for reads: the commit thread, or the loop while that has nothing to do
    the event loop      everything else

A reader on the loop may see a commit half counted. No number ever goes back.

What can be read off the broker's state (sizes, offsets, members) is not counted here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence, Sized
from itertools import accumulate

COMMIT_BUCKETS_S = (
    *(0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
)  # fmt: skip
"""A sync takes 0.15 ms on a good disk, 2 to 10 ms in a cloud or on a spinning disk, and seconds when the disk stalls:
steps of about two over that whole range, so that a quantile read from them is never off by more than that."""

REQUEST_BUCKETS_S = (0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0)
"""A request that waits for a sync takes as long as that and a little more; one that waits for records or for the
members of a group takes as long as its client said, 0.5 and 30 s as a rule."""


class Histogram:
    """How many values fell into each bucket, and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` are the buckets' upper ends, ascending, which belong to them; a last bucket takes what is above."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Each bucket's upper end, and how many values were at most that; infinity comes last."""
        return zip((*self.bounds, float("inf")), accumulate(self.counts), strict=True)


class StorageMetrics:
    """What a store has done since its start."""

    __slots__ = (
        "appends", "checkpoints", "cold_reads", "commit_seconds", "commits", "inline_bytes", "read_bytes", "reads",
        "records", "span_bytes", "sync_seconds",
    )  # fmt: skip

    def __init__(self) -> None:
        self.commits = 0
        self.appends = 0
        """To a partition each: a request may bring several."""
        self.records = 0
        self.inline_bytes = 0
        """Bytes of records that went through the journal."""
        self.span_bytes = 0
        """Bytes of records whose own file was synced instead."""
        self.commit_seconds = Histogram(COMMIT_BUCKETS_S)
        """Writing and, where each commit is synced, syncing."""
        self.sync_seconds = Histogram(COMMIT_BUCKETS_S)
        """From the call of fdatasync to its return; of the slowest where large spans are synced beside the journal."""
        self.checkpoints = 0
        self.reads = 0
        self.cold_reads = 0
        """Those of the reads that waited for the disk in a thread."""
        self.read_bytes = 0

    @property
    def appended_bytes(self) -> int:
        """Bytes of records in commits."""
        return self.inline_bytes + self.span_bytes


class ClusterMetrics:
    """What a leader on an object store has done since it took over."""

    __slots__ = ("put_bytes", "put_retries", "put_seconds", "takeover_seconds", "transaction_seconds")

    def __init__(self) -> None:
        self.put_seconds = Histogram(COMMIT_BUCKETS_S)
        """Writing an object: the sending that was answered."""
        self.transaction_seconds = Histogram(COMMIT_BUCKETS_S)
        self.put_bytes = 0
        self.put_retries = 0
        """Objects that were written again, because nobody knew whether they were there."""
        self.takeover_seconds = 0.0


class RequestMetrics:
    """The requests of one kind: a Kafka API, a text command, an HTTP route."""

    __slots__ = ("count", "errors", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.errors: dict[str, int] = {}
        """By the protocol's code: each answer that says so, of which a request for many partitions has many."""
        self.seconds = Histogram(REQUEST_BUCKETS_S)
        """Empty where requests are not timed: those of the text protocol come in thousands a chunk."""

    def answered(self, seconds: float) -> None:
        """Count a request that took so long."""
        self.count += 1
        self.seconds.observe(seconds)

    def failed(self, code: str, count: int = 1) -> None:
        """Count errors of one code."""
        self.errors[code] = self.errors.get(code, 0) + count


class ProtocolMetrics(dict[str, RequestMetrics]):
    """A protocol's requests by kind. Kinds come from the protocol's own table, never from what a client wrote."""

    def __missing__(self, kind: str) -> RequestMetrics:
        return self.setdefault(kind, RequestMetrics())

    @property
    def count(self) -> int:
        """All requests."""
        return sum([requests.count for requests in self.values()])

    @property
    def error_count(self) -> int:
        """All errors."""
        return sum([sum(requests.errors.values()) for requests in self.values()])


class ConnectionMetrics:
    """Who is connected, and who was turned away."""

    __slots__ = ("accepted", "open", "refused")

    def __init__(self) -> None:
        self.open: dict[str, Sized] = {}
        """The open connections by protocol, as whoever keeps them keeps them."""
        self.accepted = dict.fromkeys(("text", "kafka", "http"), 0)
        """By protocol, once it is known."""
        self.refused = 0
        """Turned away because there were as many as there may be (connections_max)."""

    def accept(self, protocol: str) -> None:
        """Count a connection whose protocol is known now."""
        self.accepted[protocol] += 1


class TlsMetrics:
    """What TLS is set to, and how clients got on with it."""

    __slots__ = ("certificate_expiry_s", "failures", "handshakes", "mode")

    def __init__(self) -> None:
        self.mode = "off"
        """`off`, `on` (clients may) or `require` (they must)."""
        self.certificate_expiry_s: float | None = None
        """When the first certificate of those shown to clients expires, in seconds since 1970; None without TLS."""
        self.handshakes = 0
        """Those that succeeded."""
        self.failures = 0
        """Those that did not: garbage, silence, a certificate that was missing or not accepted."""


class Metrics:
    """All that one broker counts."""

    __slots__ = ("connections", "http", "kafka", "storage", "text", "tls")

    def __init__(self, storage: StorageMetrics | None = None) -> None:
        """`storage` are those of the broker's store."""
        self.storage = storage or StorageMetrics()
        self.connections = ConnectionMetrics()
        self.tls = TlsMetrics()
        self.text = ProtocolMetrics()
        """By command."""
        self.kafka = ProtocolMetrics()
        """By API."""
        self.http = ProtocolMetrics()
        """By method and route."""

    def protocols(self) -> dict[str, ProtocolMetrics]:
        """Requests by the protocol's name."""
        return {"text": self.text, "kafka": self.kafka, "http": self.http}
