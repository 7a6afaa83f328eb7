"""Which members are about to join a group: a client asks for the group's coordinator first, and joins a moment later.

Without that the first of ten clients that start together would be given everything and read on, and learn of the other
nine by its next heartbeat. A lone client finds that nobody else has asked, and waits for nobody.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable

from logmq.clock import Clock

_JUST_NOW_S = 0.25


class ExpectedMembers:
    """Counts by group the connections that asked for its coordinator; each counts for the group it asked for last.

    Bounded by the number of connections, and of those closed within a moment. Belongs to the event loop's thread.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: dict[Hashable, tuple[str, float]] = {}
        """Of open connections: the group, and when they asked."""
        self._closed: deque[tuple[str, float]] = deque()
        """Of connections that were closed a moment after they had asked, not long ago: the group, and when."""
        self._open_counts: Counter[str] = Counter()
        self._closed_counts: Counter[str] = Counter()

    def ask(self, connection: Hashable, group: str) -> None:
        """A connection asks who looks after a group."""
        self._take(connection)
        self._asked[connection] = group, self._clock.monotonic()
        self._open_counts[group] += 1

    def close(self, connection: Hashable) -> None:
        """The connection is gone. If it asked just now its client may be about to open another one to join."""
        asked = self._take(connection)
        now_s = self._clock.monotonic()
        self._forget_closed(now_s)
        if asked is not None and now_s - asked[1] < _JUST_NOW_S:
            self._closed.append((asked[0], now_s))
            self._closed_counts[asked[0]] += 1

    def count(self, group: str) -> int:
        """How many clients are in the group or about to join it, as far as can be told.

        librdkafka asks over its first connection, closes it as soon as it knows the broker's name, and asks again
        over a second one: each client is counted once among the open or once among the closed, or in both.
        """
        self._forget_closed(self._clock.monotonic())
        return max(self._open_counts[group], self._closed_counts[group])

    def _take(self, connection: Hashable) -> tuple[str, float] | None:
        asked = self._asked.pop(connection, None)
        if asked is not None:
            _count_down(self._open_counts, asked[0])
        return asked

    def _forget_closed(self, now_s: float) -> None:
        while self._closed and now_s - self._closed[0][1] >= _JUST_NOW_S:
            _count_down(self._closed_counts, self._closed.popleft()[0])


def _count_down(counts: Counter[str], group: str) -> None:
    counts[group] -= 1
    if not counts[group]:
        del counts[group]
