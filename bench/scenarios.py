"""What is compared, how hard, and what LogMQ sets itself as a goal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

SIZE = 100
"""Payload bytes of a message."""
DEPTH = 4096
"""Unanswered requests of a pipelining connection: enough that every broker has its next batch while it syncs."""
BATCH = 1000
"""Messages a request when reading many at once."""
LOG_MESSAGES = 2_000_000
"""Messages in the log that is read."""


class Kind(Enum):
    """What the clients do."""

    PRODUCE = "produce"
    READ_ONE = "read one a request"
    READ_MANY = "read many a request"
    FOLLOW = "follow"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A line of the table.

    `floor` sets the bare loop beside it. `goal_ratio` is LogMQ's goal as a multiple of `goal_peer`'s rate in the same
    run, `goal_rate` in messages a second.
    """

    name: str
    title: str
    kind: Kind
    clients: int
    depth: int
    floor: bool = False
    goal_peer: str = ""
    goal_ratio: float = 0.0
    goal_rate: float = 0.0

    @property
    def reads(self) -> bool:
        """Whether it needs a log that is there already."""
        return self.kind is not Kind.PRODUCE


SCENARIOS = (
    Scenario(
        "pipelined-1",
        "produce, 1 connection, pipelined",
        Kind.PRODUCE,
        1,
        DEPTH,
        goal_peer="Redis Streams",
        goal_ratio=5.0,
    ),
    Scenario(
        "pipelined-8",
        "produce, 8 connections, pipelined",
        Kind.PRODUCE,
        8,
        DEPTH // 4,
        goal_peer="Redis Streams",
        goal_ratio=5.0,
    ),
    Scenario(
        "one-at-a-time-64",
        "produce, 64 clients, one at a time",
        Kind.PRODUCE,
        64,
        1,
        goal_peer="Redis Streams",
        goal_ratio=1.0,
    ),
    Scenario(
        "one-at-a-time-1",
        "produce, 1 client, one at a time",
        Kind.PRODUCE,
        1,
        1,
        floor=True,
        goal_peer="bare loop",
        goal_ratio=0.5,
    ),
    Scenario("consume-one", "read, 1 a request, pipelined", Kind.READ_ONE, 1, DEPTH, goal_rate=700_000),
    Scenario("consume-many", "read, 1,000 a request, one at a time", Kind.READ_MANY, 1, 1),
    Scenario("follow", "follow from the start", Kind.FOLLOW, 1, 1, goal_rate=700_000),
)
