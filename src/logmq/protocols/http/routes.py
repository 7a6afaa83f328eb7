"""THE table of the HTTP API: every call, where it is answered, what it takes and gives."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, WebSocketRoute

from logmq.protocols.http.handlers import groups, records, stream, topics
from logmq.protocols.http.operations import Operation

OPERATIONS: Sequence[Operation] = (
    Operation(
        "GET", "/topics", topics.list_topics, "List topics", "Topics", topics.TopicsQuery, answer=topics.TopicPage
    ),
    Operation(
        "POST",
        "/topics",
        topics.create_topic,
        "Make a topic",
        "Topics",
        body=topics.NewTopic,
        answer=topics.TopicAnswer,
        status=201,
        problems=(403, 409),
    ),
    Operation(
        "GET",
        "/topics/{topic}",
        topics.describe_topic,
        "Describe a topic",
        "Topics",
        answer=topics.TopicAnswer,
        problems=(404,),
    ),
    Operation(
        "PATCH",
        "/topics/{topic}",
        topics.alter_topic,
        "Add partitions and change settings",
        "Topics",
        body=topics.TopicChange,
        answer=topics.TopicAnswer,
        problems=(403, 404),
    ),
    Operation(
        "DELETE",
        "/topics/{topic}",
        topics.drop_topic,
        "Delete a topic and its records",
        "Topics",
        status=204,
        problems=(403, 404),
    ),
    Operation(
        "POST",
        "/topics/{topic}/records",
        records.produce_records,
        "Store records",
        "Records",
        records.ProduceQuery,
        body=records.NewRecords,
        body_types=("application/json", records.NDJSON, records.BYTES),
        answer=records.ProducedAnswer,
        problems=(403, 404, 413, 429, 507),
    ),
    Operation(
        "GET",
        "/topics/{topic}/records",
        records.read_records,
        "Read records, or wait for them",
        "Records",
        records.ReadQuery,
        answer=records.RecordsAnswer,
        answer_types=("application/json", records.NDJSON, records.BYTES),
        problems=(404, 406, 416),
    ),
    Operation(
        "GET",
        "/topics/{topic}/records/{offset}",
        records.download_record,
        "Download the value of a record",
        "Records",
        records.DownloadQuery,
        answer_types=(records.BYTES,),
        problems=(404,),
    ),
    Operation(
        "GET",
        "/groups",
        groups.list_groups,
        "List consumer groups",
        "Groups",
        groups.GroupsQuery,
        answer=groups.GroupPage,
    ),
    Operation(
        "GET",
        "/groups/{group}",
        groups.describe_group,
        "Describe a group: members, offsets, lag",
        "Groups",
        answer=groups.GroupAnswer,
        problems=(404,),
    ),
    Operation(
        "DELETE",
        "/groups/{group}",
        groups.drop_group,
        "Delete a group without members",
        "Groups",
        status=204,
        problems=(404, 409),
    ),
    Operation(
        "GET",
        "/groups/{group}/offsets",
        groups.list_offsets,
        "What a group has committed",
        "Groups",
        answer=groups.OffsetsAnswer,
        problems=(404,),
    ),
    Operation(
        "PUT",
        "/groups/{group}/offsets",
        groups.set_offsets,
        "Set offsets of a group without members",
        "Groups",
        body=groups.NewOffsets,
        answer=groups.OffsetsAnswer,
        problems=(404, 409),
    ),
    Operation(
        "DELETE",
        "/groups/{group}/offsets",
        groups.forget_offsets,
        "Forget what a group committed for a topic",
        "Groups",
        groups.OffsetsQuery,
        status=204,
        problems=(404, 409),
    ),
    Operation(
        "POST",
        "/groups/{group}/reset",
        groups.reset_offsets,
        "Move a group without members in a topic",
        "Groups",
        body=groups.Reset,
        answer=groups.ResetAnswer,
        problems=(404, 409),
    ),
    Operation(
        "GET",
        "/topics/{topic}/stream",
        stream.stream,
        "Follow a topic",
        "Live",
        stream.StreamQuery,
        answer_types=("text/event-stream",),
        problems=(404, 416),
    ),
)

ROUTES: Sequence[BaseRoute] = (WebSocketRoute("/topics/{topic}/stream", stream.stream_socket),)
"""Routes that are no calls of the API: pages, files, WebSockets."""
