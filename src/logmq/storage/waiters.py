"""Those who wait for one of some partitions to grow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from logmq.errors import LogMQError
from logmq.model import TopicPartition


class Waiters:
    """Futures by partition and offset, each done when the end of one of its partitions is beyond the offset there."""

    def __init__(self) -> None:
        self._by_partition: dict[TopicPartition, dict[asyncio.Future[None], int]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_partition)

    def __iter__(self) -> Iterator[TopicPartition]:
        return iter(list(self._by_partition))

    async def wait_any(self, offsets: Mapping[TopicPartition, int], timeout_s: float | None) -> bool:
        """Wait for records beyond the offset of any of these; False when the time ran out.

        Raises: what `fail` is called with for any of them.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for partition, offset in offsets.items():
            self._by_partition.setdefault(partition, {})[future] = offset
        try:
            await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            return False
        finally:
            for partition in offsets:
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


def settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    """Give a future its result or its error, unless whoever waited has gone."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
