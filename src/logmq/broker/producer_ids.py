"""Ids for idempotent producers: each is given out once, for good."""

from __future__ import annotations

import asyncio

from logmq.limits import PRODUCER_ID_BLOCK_SIZE
from logmq.storage.engine import Meta


class ProducerIds:
    """Hands out ids from a block that Meta has set aside, so that most cost no transaction."""

    def __init__(self, meta: Meta) -> None:
        self._meta = meta
        self._next = self._end = 0
        self._taking = asyncio.Lock()

    async def next(self) -> int:
        """An id that nobody has had, before or after a restart. Raises: DiskFull, Unavailable."""
        async with self._taking:
            if self._next == self._end:
                self._next = await self._meta.take_producer_ids(PRODUCER_ID_BLOCK_SIZE)
                self._end = self._next + PRODUCER_ID_BLOCK_SIZE
            self._next += 1
            return self._next - 1
