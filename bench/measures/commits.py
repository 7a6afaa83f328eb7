"""What it costs a commit to touch 1,000 partitions instead of one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench.measures.figure import Figure
from bench.peers.logmq import LogMQServer
from bench.scenarios import SIZE
from logmq.client.load.plan import Load, Plan
from logmq.client.load.result import Result
from logmq.client.load.run import run
from logmq.client.load.text import TextProduce, payload
from logmq.client.load.wire import Exchange

PARTITIONS = 1000
FACTOR_MAX = 3.0
_DURATION_S = 4.0
_WARMUP_S = 1.0


@dataclass(frozen=True, slots=True)
class TextRounds:
    """One request is a round: a PRODUCE line for each of `topics`, sent together, answered when all are."""

    topics: tuple[str, ...]
    message_size: int

    @property
    def streams(self) -> bool:
        """False: one answer a request."""
        return False

    def connect(self, client: int, depth: int) -> Exchange:
        """Open one client; one round at a time."""
        assert depth == 1
        return _Rounds(self)


class _Rounds:
    def __init__(self, wire: TextRounds) -> None:
        self._lines = TextProduce("", wire.message_size).connect(0, 1)
        self.opening = self._lines.opening
        self.sent_range_ns: tuple[int, int] | None = None
        message = payload(wire.message_size)
        self._request = b"".join(b"PRODUCE %s %s\n" % (topic.encode(), message) for topic in wire.topics)
        self._count = len(wire.topics)
        self._seen = 0

    @property
    def message_count(self) -> int:
        """Messages stored."""
        return self._lines.message_count

    @property
    def errors(self) -> Counter[str]:
        """What was refused."""
        return self._lines.errors

    def opened(self, data: bytes) -> bool:
        """PONG."""
        return self._lines.opened(data)

    def requests(self, count: int, now_ns: int) -> bytes:
        """One round."""
        return self._request

    def receive(self, data: bytes) -> int:
        """Count whole rounds."""
        rounds, self._seen = divmod(self._seen + self._lines.receive(data), self._count)
        return rounds


def measure(directory: Path) -> list[Figure]:
    """Rounds over 1,000 partitions, beside rounds of as many messages in one partition, beside single messages."""
    with LogMQServer(directory) as server:
        with server.client() as client:
            client.create("wide", PARTITIONS)
            client.create("narrow", 1)
        wide = _round(server, tuple(f"wide/{index}" for index in range(PARTITIONS)))
        narrow = _round(server, ("narrow",) * PARTITIONS)
        single = _round(server, ("narrow",))
    wide_ms, narrow_ms, single_ms = (result.latency.percentile(50) / 1e6 for result in (wide, narrow, single))
    factor = wide_ms / narrow_ms
    return [
        Figure(
            f"a round of {PARTITIONS:,} messages over {PARTITIONS:,} partitions, against all in one (p50)",
            f"at most {FACTOR_MAX:g}x",
            f"{factor:.2f}x ({wide_ms:.2f} ms against {narrow_ms:.2f} ms; a single message {single_ms:.2f} ms)",
            factor <= FACTOR_MAX,
            {"wide": wide.to_json(), "narrow": narrow.to_json(), "single": single.to_json()},
        )
    ]


def _round(server: LogMQServer, topics: tuple[str, ...]) -> Result:
    load = Load("round", TextRounds(topics, SIZE), 1)
    (result,) = run(Plan(server.address, (load,), _DURATION_S, _WARMUP_S))
    if result.error_count:
        raise RuntimeError(f"{result.error_count} errors: {dict(result.errors)}")
    return result
