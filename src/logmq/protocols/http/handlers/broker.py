"""The broker itself: what it is, how it is set, what it has done, whether it takes requests."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from logmq import __version__
from logmq.broker.broker import Broker
from logmq.broker.health import Status
from logmq.config import SETTINGS, Config, Setting, show_address
from logmq.metrics import Histogram
from logmq.protocols.http.bodies import answer_json
from logmq.protocols.http.context import Context, context_of
from logmq.protocols.http.metrics.scrape import scrape


class Disk(msgspec.Struct, frozen=True):
    """The data directory's file system, and what the logs take of it."""

    free_bytes: int
    total_bytes: int
    log_size_bytes: int


class Recovery(msgspec.Struct, frozen=True):
    """What the last start found in the data directory. `clean` says that there was nothing to do."""

    clean: bool
    seconds: float
    replayed_commits: int
    undone_commits: int
    missing_commits: int
    cut_bytes: int
    damaged_ranges: int
    repaired_indexes: int


class Tls(msgspec.Struct, frozen=True):
    """Whether clients may come with TLS (`on`) or must (`require`), and when the broker's certificate expires."""

    mode: str
    certificate_expires_ms: int | None


class BrokerAnswer(msgspec.Struct, frozen=True):
    """What the broker is. `connections` are the open ones by protocol, with their `total` and the `max`."""

    version: str
    cluster_id: str
    started_ms: int
    data_dir: str
    sync: str
    address: str
    ready: bool
    status: Status
    topic_count: int
    partition_count: int
    connections: dict[str, int]
    tls: Tls
    disk: Disk
    recovery: Recovery


class SettingLine(msgspec.Struct, frozen=True):
    """A setting, its value and its default as a person writes them."""

    name: str
    value: str
    default: str
    flag: str
    variable: str
    meaning: str


class SettingsAnswer(msgspec.Struct, frozen=True):
    """All settings of the broker."""

    settings: list[SettingLine]


class Durations(msgspec.Struct, frozen=True):
    """How long something took: each bucket is an upper end in seconds and how many took at most that long.

    Those that took longer than the last bucket's end are in `count` alone.
    """

    count: int
    sum: float
    buckets: list[tuple[float, int]]


class StatisticsAnswer(msgspec.Struct, frozen=True):
    """What was counted since the start. Rates are differences of two answers."""

    time_ms: int
    appends: int
    appended_records: int
    appended_bytes: int
    reads: int
    read_bytes: int
    commits: int
    commit_seconds: Durations
    sync_seconds: Durations
    waiting_bytes: int
    connections: dict[str, int]
    requests: dict[str, int]
    """By protocol."""
    errors: int
    log_size_bytes: int
    disk_free_bytes: int


class StatusAnswer(msgspec.Struct, frozen=True):
    """What the broker is doing, and what there is to say about it."""

    status: str
    reason: str


async def describe_broker(request: Request) -> Response:
    """What the broker is."""
    context = context_of(request)
    broker, config = context.broker, context.config
    topics, held, readiness = broker.topics(), broker.store_statistics(), broker.health.look()
    found = broker.recovery
    return answer_json(
        BrokerAnswer(
            version=__version__,
            cluster_id=broker.cluster_id,
            started_ms=broker.started_ms,
            data_dir=str(config.data_dir.absolute()),
            sync=str(config.sync),
            address=_address(request),
            ready=readiness.ready,
            status=readiness.status,
            topic_count=sum(not topic.internal for topic in topics),
            partition_count=sum([topic.partition_count for topic in topics if not topic.internal]),
            connections=_connections(context),
            tls=_tls(broker),
            disk=Disk(held.disk_free_size, held.disk_size, held.log_size),
            recovery=Recovery(
                found.clean,
                found.seconds,
                found.replayed_commits,
                found.undone_commits,
                found.missing_commits,
                found.cut_bytes,
                found.damaged_ranges,
                found.repaired_indexes,
            ),
        )
    )


async def list_settings(request: Request) -> Response:
    """All settings."""
    config = context_of(request).config
    return answer_json(SettingsAnswer([_setting_line(name, setting, config) for name, setting in SETTINGS.items()]))


def _setting_line(name: str, setting: Setting[Any], config: Config) -> SettingLine:
    value = setting.kind.show(getattr(config, name))
    return SettingLine(name, value, setting.default_text, setting.flag, setting.variable, setting.meaning)


async def show_statistics(request: Request) -> Response:
    """What was counted since the start."""
    context = context_of(request)
    broker = context.broker
    done, held, protocols = broker.metrics.storage, broker.store_statistics(), broker.metrics.protocols()
    return answer_json(
        StatisticsAnswer(
            time_ms=context.clock.now_ms(),
            appends=done.appends,
            appended_records=done.records,
            appended_bytes=done.appended_bytes,
            reads=done.reads,
            read_bytes=done.read_bytes,
            commits=done.commits,
            commit_seconds=_durations(done.commit_seconds),
            sync_seconds=_durations(done.sync_seconds),
            waiting_bytes=held.waiting_bytes,
            connections=_connections(context),
            requests={name: counted.count for name, counted in protocols.items()},
            errors=sum([counted.error_count for counted in protocols.values()]),
            log_size_bytes=held.log_size,
            disk_free_bytes=held.disk_free_size,
        )
    )


async def show_health(request: Request) -> Response:
    """Whether the process does its work: not after a failed sync, when it ends."""
    return _status(context_of(request).broker, {Status.FAILED})


async def show_readiness(request: Request) -> Response:
    """Whether the broker takes requests: not while it stops either."""
    return _status(context_of(request).broker, {Status.FAILED, Status.DRAINING})


async def show_metrics(request: Request) -> Response:
    """All metrics for Prometheus."""
    accept = request.headers.get("accept", "")
    content_type, body = await scrape(context_of(request), _address(request), accept)
    return Response(body, headers={"content-type": content_type})


def _status(broker: Broker, bad: set[Status]) -> Response:
    readiness = broker.health.look()
    status = 503 if readiness.status in bad else 200
    return answer_json(StatusAnswer(readiness.status, readiness.reason), status, {"cache-control": "no-store"})


def _address(request: Request) -> str:
    """Where this client reached the broker."""
    host, port = request.scope.get("server") or ("", None)
    return host if port is None else show_address(host, port)


def _connections(context: Context) -> dict[str, int]:
    kept = context.broker.metrics.connections.open
    counts = {name: len(kept.get(name, ())) for name in ("text", "kafka", "http", "undecided")}
    return counts | {"total": sum(counts.values()), "max": context.config.connections_max}


def _tls(broker: Broker) -> Tls:
    expiry_s = broker.metrics.tls.certificate_expiry_s
    return Tls(broker.metrics.tls.mode, None if expiry_s is None else round(expiry_s * 1000))


def _durations(histogram: Histogram) -> Durations:
    *buckets, (_, count) = histogram.cumulative()
    return Durations(count, histogram.sum, buckets)
