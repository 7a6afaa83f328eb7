"""THE table of the HTTP API: every call, where it is answered, what it takes and gives."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute

from logmq.protocols.http.handlers import topics
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
)

ROUTES: Sequence[BaseRoute] = ()
"""Routes that are no calls of the API: pages, files, WebSockets."""
