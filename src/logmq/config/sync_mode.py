"""When appends reach the disk: a value of its own, since three kinds of text mean it."""

from __future__ import annotations

from dataclasses import dataclass

from logmq.config.quantities import show_duration


@dataclass(frozen=True, slots=True)
class SyncMode:
    """When appends reach the disk, and with that what an acknowledgement promises.

    `always`: acknowledged once the disk holds it. An interval: acknowledged at once, the disk holds it
    `interval_ms` later at most. `never`: acknowledged at once, the operating system writes when it likes.
    """

    name: str
    interval_ms: int | None = None

    def __post_init__(self) -> None:
        assert self.name in {"always", "interval", "never"}, self.name
        assert (self.name == "interval") == (self.interval_ms is not None), self
        assert self.interval_ms is None or self.interval_ms > 0, self

    @classmethod
    def every(cls, interval_ms: int) -> SyncMode:
        """Acknowledge at once, sync every `interval_ms`."""
        return cls("interval", interval_ms)

    def __str__(self) -> str:
        return self.name if self.interval_ms is None else show_duration(self.interval_ms)


SYNC_ALWAYS = SyncMode("always")
SYNC_NEVER = SyncMode("never")
