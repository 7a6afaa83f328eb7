"""What a client can ask for, as the parser hands it on.

`Produce` and `Consume` stand for whole runs of lines: they are made on the hot path, so they are not frozen (that
would cost half a microsecond each).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from logmq.errors import LogMQError
from logmq.model import Format, TopicPartition


class Edge(Enum):
    """A place in a partition without knowing its offset."""

    EARLIEST = "earliest"
    """The log start offset."""
    LATEST = "latest"
    """The high watermark: what comes next."""


Start: TypeAlias = int | Edge


@dataclass(slots=True)
class Produce:
    """Append the messages of successive PRODUCE lines (or of one WRITE).

    `payloads[i]` are those for `partitions[i]`, in order. `order` has an `i` for each line, or is None when there is
    only one partition. `size` counts the bytes of the lines.
    """

    partitions: list[TopicPartition]
    payloads: list[list[bytes]]
    order: list[int] | None
    size: int


@dataclass(slots=True)
class Consume:
    """Read one message for each of `offsets`: successive CONSUME lines of one partition."""

    partition: TopicPartition
    offsets: list[int]


@dataclass(frozen=True, slots=True)
class ConsumeEdge:
    """Read the message at an edge of the partition."""

    partition: TopicPartition
    edge: Edge


@dataclass(frozen=True, slots=True)
class ConsumeMany:
    """Read up to `count` messages."""

    partition: TopicPartition
    start: Start
    count: int


@dataclass(frozen=True, slots=True)
class Follow:
    """Read from `start` on and go on as messages come, until the client sends a line."""

    partition: TopicPartition
    start: Start


@dataclass(frozen=True, slots=True)
class Create:
    """Create a topic; `partition_count` None means the broker's default."""

    topic: str
    partition_count: int | None
    overrides: Mapping[str, str]
    format: Format = Format.PLAIN


@dataclass(frozen=True, slots=True)
class Alter:
    """Change a topic's settings or add partitions."""

    topic: str
    partition_count: int | None
    overrides: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Topics:
    """List the topics."""


@dataclass(frozen=True, slots=True)
class Describe:
    """Show a topic's settings and partitions."""

    topic: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Delete a topic with everything in it."""

    topic: str


@dataclass(frozen=True, slots=True)
class Commit:
    """Remember how far a group has come in a partition."""

    group: str
    partition: TopicPartition
    offset: int


@dataclass(frozen=True, slots=True)
class Committed:
    """How far a group has come in a partition."""

    group: str
    partition: TopicPartition


@dataclass(frozen=True, slots=True)
class Groups:
    """List the groups."""


@dataclass(frozen=True, slots=True)
class DescribeGroup:
    """Show how far a group has come."""

    group: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Delete a group with all that it committed."""

    group: str


@dataclass(frozen=True, slots=True)
class Ping:
    """Is anybody there?"""


@dataclass(frozen=True, slots=True)
class Help:
    """List the commands."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Close the connection."""


@dataclass(frozen=True, slots=True)
class Blank:
    """An empty line: ends a FOLLOW, means nothing elsewhere."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """A line that cannot be executed, and why."""

    error: LogMQError


KINDS: Mapping[type, str] = {
    Produce: "PRODUCE",
    Consume: "CONSUME",
    ConsumeEdge: "CONSUME",
    ConsumeMany: "CONSUME",
    Follow: "FOLLOW",
    Create: "CREATE",
    Alter: "ALTER",
    Topics: "TOPICS",
    Describe: "DESCRIBE",
    Drop: "DROP",
    Commit: "COMMIT",
    Committed: "COMMITTED",
    Groups: "GROUPS",
    DescribeGroup: "GROUP",
    Forget: "FORGET",
    Ping: "PING",
    Help: "HELP",
    Quit: "QUIT",
    Invalid: "INVALID",
}
"""What each request is counted as; a WRITE is a PRODUCE. Blank lines are not counted."""

Request: TypeAlias = (
    Produce
    | Consume
    | ConsumeEdge
    | ConsumeMany
    | Follow
    | Create
    | Alter
    | Topics
    | Describe
    | Drop
    | Commit
    | Committed
    | Groups
    | DescribeGroup
    | Forget
    | Ping
    | Help
    | Quit
    | Blank
    | Invalid
)
