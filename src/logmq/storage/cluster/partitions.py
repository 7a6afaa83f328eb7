"""Which logs there are, and the lanes in which their records lie: what pipeline, reader and upkeep share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from logmq.errors import UnknownPartition, UnknownTopic
from logmq.model import TopicPartition
from logmq.storage.cluster.cache import ExtentCache
from logmq.storage.cluster.formats import lane_of
from logmq.storage.cluster.lane import Lane, LaneLog
from logmq.storage.engine import LogSpec


class Partitions:
    """Partitions to logs to lanes. Belongs to the event loop."""

    def __init__(self, lanes: Sequence[Lane], specs: Iterable[LogSpec]) -> None:
        self.lanes = lanes
        """As the last commit left them."""
        self.cache = ExtentCache()
        self._specs = {spec.partition: spec for spec in specs}

    def __contains__(self, partition: TopicPartition) -> bool:
        return partition in self._specs

    def specs(self) -> list[LogSpec]:
        """All logs."""
        return list(self._specs.values())

    def get(self, partition: TopicPartition) -> LogSpec | None:
        """What is known of a partition's log; None if there is no such partition."""
        return self._specs.get(partition)

    def find(self, partition: TopicPartition) -> LogSpec:
        """What is known of a partition's log. Raises: UnknownTopic, UnknownPartition."""
        spec = self._specs.get(partition)
        if spec is None:
            raise self.unknown(partition)
        return spec

    def unknown(self, partition: TopicPartition) -> UnknownTopic | UnknownPartition:
        """Why there is no such partition."""
        count = sum(1 for other in self._specs if other.topic == partition.topic)
        return UnknownPartition(partition.topic, partition.index, count) if count else UnknownTopic(partition.topic)

    def log(self, spec: LogSpec) -> LaneLog:
        """Where the log's records lie; an empty one if it has none yet."""
        return self.lanes[lane_of(spec.log_id)].logs.get(spec.log_id) or LaneLog()

    def add(self, specs: Iterable[LogSpec]) -> None:
        """There are these logs now, or they have these settings."""
        self._specs.update({spec.partition: spec for spec in specs})

    def remove(self, partition: TopicPartition) -> None:
        """There is no such partition any more."""
        del self._specs[partition]
