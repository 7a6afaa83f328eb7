"""One reader for all subscribers at the end of a topic who want the same."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from logmq.broker.broker import Broker
from logmq.errors import LogMQError, Unavailable
from logmq.limits import LIVE_KEEP_ALIVE_S, LIVE_LOOK_INTERVAL_S, LIVE_PAUSE_S, LIVE_SAMPLED_PAUSE_S, LIVE_TURN_COUNT
from logmq.protocols.http.live.positions import Positions
from logmq.protocols.http.live.reader import Reader

_log = logging.getLogger(__name__)


class Member(Protocol):
    """A subscriber as its feed sees it."""

    def write(self, events: bytes) -> None:
        """Take events. Never waits."""
        ...

    def end(self, error: LogMQError) -> None:
        """There will be no more."""
        ...


class Feed:
    """Waits, reads and formats once and hands the same bytes to each member.

    It pauses between two rounds: a fast topic then has many records a round, which go out with few writes a member. And
    it lets others have their turn for as long as each read took: members never take more than half of the event loop.
    """

    def __init__(self, broker: Broker, reader: Reader, *, sampled: bool) -> None:
        """Begins to read when the first member joins. A sampled one pauses for longer, so that there is a choice."""
        self._broker = broker
        self._reader = reader
        self._pause_s = LIVE_SAMPLED_PAUSE_S if sampled else LIVE_PAUSE_S
        self._members: dict[Member, None] = {}
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._quiet_since = 0.0

    @property
    def positions(self) -> Positions:
        """Where all of its members are."""
        return self._reader.positions

    def __len__(self) -> int:
        return len(self._members)

    def begin_at(self, positions: Positions) -> None:
        """Be there when the first member joins."""
        assert not self._members
        self.positions.update(positions)

    def join(self, member: Member) -> None:
        """Hand on to the member what comes from `positions` on."""
        self._members[member] = None
        if self._task is None:
            self._quiet_since = self._loop.time()
            self._task = self._loop.create_task(self._run())

    def leave(self, member: Member) -> None:
        """Forget the member."""
        self._members.pop(member, None)
        if not self._members and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        try:
            while True:
                if await self._wait():
                    await self._round()
                elif self._loop.time() - self._quiet_since >= LIVE_KEEP_ALIVE_S:
                    await self._publish(self._reader.format.keep_alive)
        except LogMQError as error:
            self._end(self._reader.explain(error))
        except Exception:
            _log.exception("a live stream failed")
            self._end(Unavailable("the stream failed in an unexpected way; the broker's log says how"))

    def _end(self, error: LogMQError) -> None:
        self._task = None
        for member in list(self._members):
            member.end(error)

    async def _wait(self) -> bool:
        """Wait until there is something to read, for a while. Raises: LogMQError: the stream cannot go on."""
        self._reader.look()
        wanted = {self._reader.partition(index): offset for index, offset in self.positions.items()}
        return await self._broker.wait_any(wanted, LIVE_LOOK_INTERVAL_S)

    async def _round(self) -> None:
        """Read on to where the partitions ended when it began, however much that is, and pause."""
        bounds = self._broker.bounds
        ends = {index: bounds(self._reader.partition(index)).high_watermark for index in self.positions}
        for index, end in ends.items():
            while self.positions[index] < end:
                began = self._loop.time()
                await self._publish(await self._reader.read(index))
                await asyncio.sleep(self._loop.time() - began)
        await asyncio.sleep(self._pause_s)

    async def _publish(self, events: bytes) -> None:
        """Whoever joins meanwhile is behind these events already."""
        if not events:
            return
        self._quiet_since = self._loop.time()
        for number, member in enumerate(list(self._members), 1):
            member.write(events)
            if number % LIVE_TURN_COUNT == 0:
                await asyncio.sleep(0)
