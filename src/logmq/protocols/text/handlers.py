"""The commands that neither append nor read: each a function from a request to the bytes of its answer.

Those in `IMMEDIATE` answer at once; those in `AWAITED` have something stored first. All raise LogMQError.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from logmq.broker.broker import Broker
from logmq.broker.groups.coordinator import GroupOverview
from logmq.broker.groups.readers import Reader
from logmq.config import TOPIC_SETTINGS
from logmq.model import Topic
from logmq.protocols.text.answers import END, NONE, OK, PONG, end
from logmq.protocols.text.commands import COMMANDS
from logmq.protocols.text.requests import (
    Alter,
    Commit,
    Committed,
    Create,
    Describe,
    DescribeGroup,
    Drop,
    Forget,
    Groups,
    Help,
    Ping,
    Topics,
)


def ping(_broker: Broker, _request: Ping) -> bytes:
    """`PONG`."""
    return PONG


def show_help(_broker: Broker, _request: Help) -> bytes:
    """`HELP <usage> | <effect> | <example>` for each command, then `END`."""
    lines = [f"HELP {each.usage} | {each.effect} | {each.example}\n" for each in COMMANDS.values()]
    return "".join(lines).encode() + END


def list_topics(broker: Broker, _request: Topics) -> bytes:
    """A `TOPIC` line for each topic, then `END <count>`."""
    topics = broker.topics()
    return b"".join(map(_topic_line, topics)) + end(len(topics))


def describe(broker: Broker, request: Describe) -> bytes:
    """A `TOPIC` line, a `SETTING` line for each setting, a `PARTITION` line for each partition, then `END <count>`."""
    topic = broker.topic(request.topic)
    lines = [_topic_line(topic)]
    for name, setting in TOPIC_SETTINGS.items():
        value = getattr(topic.settings, setting.default)
        source = "topic" if name in topic.overrides else "default"
        lines.append(f"SETTING {name} {'none' if value is None else value} {source}\n".encode())
    for partition in topic.partitions():
        bounds, kept = broker.bounds(partition), broker.statistics(partition)
        lines.append(
            b"PARTITION %d %d %d %d %d\n"
            % (
                partition.index,
                bounds.log_start_offset,
                bounds.high_watermark,
                kept.size_bytes,
                kept.segment_count,
            )
        )
    return b"".join(lines) + end(topic.partition_count)


def committed(broker: Broker, request: Committed) -> bytes:
    """`OFFSET <offset>`, or `NONE` if the group has committed none."""
    offset = broker.committed_offset(request.group, request.partition)
    return NONE if offset is None else b"OFFSET %d\n" % offset


def list_groups(broker: Broker, _request: Groups) -> bytes:
    """A `GROUP` line for each group, then `END <count>`."""
    groups = broker.groups.overviews()
    return b"".join(map(_group_line, groups)) + end(len(groups))


def describe_group(broker: Broker, request: DescribeGroup) -> bytes:
    """A `GROUP` line; for each member a `MEMBER` line and a `READS` line for each of its partitions; an `OFFSET` line
    for each partition that the group committed for; then `END <count>`."""
    lines = [_group_line(broker.group(request.group))]
    for reader in broker.group_readers(request.group):
        lines.append(_member_line(reader))
        lines += [f"READS {partition}\n".encode() for partition in reader.partitions]
    offsets = sorted(broker.group_offsets(request.group).items())
    for partition, offset in offsets:
        bounds = broker.bounds(partition)
        lines.append(f"OFFSET {partition} {offset} {bounds.high_watermark} {bounds.lag(offset)}\n".encode())
    return b"".join(lines) + end(len(offsets))


async def create(broker: Broker, request: Create) -> bytes:
    """`OK`, once the topic is durable."""
    await broker.create_topic(
        request.topic,
        format=request.format,
        partition_count=request.partition_count,
        overrides=request.overrides,
    )
    return OK


async def alter(broker: Broker, request: Alter) -> bytes:
    """`OK`, once the change is durable."""
    await broker.alter_topic(request.topic, partition_count=request.partition_count, overrides=request.overrides)
    return OK


async def drop(broker: Broker, request: Drop) -> bytes:
    """`OK`, once the topic is gone for good."""
    await broker.drop_topic(request.topic)
    return OK


async def commit(broker: Broker, request: Commit) -> bytes:
    """`OK`, once the offset is durable."""
    await broker.commit_offset(request.group, request.partition, request.offset)
    return OK


async def forget(broker: Broker, request: Forget) -> bytes:
    """`OK`, once the group is gone for good."""
    await broker.forget_group(request.group)
    return OK


def _group_line(group: GroupOverview) -> bytes:
    # The name comes last: Kafka's clients may put spaces into it, and line ends, which would break the line.
    return f"GROUP {group.state} {group.member_count} {_on_one_line(group.name)}\n".encode()


def _member_line(reader: Reader) -> bytes:
    # Ids of clients and members are free text as well: the latter come last, the former are one word.
    client_id = _on_one_line(reader.client_id).replace(" ", "_") or "-"
    return f"MEMBER {reader.client_host or '-'} {client_id} {_on_one_line(reader.member_id)}\n".encode()


def _on_one_line(text: str) -> str:
    return "".join([letter if letter.isprintable() else "?" for letter in text])


def _topic_line(topic: Topic) -> bytes:
    return f"TOPIC {topic.name} {topic.partition_count} {topic.format}\n".encode()


IMMEDIATE: Mapping[type, Callable[[Broker, Any], bytes]] = {
    Committed: committed,
    Describe: describe,
    DescribeGroup: describe_group,
    Groups: list_groups,
    Help: show_help,
    Ping: ping,
    Topics: list_topics,
}

AWAITED: Mapping[type, Callable[[Broker, Any], Awaitable[bytes]]] = {
    Alter: alter,
    Commit: commit,
    Create: create,
    Drop: drop,
    Forget: forget,
}
