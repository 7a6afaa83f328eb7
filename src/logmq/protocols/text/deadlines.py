"""What one client may take up: bytes, and time. The time is passed in; nothing here waits.

A connection looks at its deadlines every few seconds instead of setting a timer for each request, so that they cost
the hot path nothing. A deadline is noticed up to one such interval late.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from logmq.config import Config
from logmq.limits import COMMAND_LINE_SIZE_MAX, KIB

LOOK_INTERVAL_S = 5.0
"""Time between two looks, if that is less than a quarter of every timeout."""

UPLOAD_RATE_MIN = 64 * KIB
"""A second more for that many bytes of an unfinished message, so that large ones may take longer."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one client may take up."""

    message_size_max_bytes: int
    """For topics that do not exist yet; the others have a limit of their own."""
    queue_size_max_bytes: int
    """Lines that wait for the disk; beyond it nothing more is read."""
    idle_timeout_ms: int
    """Silence after which the connection is closed; 0 is never."""
    body_timeout_ms: int
    """For the rest of a line or message that has begun."""
    slow_reader_timeout_ms: int
    """For reading so many answers that there is room for more."""

    @classmethod
    def of(cls, config: Config) -> ConnectionLimits:
        """The limits in the broker's settings."""
        return cls(
            config.message_size_max_bytes,
            config.connection_queue_size_bytes,
            config.idle_timeout_ms,
            config.write_body_timeout_ms,
            config.slow_reader_timeout_ms,
        )

    @property
    def look_interval_s(self) -> float:
        """Time between two looks at the deadlines."""
        timeouts = (self.idle_timeout_ms, self.body_timeout_ms, self.slow_reader_timeout_ms)
        return min([LOOK_INTERVAL_S, *(timeout / 4000 for timeout in timeouts if timeout)])


class Overdue(Enum):
    """Who has waited too long for what."""

    ANSWERS = "answers"
    """The client does not read."""
    REST = "rest"
    """The rest of what it began to send does not come."""
    REQUEST = "request"
    """It sends nothing at all."""


@dataclass(slots=True)
class Situation:
    """How a connection stands when it looks. The counts go up with each new thing of their kind."""

    heard: bool
    """Whether bytes have come since the last look."""
    busy: bool
    """Whether the broker is at work for the client."""
    stuck: bool
    """Whether there is no room for more answers, or the last ones are still to be read."""
    stuck_count: int
    begun: bool
    """Whether a line or message has begun, of which the rest can come."""
    begun_count: int
    pending_size: int
    """Bytes kept of it."""
    awaits_body: bool


class Deadlines:
    """Since when a connection has been as it is."""

    __slots__ = ("_begun_count", "_begun_since", "_limits", "_quiet_since", "_stuck_count", "_stuck_since")

    def __init__(self, limits: ConnectionLimits, now: float) -> None:
        self._limits = limits
        self._quiet_since = now
        self._stuck_since = now
        self._stuck_count = -1
        self._begun_since = now
        self._begun_count = -1

    def look(self, now: float, situation: Situation) -> Overdue | None:
        """What is overdue at `now` (seconds of a monotonic clock)."""
        if not situation.stuck or situation.stuck_count != self._stuck_count:
            self._stuck_count, self._stuck_since = situation.stuck_count, now
        if not situation.begun or situation.begun_count != self._begun_count:
            self._begun_count, self._begun_since = situation.begun_count, now
        if situation.heard or situation.busy or situation.stuck:
            self._quiet_since = now
        if now - self._stuck_since >= self._limits.slow_reader_timeout_ms / 1000:
            return Overdue.ANSWERS
        if now - self._begun_since >= self._rest_time(situation):
            return Overdue.REST
        idle_timeout = self._limits.idle_timeout_ms / 1000
        return Overdue.REQUEST if 0 < idle_timeout <= now - self._quiet_since else None

    def _rest_time(self, situation: Situation) -> float:
        if not situation.awaits_body and situation.pending_size <= COMMAND_LINE_SIZE_MAX:
            return float("inf")  # someone is typing; that is silence at worst
        return self._limits.body_timeout_ms / 1000 + situation.pending_size / UPLOAD_RATE_MIN
