"""THE table of metrics: every family that `GET /metrics` serves, but for what is told of the process.

Names are in base units. Those that begin with `kafka_` are kafka_exporter's, with its labels and its meaning, so that
Grafana boards and alerts made for it work; a lag counts as the topic's offsets do.

Source: https://github.com/danielqsj/kafka_exporter, https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

_PARTITION = ("topic", "partition")


@dataclass(frozen=True, slots=True)
class Family:
    """What all series of one name have in common."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


FAMILIES: Mapping[str, Family] = {
    # The broker
    "logmq_info": Family("gauge", "1, with what the broker is as labels", ("version", "cluster_id", "sync")),
    "logmq_start_time_seconds": Family("gauge", "When the broker began to serve, in seconds since 1970"),
    "logmq_ready": Family("gauge", "1 while the broker takes requests, 0 while it stops or after a failed sync"),
    "logmq_topics": Family("gauge", "Topics, the broker's own included"),
    "logmq_partitions": Family("gauge", "Partitions of all topics"),
    "logmq_groups": Family("gauge", "Consumer groups by type and state", ("type", "state")),
    "logmq_group_members": Family("gauge", "Members of all consumer groups"),
    # Connections and requests
    "logmq_connections": Family("gauge", "Open connections; undecided ones have not said much yet", ("protocol",)),
    "logmq_connections_max": Family("gauge", "Connections that the broker takes (connections_max)"),
    "logmq_connections_accepted_total": Family("counter", "Connections whose protocol became known", ("protocol",)),
    "logmq_connections_refused_total": Family("counter", "Connections turned away because there were too many"),
    "logmq_tls_certificate_expiry_timestamp_seconds": Family(
        "gauge", "When the broker's certificate expires, in seconds since 1970; not there without TLS"
    ),
    "logmq_tls_handshakes_total": Family("counter", "TLS handshakes that succeeded"),
    "logmq_tls_handshake_failures_total": Family("counter", "TLS handshakes that failed or were never finished"),
    "logmq_requests_total": Family(
        "counter", "Requests by Kafka API, text command, or HTTP method and route", ("protocol", "api")
    ),
    "logmq_request_errors_total": Family(
        "counter", "Errors that requests were answered with, one a partition or line", ("protocol", "api", "code")
    ),
    "logmq_request_seconds": Family(
        "histogram",
        "From a request's arrival to its answer (over HTTP to its beginning), waiting for records included",
        ("protocol", "api"),
    ),
    # Appends and reads
    "logmq_appends_total": Family("counter", "Appends that were committed; one is all that a request has for a log"),
    "logmq_appended_records_total": Family("counter", "Records in committed appends"),
    "logmq_appended_bytes_total": Family(
        "counter", "Bytes of records in commits: through the journal, or as spans synced in their own file", ("path",)
    ),
    "logmq_append_queue_bytes": Family("gauge", "Bytes of appends that wait to be committed"),
    "logmq_append_queue_calls": Family("gauge", "Calls of the store with appends that wait to be committed"),
    "logmq_reads_total": Family("counter", "Reads of a log"),
    "logmq_cold_reads_total": Family("counter", "Reads that waited for the disk, because the page cache had no copy"),
    "logmq_read_bytes_total": Family("counter", "Bytes of records that were read"),
    # Commits and the disk
    "logmq_commits_total": Family("counter", "Commits: what had come in while the disk was busy"),
    "logmq_commit_seconds": Family("histogram", "A commit from its first write to its sync (with sync=always)"),
    "logmq_fdatasync_seconds": Family("histogram", "Making a commit durable: fdatasync of the journal and of spans"),
    "logmq_checkpoints_total": Family("counter", "Checkpoints, after which journal files are used again"),
    "logmq_journal_files": Family("gauge", "Files of the journal"),
    "logmq_journal_bytes": Family("gauge", "Size of the journal's files, which are allocated ahead"),
    "logmq_open_files": Family("gauge", "Log and index files that are open"),
    "logmq_disk_free_bytes": Family("gauge", "Bytes that can still be written to the data directory's file system"),
    "logmq_disk_bytes": Family("gauge", "Size of the data directory's file system"),
    # A cluster's leader
    "logmq_cluster_term": Family("gauge", "How often the lead of the cluster changed hands"),
    "logmq_cluster_takeover_seconds": Family("gauge", "How long this leader took to read what it took over"),
    "logmq_cluster_object_put_seconds": Family("histogram", "Writing an object, the sending that was answered"),
    "logmq_cluster_object_put_bytes_total": Family("counter", "Bytes of objects that were written"),
    "logmq_cluster_object_retries_total": Family("counter", "Objects that were written again for want of an answer"),
    "logmq_cluster_objects_under_way": Family("gauge", "Objects of commits being written or waiting for their turn"),
    "logmq_cluster_transaction_seconds": Family("histogram", "A commit's transaction of etcd, to its known outcome"),
    "logmq_cluster_transaction_retries_total": Family("counter", "Transactions whose answer did not come"),
    # The last start
    "logmq_recovery_seconds": Family("gauge", "How long the last start took to open the data directory"),
    "logmq_recovery_replayed_commits": Family("gauge", "Commits that the last start took from the journal"),
    "logmq_recovery_undone_commits": Family("gauge", "Unfinished commits that the last start undid"),
    "logmq_recovery_missing_commits": Family("gauge", "ACKNOWLEDGED commits that the last start could not find"),
    "logmq_recovery_cut_bytes": Family("gauge", "Bytes that the last start cut off, never acknowledged"),
    "logmq_recovery_damaged_ranges": Family("gauge", "Ranges of offsets that were found damaged at the last start"),
    "logmq_recovery_repaired_indexes": Family("gauge", "Indexes that the last start rebuilt"),
    # Partitions
    "logmq_log_size_bytes": Family("gauge", "Size of a partition's segments", _PARTITION),
    "logmq_log_segments": Family("gauge", "Segments of a partition", _PARTITION),
    "logmq_log_start_offset": Family("gauge", "The first offset that is kept", _PARTITION),
    "logmq_log_high_watermark": Family("gauge", "The offset behind the last committed record", _PARTITION),
    # As kafka_exporter has them
    "kafka_brokers": Family("gauge", "Number of brokers: this one"),
    "kafka_broker_info": Family("gauge", "1 for each broker", ("id", "address")),
    "kafka_topic_partitions": Family("gauge", "Number of partitions of a topic", ("topic",)),
    "kafka_topic_partition_current_offset": Family("gauge", "The offset behind the last record", _PARTITION),
    "kafka_topic_partition_oldest_offset": Family("gauge", "The first offset that is kept", _PARTITION),
    "kafka_topic_partition_leader": Family("gauge", "Id of the broker that leads the partition", _PARTITION),
    "kafka_topic_partition_leader_is_preferred": Family("gauge", "1: the leader is the preferred one", _PARTITION),
    "kafka_topic_partition_replicas": Family("gauge", "Number of replicas of a partition", _PARTITION),
    "kafka_topic_partition_in_sync_replica": Family("gauge", "Number of replicas that are in sync", _PARTITION),
    "kafka_topic_partition_under_replicated_partition": Family("gauge", "1 if replicas are missing", _PARTITION),
    "kafka_consumergroup_members": Family("gauge", "Members of a group", ("consumergroup",)),
    "kafka_consumergroup_current_offset": Family(
        "gauge", "What a group has committed for a partition", ("consumergroup", *_PARTITION)
    ),
    "kafka_consumergroup_current_offset_sum": Family(
        "gauge", "What a group has committed for all partitions of a topic", ("consumergroup", "topic")
    ),
    "kafka_consumergroup_lag": Family(
        "gauge", "How far a group is behind the end of a partition", ("consumergroup", *_PARTITION)
    ),
    "kafka_consumergroup_lag_sum": Family(
        "gauge", "How far a group is behind in all partitions of a topic", ("consumergroup", "topic")
    ),
}
