"""When the next request may be sent, and how long an answer took.

Three ways to press, all without a clock of their own:

- `ClosedWindow`: a fixed number of requests is unanswered at any time. The latency counts from when a request was sent,
  so a server that stalls is asked less often while it does.
- `PacedWindow`: requests are due at fixed times, whether the server answers or not. The latency counts from when a
  request was due, so that the wait behind a stall is counted for every request that it delayed.
- `StreamWindow`: one request, answered without end.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from logmq.client.load.histogram import Histogram
from logmq.client.load.wire import Exchange

_GROUPS_MAX = 32
"""Groups in which a piece with many answers is recorded by a paced window, each at its slowest member's latency."""


class Window(Protocol):
    """What one client may send."""

    @property
    def unanswered(self) -> int:
        """Requests that were taken and not answered."""
        ...

    def take(self, now_ns: int) -> int:
        """How many requests are to be sent now; they count as sent."""
        ...

    def answered(self, count: int, now_ns: int) -> None:
        """`count` answers arrived, in the order of the requests."""
        ...

    def stop(self) -> None:
        """Let nothing be taken any more."""
        ...

    @property
    def finished(self) -> bool:
        """Whether nothing will be taken and nothing is awaited any more."""
        ...


class ClosedWindow:
    """`depth` requests unanswered at any time, until `budget` were sent."""

    __slots__ = ("_budget", "_depth", "_histogram", "_sent", "unanswered")

    def __init__(self, depth: int, histogram: Histogram, budget: int | None = None) -> None:
        self._depth = depth
        self._histogram = histogram
        self._budget = budget
        self._sent: deque[tuple[int, int]] = deque()
        self.unanswered = 0

    def take(self, now_ns: int) -> int:
        """Fill the window."""
        count = self._depth - self.unanswered
        if self._budget is not None:
            count = min(count, self._budget)
            self._budget -= count
        if count > 0:
            self.unanswered += count
            self._sent.append((now_ns, count))
        return count

    def answered(self, count: int, now_ns: int) -> None:
        """Record each answer with the latency of the piece in which its request was sent."""
        self.unanswered -= count
        while count > 0 and self._sent:
            sent_ns, sent_count = self._sent.popleft()
            if sent_count > count:
                self._sent.appendleft((sent_ns, sent_count - count))
                sent_count = count
            self._histogram.record(now_ns - sent_ns, sent_count)
            count -= sent_count

    def stop(self) -> None:
        """Send nothing more."""
        self._budget = 0

    @property
    def finished(self) -> bool:
        """Whether the budget is spent and answered."""
        return self._budget == 0 and self.unanswered == 0


class PacedWindow:
    """Request number i is due at `start_ns + i * interval_ns`; at most `depth` are unanswered."""

    __slots__ = ("_answered", "_depth", "_histogram", "_interval_ns", "_start_ns", "_stopped", "_taken")

    def __init__(self, depth: int, histogram: Histogram, start_ns: float, interval_ns: float) -> None:
        self._depth = depth
        self._histogram = histogram
        self._start_ns = start_ns
        self._interval_ns = interval_ns
        self._taken = 0
        self._answered = 0
        self._stopped = False

    @property
    def unanswered(self) -> int:
        """Requests that were taken and not answered."""
        return self._taken - self._answered

    def take(self, now_ns: int) -> int:
        """All that are due, as far as the depth allows; the rest stays due."""
        if self._stopped or now_ns < self._start_ns:
            return 0
        due = int((now_ns - self._start_ns) / self._interval_ns) + 1
        count = min(due - self._taken, self._depth - self.unanswered)
        self._taken += count
        return count

    def answered(self, count: int, now_ns: int) -> None:
        """Record each answer with the latency from when its request was due."""
        step = -(-count // _GROUPS_MAX)
        end = min(self._answered + count, self._taken)
        for first in range(self._answered, end, step):
            due_ns = self._start_ns + first * self._interval_ns
            self._histogram.record(int(now_ns - due_ns), min(step, end - first))
        self._answered = end

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped = True

    @property
    def finished(self) -> bool:
        """Whether it was stopped and all is answered."""
        return self._stopped and self.unanswered == 0


class StreamWindow:
    """One request; the latency of a stamped message is the time since it was sent."""

    __slots__ = ("_exchange", "_histogram", "_left", "_stopped", "unanswered")

    def __init__(self, exchange: Exchange, histogram: Histogram, budget: int | None = None) -> None:
        self._exchange = exchange
        self._histogram = histogram
        self._left = budget
        self._stopped = False
        self.unanswered = 0

    def take(self, now_ns: int) -> int:
        """One, the first time. It is unanswered until the budget of messages has come."""
        if self._stopped:
            return 0
        self._stopped = True
        self.unanswered = 1
        return 1

    def answered(self, count: int, now_ns: int) -> None:
        """Record one half of the messages at the first one's latency and the other at the last one's."""
        if (sent := self._exchange.sent_range_ns) is not None:
            first_ns, last_ns = sent
            half = count // 2
            self._histogram.record(now_ns - first_ns, count - half)
            if half:
                self._histogram.record(now_ns - last_ns, half)
        if self._left is not None:
            self._left -= count
            if self._left <= 0:
                self.unanswered = 0

    def stop(self) -> None:
        """Nothing is awaited any more."""
        self._stopped = True
        self.unanswered = 0

    @property
    def finished(self) -> bool:
        """Whether it was stopped or the budget has come."""
        return self._stopped and self.unanswered == 0
