"""Whether the broker takes requests, and if not, why: what `GET /readyz` answers.

While it recovers, the port takes connections that nobody answers yet; whoever asks then runs into their timeout, which
says the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from logmq.storage.engine import LogStore


class Status(StrEnum):
    """What the broker is doing."""

    READY = "ready"
    DRAINING = "draining"
    """It stops: what was begun is answered, nothing new is taken."""
    FAILED = "failed"
    """A sync failed: nothing is acknowledged any more, and the process is about to end."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """A status, and what there is to say about it."""

    status: Status
    reason: str

    @property
    def ready(self) -> bool:
        """Whether requests are welcome."""
        return self.status is Status.READY


class Health:
    """What is known of a broker's state."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._draining = False

    def drain(self) -> None:
        """The broker begins to stop."""
        self._draining = True

    def look(self) -> Readiness:
        """How it is now."""
        failure = self._store.failure
        if failure is not None:
            return Readiness(Status.FAILED, str(failure))
        if self._draining:
            return Readiness(Status.DRAINING, "the broker is stopping; connect again when it is back")
        return Readiness(Status.READY, "the broker takes requests")
