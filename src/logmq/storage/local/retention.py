"""Retention: which whole segments at a log's beginning are past their age or beyond its size."""

from __future__ import annotations

from logmq.storage.local.log import Log
from logmq.storage.local.segment import Segment


def first_kept_offset(log: Log, now_ms: int) -> int:
    """Where the log may begin after everything expired is deleted; its log start offset if nothing is.

    The last segment always stays, whatever its size. Raises: IndexDamaged, OSError.
    """
    settings = log.spec.settings
    excess = -1 if settings.retention_bytes is None else log.size() - settings.retention_bytes
    oldest_ms = None if settings.retention_ms is None else now_ms - settings.retention_ms
    for segment in log.segments[:-1]:
        size = segment.file.size()
        too_old = oldest_ms is not None and _last_append_ms(segment) < oldest_ms
        if not too_old and size > excess:
            return max(segment.base_offset, log.log_start_offset)
        excess -= size
    return max(log.segments[-1].base_offset, log.log_start_offset)


def is_last_expired(log: Log, now_ms: int) -> bool:
    """Whether even the youngest record is past its age, so that the last segment should be closed to let it go."""
    retention_ms = log.spec.settings.retention_ms
    return retention_ms is not None and log.tail.position > 0 and log.last_append_ms < now_ms - retention_ms


def _last_append_ms(segment: Segment) -> int:
    return segment.boundary(len(segment.index)).timestamp_ms
