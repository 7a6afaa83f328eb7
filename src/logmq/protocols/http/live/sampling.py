"""Which records are sent where no more than so many a second are wanted."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

_WINDOW_S = 1.0


class Sampler:
    """Chooses evenly from what comes. Reads no clock: times are given, in seconds, and do not go back."""

    def __init__(self, rate_max: int, now_s: float) -> None:
        """At most `rate_max` records are chosen within any second."""
        self._rate_max = rate_max
        self._chosen: deque[tuple[float, int]] = deque()
        self._chosen_count = 0
        """Of the last second."""
        self._due = float(rate_max)
        """How many may be chosen if they are to come at an even pace; grows with time."""
        self._then_s = now_s

    def choose(self, count: int, now_s: float) -> Sequence[int]:
        """Which of `count` records to send, by number: all of them, or some at even distances, the last one too."""
        self._pass_time(now_s)
        allowed = max(0, min(count, int(self._due), self._rate_max - self._chosen_count))
        if allowed < count:
            self._due -= int(self._due)  # what was saved up while little came is gone once too much comes
        else:
            self._due -= allowed
        if allowed:
            self._chosen.append((now_s, allowed))
            self._chosen_count += allowed
        if allowed == count:
            return range(count)
        return [(index + 1) * count // allowed - 1 for index in range(allowed)]

    def _pass_time(self, now_s: float) -> None:
        self._due = min(self._rate_max, self._due + (now_s - self._then_s) * self._rate_max)
        self._then_s = now_s
        while self._chosen and self._chosen[0][0] <= now_s - _WINDOW_S:
            self._chosen_count -= self._chosen.popleft()[1]
