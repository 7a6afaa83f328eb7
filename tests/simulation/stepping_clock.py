"""A clock that moves when it is read, and steps back now and then, as clocks of machines do."""

from __future__ import annotations

from random import Random


class SteppingClock:
    """`Clock` whose readings a seed decides."""

    def __init__(self, rng: Random, now_ms: int = 1_700_000_000_000) -> None:
        self._rng = rng
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Some milliseconds later than the last time, or (one time in twenty) up to a minute earlier."""
        self._now_ms += self._rng.randint(-60_000, 0) if self._rng.random() < 0.05 else self._rng.randint(0, 50)
        return self._now_ms

    def monotonic(self) -> float:
        """Not used by the core."""
        raise NotImplementedError
