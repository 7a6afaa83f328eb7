"""THE table of the broker's settings: each with its kind, default and meaning."""

# ruff: noqa: RUF009 - `_setting` makes a dataclass field, whatever it returns to the type checker.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

from logmq.config import kinds
from logmq.config.kinds import Kind
from logmq.config.listen_address import ListenAddress
from logmq.config.quantities import DAY, MINUTE, SECOND
from logmq.config.sync_mode import SYNC_ALWAYS, SyncMode
from logmq.limits import GIB, JOURNAL_FIRST_FILE_SIZE, KIB, MIB, PARTITION_COUNT_MAX

T = TypeVar("T")


def _setting(default: T, kind: Kind[T], meaning: str) -> T:
    return field(default=default, metadata={"kind": kind, "meaning": meaning})


@dataclass(frozen=True, slots=True)
class Config:
    """The broker's settings; `Config()` holds the defaults. Times in milliseconds, sizes in bytes."""

    host: str = _setting("127.0.0.1", kinds.HOST, "address to listen on; 0.0.0.0 is every interface")
    port: int = _setting(8080, kinds.number(0, 65535), "TCP port to listen on; 0 lets the system choose")
    listen: tuple[ListenAddress, ...] = _setting(
        (), kinds.LISTEN, "more addresses to listen on, each for every protocol or for one alone"
    )
    advertise: tuple[str, int] | None = _setting(
        None, kinds.ADVERTISE, "address that Kafka clients are told to come back to; none: the one that they came to"
    )
    tls: str = _setting(
        "auto",
        kinds.choice("auto", "off", "on", "require"),
        "whether clients may come with TLS, or must; auto: they may where tls_cert is given",
    )
    tls_cert: Path | None = _setting(
        None, kinds.FILE, "PEM file of the certificate that TLS clients are shown, with those that vouch for it"
    )
    tls_key: Path | None = _setting(
        None, kinds.FILE, "PEM file of its key, without a password; none: it is in tls_cert"
    )
    tls_client_ca: Path | None = _setting(
        None, kinds.FILE, "PEM file of authorities: every TLS client must show a certificate of one of them"
    )
    data_dir: Path = _setting(Path("data"), kinds.DIRECTORY, "directory that holds everything; one process at a time")
    cluster: str | None = _setting(
        None, kinds.ADDRESS, "etcd of a cluster, such as etcd://host:2379/name; with it nothing lies in data_dir"
    )
    objects: str | None = _setting(
        None, kinds.ADDRESS, "object store of a cluster, such as s3://bucket/path or file:///shared"
    )
    sync: SyncMode = _setting(SYNC_ALWAYS, kinds.SYNC, "when appends are synced to disk; see docs/guarantees.md")
    retention_ms: int | None = _setting(None, kinds.RETENTION_TIME, "age at which a topic's old segments are deleted")
    retention_bytes: int | None = _setting(
        None, kinds.RETENTION_SIZE, "size of a partition above which its oldest segments are deleted"
    )
    segment_size_bytes: int = _setting(GIB, kinds.SEGMENT_SIZE, "size at which a log goes on in a new segment")
    message_size_max_bytes: int = _setting(MIB, kinds.MESSAGE_SIZE, "largest message a topic takes")
    message_timestamp_type: str = _setting(
        "CreateTime", kinds.TIMESTAMP_TYPE, "whose clock dates a record: its producer's, or LogAppendTime the broker's"
    )
    cleanup_policy: str = _setting(
        "delete",
        kinds.CLEANUP_POLICY,
        "what becomes of old records; compact alone keeps all of them: nothing is compacted yet",
    )
    partition_count: int = _setting(1, kinds.number(1, PARTITION_COUNT_MAX), "partitions of a new topic")
    auto_create_topics: bool = _setting(True, kinds.TRUTH, "whether the first message to a topic creates it")
    connections_max: int = _setting(10_000, kinds.number(1, 1_000_000), "connections at a time; more are refused")
    append_queue_size_bytes: int = _setting(
        64 * MIB, kinds.size(MIB), "bytes of all clients that wait for the disk; beyond it reading pauses"
    )
    connection_queue_size_bytes: int = _setting(
        16 * MIB, kinds.size(64 * KIB), "bytes of one client that wait for the disk; beyond it reading pauses"
    )
    kafka_request_size_max_bytes: int = _setting(
        100 * MIB, kinds.size(KIB), "largest Kafka request; a larger one ends its connection"
    )
    kafka_receive_queue_size_bytes: int = _setting(
        256 * MIB, kinds.size(2 * MIB), "bytes of all Kafka requests that are being received; beyond it reading pauses"
    )
    http_body_size_max_bytes: int = _setting(
        16 * MIB, kinds.size(KIB), "largest body of an HTTP request; lines of JSON may go on without end"
    )
    http_allowed_hosts: tuple[str, ...] = _setting(
        (), kinds.HOSTS, "names that browsers may reach the broker by, beside addresses and names without a dot"
    )
    http_allowed_origins: tuple[str, ...] = _setting(
        (), kinds.ORIGINS, "sites whose pages may use the HTTP API (CORS); none but the broker's own"
    )
    stream_long_poll_ms: int = _setting(
        20 * SECOND, kinds.duration(1), "time that a long poll of a durable stream waits for more"
    )
    group_initial_rebalance_delay_ms: int = _setting(
        0,
        kinds.duration(0, "no wait"),
        "time that the first member of a consumer group waits for others; without it only for those about to join",
    )
    consumer_session_timeout_ms: int = _setting(
        45 * SECOND,
        kinds.duration(SECOND),
        "silence after which a member of a consumer group (KIP-848) is taken for dead",
    )
    consumer_heartbeat_interval_ms: int = _setting(
        5 * SECOND, kinds.duration(100), "time between two heartbeats of such a member: it learns of changes by them"
    )
    offsets_retention_ms: int | None = _setting(
        7 * DAY, kinds.limit(kinds.duration(1)), "age at which the offsets of a group without members are forgotten"
    )
    idle_timeout_ms: int = _setting(
        10 * MINUTE, kinds.duration(0, "never"), "silence after which a connection is closed; FOLLOW is never idle"
    )
    detect_timeout_ms: int = _setting(
        10 * SECOND,
        kinds.duration(1),
        "time from a connection's first byte to knowing its protocol; then it is taken for text",
    )
    write_body_timeout_ms: int = _setting(30 * SECOND, kinds.duration(1), "time that the bytes of a WRITE may take")
    slow_reader_timeout_ms: int = _setting(
        60 * SECOND, kinds.duration(1), "time a client may leave its answers unread before it is dropped"
    )
    drain_timeout_ms: int = _setting(
        10 * SECOND, kinds.duration(0, "no wait"), "time open requests get to finish when the broker stops"
    )
    journal_file_size_bytes: int = _setting(64 * MIB, kinds.size(JOURNAL_FIRST_FILE_SIZE), "size of one journal file")
    checkpoint_interval_ms: int = _setting(
        MINUTE, kinds.duration(SECOND), "time between checkpoints, which bound how much recovery reads"
    )
    retention_check_interval_ms: int = _setting(
        30 * SECOND, kinds.duration(100), "time between two looks for segments past their retention"
    )
    producer_id_expiration_ms: int = _setting(
        DAY, kinds.duration(MINUTE), "silence after which a partition forgets an idempotent producer"
    )
    cluster_linger_ms: int = _setting(
        20, kinds.duration(0, "no wait"), "time that a cluster's broker collects appends before it writes them together"
    )
    log_level: str = _setting("info", kinds.choice("debug", "info", "warning", "error"), "least level that is logged")
    log_format: str = _setting(
        "auto", kinds.choice("text", "json", "auto"), "form of log lines; auto: text on a terminal, else json"
    )


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One row of the table: a setting's name, kind, default and meaning."""

    name: str
    kind: Kind[T]
    default: T
    meaning: str

    @property
    def flag(self) -> str:
        """The setting as a flag of `logmq serve`."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The setting as an environment variable."""
        return "LOGMQ_" + self.name.upper()

    @property
    def default_text(self) -> str:
        """The default as a person would write it."""
        return self.kind.show(self.default)


SETTINGS: Mapping[str, Setting[Any]] = {
    each.name: Setting(each.name, each.metadata["kind"], each.default, each.metadata["meaning"])
    for each in fields(Config)
}
