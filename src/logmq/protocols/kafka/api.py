"""THE table of Kafka APIs: which the broker answers, in which versions, and where.

ApiVersions advertises exactly this, docs/kafka-compatibility.md is made from it. A handler is a module of `handlers`,
loaded when its API is first asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Api:
    """One API and the versions of it that are spoken."""

    key: int
    name: str
    """Its schema and its handler's module."""
    min_version: int
    max_version: int
    flexible_since: int
    """From this version on headers end with tagged fields."""

    @property
    def title(self) -> str:
        """Its name as Kafka's documentation writes it."""
        return self.name.title().replace("_", "")


APIS: Mapping[int, Api] = {
    api.key: api
    for api in (
        Api(0, "produce", 3, 11, 9),
        Api(1, "fetch", 4, 16, 12),
        Api(2, "list_offsets", 1, 8, 6),
        Api(3, "metadata", 0, 12, 9),
        Api(8, "offset_commit", 2, 9, 8),
        Api(9, "offset_fetch", 1, 9, 6),
        Api(10, "find_coordinator", 0, 4, 3),
        Api(11, "join_group", 2, 9, 6),
        Api(12, "heartbeat", 0, 4, 4),
        Api(13, "leave_group", 0, 5, 4),
        Api(14, "sync_group", 0, 5, 4),
        Api(15, "describe_groups", 0, 5, 5),
        Api(16, "list_groups", 0, 5, 3),
        Api(18, "api_versions", 0, 4, 3),
        Api(19, "create_topics", 2, 7, 5),
        Api(20, "delete_topics", 1, 6, 4),
        Api(21, "delete_records", 0, 2, 2),
        Api(22, "init_producer_id", 0, 5, 2),
        Api(23, "offset_for_leader_epoch", 2, 4, 4),
        Api(32, "describe_configs", 1, 4, 4),
        Api(33, "alter_configs", 0, 2, 2),
        Api(35, "describe_log_dirs", 1, 4, 2),
        Api(37, "create_partitions", 0, 3, 2),
        Api(42, "delete_groups", 0, 2, 2),
        Api(44, "incremental_alter_configs", 0, 1, 1),
        Api(47, "offset_delete", 0, 0, 1),
        Api(60, "describe_cluster", 0, 2, 0),
        Api(61, "describe_producers", 0, 0, 0),
        Api(68, "consumer_group_heartbeat", 0, 1, 0),
        Api(69, "consumer_group_describe", 0, 1, 0),
        Api(75, "describe_topic_partitions", 0, 0, 0),
    )
}
