"""Room for the requests of all connections that are being received: how much the broker reads before it stops reading.

A request takes its room as a whole when its size is known, before most of it has come, so that whatever is begun can be
finished; who finds no room is not read from until others have given theirs back, in the order of asking. The room is
kept until the request is handed to the broker, whose own queue is bounded by `append_queue_size_bytes`. Large requests
share one half and ordinary ones the other: a few producers of giants do not keep the many waiting. Source: Kafka's
queued.max.request.bytes bounds the same.

Somebody who begins a request and never finishes it could keep the room for good. So while others wait, one that has
gone silent in the middle, or takes too long over it, loses its connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from logmq.clock import Clock
from logmq.limits import (
    KAFKA_LARGE_REQUEST_SIZE,
    KAFKA_RECEIVE_SILENCE_MAX_S,
    KAFKA_RECEIVE_TIME_MAX_S,
    KAFKA_SMALL_REQUEST_SIZE,
)

_log = logging.getLogger(__name__)

_LOOK_INTERVAL_S = 1.0


class Place:
    """What one connection has of the room, or waits for: `go_on` is called when it has it, `drop` when it loses it."""

    __slots__ = ("_began_at", "_drop", "_go_on", "_heard_at", "_intake", "_size", "_waits", "_whole")

    def __init__(self, intake: Intake, go_on: Callable[[], None], drop: Callable[[str], None]) -> None:
        self._intake = intake
        self._go_on = go_on
        self._drop = drop
        self._size = 0
        self._whole = False
        self._waits = False
        self._began_at = 0.0
        self._heard_at = 0.0

    def arrived(self) -> None:
        """The request that was being received is whole."""
        self._whole = True

    def admits(self, wanted: int, now: float) -> bool:
        """Whether to read on where a request of `wanted` bytes has begun (0 if none has), and none waits for its turn.

        If not, `go_on` is called later.
        """
        if self._whole:
            self.leave()
        if wanted <= KAFKA_SMALL_REQUEST_SIZE:
            return True
        self._heard_at = now
        if not self._size:
            self._began_at = now
            self._size = wanted
            self._waits = not self._intake.enter(self)
        return not self._waits

    def leave(self) -> None:
        """Give back what it has, and wait for nothing."""
        self._whole = False
        if self._size:
            size, self._size = self._size, 0
            self._intake.leave(self, size, waited=self._waits)
            self._waits = False

    # -- called by the intake ----------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes that it has or wants."""
        return self._size

    def admit(self, now: float) -> None:
        """There is room for it."""
        self._waits = False
        self._began_at = self._heard_at = now
        self._go_on()

    def is_too_slow(self, now: float) -> bool:
        """Whether its request should be there by now."""
        silent = now - self._heard_at >= KAFKA_RECEIVE_SILENCE_MAX_S
        return not self._whole and (silent or now - self._began_at >= KAFKA_RECEIVE_TIME_MAX_S)

    def drop(self) -> None:
        """Others need its room."""
        self._drop("others wait for the room that its unfinished request takes (kafka_receive_queue_size_bytes)")


class _Share:
    """A part of the room, first come, first served. A request larger than all of it gets in when nobody else is."""

    def __init__(self, size_max: int) -> None:
        self.size_max = size_max
        self.taken = 0
        self.inside: dict[Place, None] = {}
        self.waiting: deque[Place] = deque()

    def enter(self, place: Place) -> bool:
        if self.inside and self.taken + place.size > self.size_max:
            return False
        self.taken += place.size
        self.inside[place] = None
        return True

    def admit_waiting(self, now: float) -> None:
        while self.waiting and self.enter(self.waiting[0]):
            self.waiting.popleft().admit(now)


class Intake:
    """The room of all connections: `size_max` bytes, and one chunk of each that waits."""

    def __init__(self, size_max: int, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._clock = clock
        self._loop = loop
        self._ordinary = _Share(size_max - size_max // 2)
        self._large = _Share(size_max // 2)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def taken_bytes(self) -> int:
        """Bytes of requests that are being received, or wait for their turn."""
        return self._ordinary.taken + self._large.taken

    @property
    def waiting_count(self) -> int:
        """Connections that are not read from for want of room."""
        return len(self._ordinary.waiting) + len(self._large.waiting)

    def enter(self, place: Place) -> bool:
        """Whether there is room for it now; if not, it waits."""
        share = self._share(place.size)
        if not share.waiting and share.enter(place):
            return True
        share.waiting.append(place)
        if self._timer is None:
            self._timer = self._loop.call_later(_LOOK_INTERVAL_S, self._look)
        return False

    def leave(self, place: Place, size: int, *, waited: bool) -> None:
        """Its room, or its place among those who wait, is free."""
        share = self._share(size)
        if waited:
            share.waiting.remove(place)
        else:
            del share.inside[place]
            share.taken -= size
        share.admit_waiting(self._clock.monotonic())

    def _share(self, size: int) -> _Share:
        return self._large if size > KAFKA_LARGE_REQUEST_SIZE else self._ordinary

    def _look(self) -> None:
        """While somebody waits: drop those who keep room and do not use it."""
        self._timer = None
        now = self._clock.monotonic()
        for share in (self._ordinary, self._large):
            if share.waiting:
                for place in [each for each in share.inside if each.is_too_slow(now)]:
                    place.drop()
        if self.waiting_count:
            self._timer = self._loop.call_later(_LOOK_INTERVAL_S, self._look)
