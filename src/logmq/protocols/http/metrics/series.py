"""The families of which there are many series, several for each partition and each group, as text.

Formatted here, because the library takes 68 ms of processor time for a thousand partitions where this takes 5. The text
is what the library would write, labels by name, and the same in both of Prometheus' formats, since all of these are
gauges with whole numbers. It is made in slices, so that clients have their turn in between.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

from logmq.broker.broker import Broker
from logmq.errors import LogMQError
from logmq.model import Topic, TopicPartition
from logmq.protocols.http.metrics.families import FAMILIES

_SLICE_COUNT = 200
"""Partitions, or offsets of groups, in one go: about 1 ms."""

_BROKER_ID = 0
_SAME_FOR_ALL = {
    "kafka_topic_partition_leader": _BROKER_ID,
    "kafka_topic_partition_leader_is_preferred": 1,
    "kafka_topic_partition_replicas": 1,
    "kafka_topic_partition_in_sync_replica": 1,
    "kafka_topic_partition_under_replicated_partition": 0,
}
"""One broker has and leads every partition."""


class Lines:
    """Lines of text by family."""

    def __init__(self, *names: str) -> None:
        self._lines: dict[str, list[str]] = {name: [_head(name)] for name in names}

    def of(self, name: str) -> list[str]:
        """A family's lines, to add to."""
        return self._lines[name]

    def text(self) -> str:
        """All of them, family by family."""
        return "".join(["".join(lines) for lines in self._lines.values()])


def _head(name: str) -> str:
    family = FAMILIES[name]
    assert family.kind == "gauge"
    return f"# HELP {name} {family.help}\n# TYPE {name} gauge\n"


async def partition_series(broker: Broker) -> str:
    """What there is to tell of each partition."""
    lines = Lines(*_PARTITION_FAMILIES, *_SAME_FOR_ALL, "kafka_topic_partitions")
    left = _SLICE_COUNT
    for topic in broker.topics():
        lines.of("kafka_topic_partitions").append(
            f'kafka_topic_partitions{{topic="{topic.name}"}} {topic.partition_count}\n'
        )
        for first in range(0, topic.partition_count, _SLICE_COUNT):
            count = _add_partitions(lines, broker, topic, first)
            left -= count
            if left <= 0:
                await asyncio.sleep(0)
                left = _SLICE_COUNT
    return lines.text()


_PARTITION_FAMILIES = (
    "logmq_log_size_bytes",
    "logmq_log_segments",
    "logmq_log_start_offset",
    "logmq_log_high_watermark",
    "kafka_topic_partition_current_offset",
    "kafka_topic_partition_oldest_offset",
)


def _add_partitions(lines: Lines, broker: Broker, topic: Topic, first: int) -> int:
    """Add up to a slice of a topic's partitions, from `first` on; returns how many."""
    sizes, segments, starts, ends, current, oldest = map(lines.of, _PARTITION_FAMILIES)
    labels = []
    for index in range(first, min(first + _SLICE_COUNT, topic.partition_count)):
        partition = TopicPartition(topic.name, index)
        try:
            bounds, kept = broker.bounds(partition), broker.statistics(partition)
        except LogMQError:
            break  # dropped between two slices
        label = f'{{partition="{index}",topic="{topic.name}"}}'
        labels.append(label)
        sizes.append(f"logmq_log_size_bytes{label} {kept.size_bytes}\n")
        segments.append(f"logmq_log_segments{label} {kept.segment_count}\n")
        starts.append(f"logmq_log_start_offset{label} {bounds.log_start_offset}\n")
        ends.append(f"logmq_log_high_watermark{label} {bounds.high_watermark}\n")
        current.append(f"kafka_topic_partition_current_offset{label} {bounds.high_watermark}\n")
        oldest.append(f"kafka_topic_partition_oldest_offset{label} {bounds.log_start_offset}\n")
    for name, value in _SAME_FOR_ALL.items():
        lines.of(name).extend([f"{name}{label} {value}\n" for label in labels])
    return len(labels)


async def group_series(broker: Broker) -> str:
    """What there is to tell of each group and each partition that it committed for, and how many groups there are."""
    lines = Lines("logmq_groups", "logmq_group_members", *_GROUP_FAMILIES)
    states: Counter[tuple[str, str]] = Counter()
    member_count = 0
    left = _SLICE_COUNT
    for name in broker.groups.names():
        group = broker.groups.describe(name)
        states[str(group.state), group.type] += 1
        member_count += group.member_count
        escaped = _escape(name)
        lines.of("kafka_consumergroup_members").append(
            f'kafka_consumergroup_members{{consumergroup="{escaped}"}} {group.member_count}\n'
        )
        left -= 1 + _add_offsets(lines, broker, escaped, broker.group_offsets(name).items())
        if left <= 0:
            await asyncio.sleep(0)
            left = _SLICE_COUNT
    lines.of("logmq_group_members").append(f"logmq_group_members {member_count}\n")
    for (state, kind), count in states.items():
        lines.of("logmq_groups").append(f'logmq_groups{{state="{state}",type="{kind}"}} {count}\n')
    return lines.text()


_GROUP_FAMILIES = (
    "kafka_consumergroup_members",
    "kafka_consumergroup_current_offset",
    "kafka_consumergroup_current_offset_sum",
    "kafka_consumergroup_lag",
    "kafka_consumergroup_lag_sum",
)


def _add_offsets(lines: Lines, broker: Broker, group: str, offsets: Iterable[tuple[TopicPartition, int]]) -> int:
    """Add what a group, by its escaped name, has committed; returns for how many partitions."""
    current, lags = lines.of("kafka_consumergroup_current_offset"), lines.of("kafka_consumergroup_lag")
    sums: dict[str, tuple[int, int]] = {}
    count = 0
    for partition, offset in offsets:
        try:
            lag = broker.bounds(partition).lag(offset)
        except LogMQError:
            continue  # dropped a moment ago
        label = f'{{consumergroup="{group}",partition="{partition.index}",topic="{partition.topic}"}}'
        current.append(f"kafka_consumergroup_current_offset{label} {offset}\n")
        lags.append(f"kafka_consumergroup_lag{label} {lag}\n")
        before = sums.get(partition.topic, (0, 0))
        sums[partition.topic] = (before[0] + offset, before[1] + lag)
        count += 1
    for topic, (offset_sum, lag_sum) in sums.items():
        label = f'{{consumergroup="{group}",topic="{topic}"}}'
        lines.of("kafka_consumergroup_current_offset_sum").append(
            f"kafka_consumergroup_current_offset_sum{label} {offset_sum}\n"
        )
        lines.of("kafka_consumergroup_lag_sum").append(f"kafka_consumergroup_lag_sum{label} {lag_sum}\n")
    return count


def _escape(value: str) -> str:
    """A label value; names of topics need none of this, those of groups are any text."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
