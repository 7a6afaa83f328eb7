"""DescribeLogDirs (35): the data directory and how much of it each partition takes. Source: KIP-113, KIP-827."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError
from logmq.model import TopicPartition
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.messages import Fields

_UNKNOWN = -1


async def handle(request: Any, context: Context) -> Fields:
    """All partitions where none are named, else those named that there are."""
    directory = str(context.config.data_dir.absolute())
    total, usable = await asyncio.to_thread(_room, directory)
    result = {
        "error_code": ErrorCode.none,
        "log_dir": directory,
        "topics": _sizes(_asked_for(request, context), context),
        "total_bytes": total,
        "usable_bytes": usable,
    }
    return {"throttle_time": timedelta(0), "error_code": ErrorCode.none, "results": (result,)}


def _room(directory: str) -> tuple[int, int]:
    """Size and free bytes of the file system."""
    try:
        usage = shutil.disk_usage(directory)
    except OSError:
        return _UNKNOWN, _UNKNOWN
    return usage.total, usage.free


def _asked_for(request: Any, context: Context) -> Iterable[TopicPartition]:
    if request.topics is None:
        return [partition for topic in context.broker.topics() for partition in topic.partitions()]
    named = [TopicPartition(topic.topic, index) for topic in request.topics for index in topic.partitions]
    return dict.fromkeys(named)


def _sizes(partitions: Iterable[TopicPartition], context: Context) -> list[Fields]:
    by_topic: dict[str, list[Fields]] = {}
    for partition in partitions:
        try:
            size = context.broker.statistics(partition).size_bytes
        except LogMQError:
            continue  # Kafka leaves out what it does not have
        found = {"partition_index": partition.index, "partition_size": size, "offset_lag": 0, "is_future_key": False}
        by_topic.setdefault(partition.topic, []).append(found)
    return [{"name": name, "partitions": found} for name, found in by_topic.items()]
