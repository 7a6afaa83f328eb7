"""A table that is kept in memory, and as a log of its own on disk.

Each record of the internal topic is a row as it stands from then on; what a row is, is the table's affair. The table is
made by reading the log from its start. When the log has grown to several times the table's size, the table is appended
as a whole and what is before it is trimmed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from logmq.errors import Damaged, LogMQError
from logmq.limits import OFFSETS_LOG_SIZE_MIN, READ_SIZE
from logmq.model import TopicPartition
from logmq.records import frames
from logmq.storage.engine import Append, Appended, Appending, LogStore

_log = logging.getLogger(__name__)

NO_ROWS = b"{}"
"""The record that an empty table leaves, so that there is an offset to trim before."""


class TableLog:
    """The log of one table. It must exist."""

    def __init__(self, store: LogStore, topic: str) -> None:
        self._store = store
        self._partition = TopicPartition(topic, 0)
        self._compacting: asyncio.Task[None] | None = None

    async def load(self, take: Callable[[bytes], None], lost: Callable[[], None] = lambda: None) -> None:
        """Hand each row to `take`, the oldest first. Raises: Unavailable.

        Rows in a damaged range are lost, which is reported; `lost` is called between the rows before and behind them.
        """
        offset = self._store.bounds(self._partition).log_start_offset
        while True:
            try:
                chunk = await self._store.read(self._partition, offset, READ_SIZE)
            except Damaged as damage:
                _log.error("rows of a table are lost", extra={"table": self._partition.topic, "reason": str(damage)})
                lost()
                offset = damage.next_offset
                continue
            if not chunk.data:
                return
            starts, end = frames.walk(chunk.data)
            for payload in frames.cut(chunk.data, starts, end):
                take(payload)
            offset = chunk.next_offset

    def rows(self, payloads: Sequence[bytes]) -> Append:
        """Rows, to be appended by the caller, in one commit with what they say."""
        data, starts = frames.encode(payloads)
        return Append(self._partition, data, starts, starts, len(data))

    def compact_if_grown(self, table_size: int, table: Callable[[], list[bytes]]) -> None:
        """Begin to write the table anew if that is worth it. No rows may be under way: the table would lack them."""
        bounds = self._store.bounds(self._partition)
        size = bounds.high_watermark - bounds.log_start_offset
        if self._compacting is None and size > max(OFFSETS_LOG_SIZE_MIN, 4 * table_size):
            # Appended here and now: a row that changes next must come behind the table, or it would be undone.
            appending = self._store.append([self.rows(table() or [NO_ROWS])])
            self._compacting = asyncio.ensure_future(self._compact(appending))

    async def _compact(self, appending: Appending) -> None:
        try:
            (result,) = await appending
            if isinstance(result, Appended):
                await self._store.trim(self._partition, result.first_offset)
        except LogMQError:
            pass  # the log stays as long as it is; a later change tries again
        finally:
            self._compacting = None
