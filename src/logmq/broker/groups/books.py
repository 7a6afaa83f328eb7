"""What is kept beside each group's state machine, whatever its type: its size, when it became empty, its timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from logmq.clock import Clock


class GroupBooks:
    """Books over groups by name. Belongs to the event loop's thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.size = 0
        """Bytes of all members of all groups."""
        self._sizes: dict[str, int] = {}
        self._emptied_ms: dict[str, int] = {}
        """When groups lost their last member, by the wall clock."""
        self.timers: dict[str, tuple[int, asyncio.TimerHandle]] = {}
        """One timer a group, with the time that it is for: never later than the group's deadline."""

    def now_ms(self) -> int:
        """The time that deadlines are in: milliseconds that never go back."""
        return int(self._clock.monotonic() * 1000)

    def count(self, name: str, size: int, *, is_empty: bool) -> None:
        """Take note of a group's members after a change."""
        self.size += size - self._sizes.get(name, 0)
        self._sizes[name] = size
        if not is_empty:
            self._emptied_ms.pop(name, None)
        elif name not in self._emptied_ms:
            self._emptied_ms[name] = self._clock.now_ms()

    def emptied_ms(self, name: str) -> int:
        """When the group lost its last member; 0 if it has some or is not known."""
        return self._emptied_ms.get(name, 0)

    def wake_by(self, name: str, deadline_ms: int | None, tick: Callable[[], None]) -> None:
        """Call `tick` at the deadline, or earlier, which does no harm; without one, not at all."""
        at_ms, timer = self.timers.get(name, (None, None))
        if at_ms is not None and deadline_ms is not None and at_ms <= deadline_ms:
            return
        if timer is not None:
            timer.cancel()
            del self.timers[name]
        if deadline_ms is not None:
            delay_ms = max(0, deadline_ms - self.now_ms()) + 1
            handle = asyncio.get_running_loop().call_later(delay_ms / 1000, self._fire, name, tick)
            self.timers[name] = (deadline_ms, handle)

    def _fire(self, name: str, tick: Callable[[], None]) -> None:
        del self.timers[name]
        tick()

    def forget(self, name: str) -> None:
        """The group is gone."""
        self.size -= self._sizes.pop(name, 0)
        self._emptied_ms.pop(name, None)
        _, timer = self.timers.pop(name, (None, None))
        if timer is not None:
            timer.cancel()
