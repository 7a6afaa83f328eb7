"""Topics: list, make, describe, alter, delete."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from logmq.broker.topics import DEFAULT
from logmq.config import TOPIC_SETTINGS
from logmq.kept_settings import KEPT_SETTINGS
from logmq.limits import HTTP_PAGE_TOPICS_MAX
from logmq.model import Format, Topic, TopicPartition
from logmq.protocols.http.bodies import Query, answer_json, json_of, query_of
from logmq.protocols.http.context import Context, context_of

OffsetUnit = Literal["bytes", "records"]


class TopicsQuery(Query, frozen=True):
    """Which topics to list."""

    search: Annotated[str, Meta(description="a part of the name, in any letter case")] = ""
    internal: Annotated[bool, Meta(description="whether to list the broker's own topics too")] = False
    after: Annotated[str, Meta(description="the name after which the page begins, the `next` of the one before")] = ""
    limit: Annotated[int, Meta(ge=1, le=HTTP_PAGE_TOPICS_MAX, description="topics in one page")] = 1000


class TopicLine(msgspec.Struct, frozen=True):
    """A topic in a list."""

    name: str
    format: Format
    internal: bool
    partition_count: int
    size_bytes: int
    offset_unit: OffsetUnit


class TopicPage(msgspec.Struct, frozen=True):
    """Topics by name; `total` counts all that were searched for, `next` is the next page's `after`."""

    topics: list[TopicLine]
    total: int
    next: str | None


class NewTopic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A topic to make; without `partitions` it gets the broker's default number."""

    name: str
    partitions: int | None = None
    format: Format = Format.BATCH
    settings: dict[str, str | int | float | bool] = {}


class TopicChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number of partitions to have, and settings to change; null takes a setting of the topic's own away."""

    partitions: int | None = None
    settings: dict[str, str | int | float | bool | None] = {}


class PartitionAnswer(msgspec.Struct, frozen=True):
    """Where a partition begins and ends, and what it takes on disk."""

    partition: int
    log_start_offset: int
    high_watermark: int
    size_bytes: int
    segment_count: int


class SettingAnswer(msgspec.Struct, frozen=True):
    """A setting that holds for a topic; `source` says whose it is."""

    name: str
    value: str
    source: Literal["topic", "default"]
    meaning: str


class TopicAnswer(msgspec.Struct, frozen=True):
    """A topic as it stands."""

    name: str
    format: Format
    internal: bool
    offset_unit: OffsetUnit
    created_ms: int
    size_bytes: int
    partitions: list[PartitionAnswer]
    settings: list[SettingAnswer]


async def list_topics(request: Request) -> Response:
    """One page of the topics."""
    query, context = query_of(request, TopicsQuery), context_of(request)
    wanted = query.search.lower()
    found = [
        topic
        for topic in context.broker.topics()
        if wanted in topic.name.lower() and (query.internal or not topic.internal)
    ]
    rest = [topic for topic in found if topic.name > query.after] if query.after else found
    page = rest[: query.limit]
    following = page[-1].name if len(page) < len(rest) else None
    return answer_json(TopicPage([_line(context, topic) for topic in page], len(found), following))


async def create_topic(request: Request) -> Response:
    """Make a topic. Durability: it survives a power cut when it is answered."""
    wanted, context = await json_of(request, _NEW_TOPIC), context_of(request)
    topic = await context.broker.create_topic(
        wanted.name,
        format=wanted.format,
        partition_count=wanted.partitions,
        overrides={name: setting_text(value) for name, value in wanted.settings.items()},
    )
    return answer_json(_describe(context, topic), 201, {"Location": f"/topics/{topic.name}"})


async def describe_topic(request: Request) -> Response:
    """One topic with its partitions and settings."""
    context = context_of(request)
    return answer_json(_describe(context, context.broker.topic(request.path_params["topic"])))


async def alter_topic(request: Request) -> Response:
    """Add partitions, change settings. Durability: as `create_topic`."""
    change, context = await json_of(request, _TOPIC_CHANGE), context_of(request)
    topic = await context.broker.alter_topic(
        request.path_params["topic"],
        partition_count=change.partitions,
        overrides={name: setting_text(value) for name, value in change.settings.items()},
    )
    return answer_json(_describe(context, topic))


async def drop_topic(request: Request) -> Response:
    """Delete a topic with its records and what groups committed for it."""
    await context_of(request).broker.drop_topic(request.path_params["topic"])
    return Response(status_code=204)


_NEW_TOPIC = msgspec.json.Decoder(NewTopic)
_TOPIC_CHANGE = msgspec.json.Decoder(TopicChange)


def setting_text(value: str | float | bool | None) -> str:
    """A setting as the text that the command line would take."""
    if value is None:
        return DEFAULT
    return str(value).lower() if isinstance(value, bool) else str(value)


def offset_unit(topic: Topic) -> OffsetUnit:
    """What the topic's offsets count."""
    return "bytes" if topic.format is Format.PLAIN else "records"


def _line(context: Context, topic: Topic) -> TopicLine:
    size = sum(context.broker.statistics(partition).size_bytes for partition in topic.partitions())
    return TopicLine(topic.name, topic.format, topic.internal, topic.partition_count, size, offset_unit(topic))


def _describe(context: Context, topic: Topic) -> TopicAnswer:
    partitions = [_partition(context, partition) for partition in topic.partitions()]
    return TopicAnswer(
        topic.name,
        topic.format,
        topic.internal,
        offset_unit(topic),
        topic.created_ms,
        sum(partition.size_bytes for partition in partitions),
        partitions,
        _settings(topic),
    )


def _partition(context: Context, partition: TopicPartition) -> PartitionAnswer:
    bounds, statistics = context.broker.bounds(partition), context.broker.statistics(partition)
    return PartitionAnswer(
        partition.index,
        bounds.log_start_offset,
        bounds.high_watermark,
        statistics.size_bytes,
        statistics.segment_count,
    )


def _settings(topic: Topic) -> list[SettingAnswer]:
    acting = [
        SettingAnswer(
            setting.name,
            setting.kind.show(getattr(topic.settings, setting.default)),
            "topic" if setting.name in topic.overrides else "default",
            setting.meaning,
        )
        for setting in TOPIC_SETTINGS.values()
    ]
    kept = [
        SettingAnswer(setting.name, str(topic.overrides[setting.name]), "topic", setting.meaning)
        for setting in KEPT_SETTINGS.values()
        if setting.name in topic.overrides
    ]
    return acting + kept
