"""One subscriber: reads by itself until it is where a feed is, and is that feed's member from then on.

begin -> catching up -> member of a feed -> ended: the client left, the broker stops, an error, or it was too slow
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum

from logmq.errors import LogMQError
from logmq.limits import LIVE_PAUSE_S, LIVE_WAITING_SIZE_MAX
from logmq.protocols.http.context import Context
from logmq.protocols.http.live.feed import Feed
from logmq.protocols.http.live.hub import Hub, Wanted
from logmq.protocols.http.live.positions import Positions
from logmq.protocols.http.live.start import Start
from logmq.protocols.http.outlet import Outlet
from logmq.protocols.http.problems import problem_of

_log = logging.getLogger(__name__)

_KIND = "GET /topics/{topic}/stream"
_TOO_SLOW = "TOO_SLOW"


class End(Enum):
    """Why a subscription ended by itself."""

    FAILED = "failed"
    """There is nothing to go on from; the subscriber was told why."""
    TOO_SLOW = "too slow"
    """More waits for the client than may, or it does not take it."""


class Subscription:
    """Use as an async context manager: inside, events flow."""

    def __init__(self, context: Context, hub: Hub, wanted: Wanted, start: Start, outlet: Outlet) -> None:
        """From `start` on to the outlet."""
        self._context = context
        self._hub = hub
        self._wanted = wanted
        self._outlet = outlet
        self._problems = start.problems
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[End] = self._loop.create_future()
        self._feed, self._shared = self._feed_for(start.positions)
        self._reader = wanted.reader(context.broker, start.positions.copy())
        self._catching_up: asyncio.Task[None] | None = None

    def _feed_for(self, start: Positions) -> tuple[Feed, bool]:
        """A feed that passes `start`: the shared one, but for who waits for what is beyond the end."""
        ends = self._hub.ends(self._wanted)
        if all(offset <= ends.get(index, 0) for index, offset in start.items()):
            return self._hub.claim(self._wanted), True
        ends.update({index: max(offset, ends.get(index, 0)) for index, offset in start.items()})
        return self._hub.new_feed(self._wanted, ends), False

    async def __aenter__(self) -> Subscription:
        format = self._wanted.format
        problems = [format.problem(problem_of(problem)) for problem in self._problems]
        self._outlet.write(b"".join([format.begin(self._reader.positions.render()), *problems]))
        self._catching_up = self._loop.create_task(self._catch_up())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._catching_up is not None:
            self._catching_up.cancel()
        self._feed.leave(self)
        if self._shared:
            self._hub.release(self._wanted)

    # -- catching up -------------------------------------------------------------------------------------------------

    async def _catch_up(self) -> None:
        try:
            while not self._joined():
                await self._step()
        except LogMQError as error:
            self.end(self._reader.explain(error))
        finally:
            self._catching_up = None

    def _joined(self) -> bool:
        """Join the feed if it is where this is: no turn of the loop lies between the look and the joining."""
        if self._shared and not len(self._feed):
            self._feed.begin_at(self._hub.ends(self._wanted))
        if self.ended.done():
            return True
        if self._reader.positions != self._feed.positions:
            return False
        self._feed.join(self)
        return True

    async def _step(self) -> None:
        """Read what the feed has passed already."""
        self._reader.look()
        positions = self._reader.positions
        behind = [index for index, offset in self._feed.positions.items() if positions.get(index, 0) < offset]
        for index in behind:
            self.write(await self._reader.read(index, until=self._feed.positions[index]))
            timeout_s = self._context.config.slow_reader_timeout_ms / 1000
            if not await self._outlet.drained(timeout_s):
                self._drop(f"it took too little for {timeout_s:g} s")
                return
        # With nothing behind, the feed is about to read what this has already seen of it.
        await asyncio.sleep(0 if behind else LIVE_PAUSE_S)

    # -- as the feed sees it -----------------------------------------------------------------------------------------

    def write(self, events: bytes) -> None:
        """Take events. Never waits; a client for which too much waits is dropped."""
        if self._outlet.waiting_bytes > LIVE_WAITING_SIZE_MAX:
            self._drop(f"more than {LIVE_WAITING_SIZE_MAX} bytes wait for it")
        elif events:
            self._outlet.write(events)

    def end(self, error: LogMQError) -> None:
        """There will be no more: tell why."""
        self.write(self._wanted.format.problem(problem_of(error)))
        self._end(End.FAILED)

    def _drop(self, reason: str) -> None:
        if self.ended.done():
            return
        self._context.broker.metrics.http[_KIND].failed(_TOO_SLOW)
        _log.warning(
            "a subscriber is too slow and is dropped",
            extra={"topic": self._wanted.topic.name, "client": self._outlet.client, "reason": reason},
        )
        self._end(End.TOO_SLOW)

    def _end(self, end: End) -> None:
        self._feed.leave(self)
        if not self.ended.done():
            self.ended.set_result(end)
