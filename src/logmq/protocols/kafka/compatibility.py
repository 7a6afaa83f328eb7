"""The page on Kafka compatibility, made from the table of APIs: `python -m logmq.protocols.kafka.compatibility`.

What the table cannot say stands in `REMARKS`, by API. A test holds docs/kafka-compatibility.md to it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from textwrap import fill

from logmq.config import TOPIC_SETTINGS
from logmq.protocols.kafka.api import APIS, Api
from logmq.protocols.kafka.configs import TOPIC_CONFIGS

REMARKS: Mapping[str, str] = {
    "produce": "acks 1 and all both wait for what `sync` promises; batches of magic 0 and 1 are refused;"
    " advertised from version 0 on, as librdkafka before 2.9 wants it for compression",
    "fetch": "plain topics, too: offsets are positions there, as sparse as in a compacted topic",
    "list_offsets": "by time, earliest, latest; in plain topics times are those of the commits",
    "metadata": "creates topics that are asked for while `auto_create_topics` is on",
    "create_topics": "in the batch format; replication factor 1 or -1; assignments to broker 0 only",
    "delete_topics": "by name and by id",
    "create_partitions": "assignments to broker 0 only",
    "join_group": "a lone member is answered at once; a new group waits, for 0.5 s at most, for clients that have asked"
    " for its coordinator",
    "delete_records": "refused where cleanup.policy is compact alone",
    "init_producer_id": "a transactional id gets a producer id, too; the transactions themselves come later",
    "offset_for_leader_epoch": "one epoch, 0, which ends at the high watermark",
    "describe_configs": "topics and the broker; the broker's settings are read-only",
    "alter_configs": "topics only",
    "incremental_alter_configs": "topics only",
    "describe_log_dirs": "one directory; sizes of partitions without their indexes",
    "describe_cluster": "one broker, 0, which is the controller",
    "describe_producers": "those heard of within `producer_id_expiration_ms`",
    "consumer_group_heartbeat": "the first member that joins a stable group of the classic protocol turns it into one"
    " of this kind, and its old members stay: processes can be replaced one by one; back only when the group is empty",
    "describe_topic_partitions": "up to 2,000 partitions an answer",
}
"""What is particular about an API here, by its name in the table."""

_HEAD = """\
# Kafka compatibility

Any client that speaks Kafka's protocol can use the broker: `bootstrap.servers=localhost:8080`. This page lists what is
answered and in which versions; ApiVersions says the same to clients, which choose the newest version that both know.

An API or version that is not listed is answered with UNSUPPORTED_VERSION, never by closing the connection. A request
that cannot be read closes its own connection and disturbs no other.

## APIs

| API | Key | Versions | Remarks |
| --- | --- | --- | --- |
"""

NOT_SPOKEN: Mapping[str, tuple[str, ...]] = {
    "transactions": (
        "add_partitions_to_txn",
        "add_offsets_to_txn",
        "end_txn",
        "txn_offset_commit",
        "describe_transactions",
        "list_transactions",
    ),
    "share groups": ("share_group_heartbeat", "share_group_describe", "share_fetch", "share_acknowledge"),
    "authentication": ("sasl_handshake", "sasl_authenticate", "create_delegation_token"),
    "authorization": ("create_acls", "describe_acls", "delete_acls"),
    "users and quotas": (
        "describe_user_scram_credentials",
        "alter_user_scram_credentials",
        "describe_client_quotas",
        "alter_client_quotas",
    ),
    "several brokers": ("elect_leaders", "alter_partition_reassignments", "list_partition_reassignments"),
    "client metrics": ("get_telemetry_subscriptions", "push_telemetry"),
}
"""What clients may ask for in vain, by what it is about."""

_NEXT = """
Not spoken:

{missing}

Transactions and compaction come next. Until then a transactional producer gets its id and fails when it adds the first
partition to a transaction, and a topic with `cleanup.policy=compact` keeps everything, whatever its retention says.

## Topic settings

{settings}
"""


def page() -> str:
    """The page's text."""
    rows = [_row(api) for api in APIS.values()]
    missing = [f"- {about}: {', '.join(map(title, names))}" for about, names in NOT_SPOKEN.items()]
    acting = ", ".join(f"`{name}`" for name in TOPIC_SETTINGS)
    kept = ", ".join(f"`{name}`" for name in TOPIC_CONFIGS if name not in TOPIC_SETTINGS)
    settings = (
        f"These act: {acting}. All other topic settings of Kafka 4 are checked, kept and shown, and change nothing:"
        f" {kept}."
        " [Settings](settings.md) has their meaning."
    )
    return (
        _HEAD
        + "".join(rows)
        + _NEXT.format(missing="\n".join(missing), settings=fill(settings, 118, break_on_hyphens=False))
    )


def _row(api: Api) -> str:
    cells = [title(api.name), str(api.key), _versions(api.min_version, api.max_version), REMARKS.get(api.name, "-")]
    return f"| {' | '.join(cells)} |\n"


def title(name: str) -> str:
    """An API's name as Kafka writes it: `create_topics` is CreateTopics."""
    return "".join(word.capitalize() for word in name.split("_"))


def _versions(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


if __name__ == "__main__":
    sys.stdout.write(page())
