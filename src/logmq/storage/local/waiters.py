"""Those who wait for a partition to grow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from logmq.errors import LogMQError
from logmq.model import TopicPartition
from logmq.storage.local.committer import settle


class Waiters:
    """Futures by partition and offset, each done when the partition's end is beyond its offset."""

    def __init__(self) -> None:
        self._by_partition: dict[TopicPartition, dict[asyncio.Future[None], int]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_partition)

    def __iter__(self) -> Iterator[TopicPartition]:
        return iter(list(self._by_partition))

    async def wait(self, partition: TopicPartition, offset: int, timeout_s: float | None) -> bool:
        """Wait for records beyond `offset`; False when the time ran out. Raises: what `fail` is called with."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._by_partition.setdefault(partition, {})[future] = offset
        try:
            await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            return False
        finally:
            self._forget(partition, future)
        return True

    def _forget(self, partition: TopicPartition, future: asyncio.Future[None]) -> None:
        waiting = self._by_partition.get(partition, {})
        waiting.pop(future, None)
        if not waiting:
            self._by_partition.pop(partition, None)

    def wake(self, partition: TopicPartition, end_offset: int) -> None:
        """The partition now ends at `end_offset`."""
        for future, offset in self._by_partition.get(partition, {}).items():
            if end_offset > offset:
                settle(future, None, None)

    def fail(self, partition: TopicPartition, error: LogMQError) -> None:
        """Nothing will ever come."""
        for future in self._by_partition.get(partition, ()):
            settle(future, None, error)
