"""A member of a consumer group (KIP-848), what its heartbeats say and what they are answered. Times in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from logmq.broker.groups.consumer_pattern import TopicPattern
from logmq.broker.groups.member import JoinProtocol
from logmq.broker.groups.refusal import Refusal

JOINING_EPOCH = 0
LEAVING_EPOCH = -1
AWAY_EPOCH = -2
"""A static member that goes and means to come back: its partitions wait for it until its session ends."""


class Owned(NamedTuple):
    """One partition as groups know it: a topic of the same name, dropped and made anew, is another one."""

    topic_id: int
    """The log id of the topic's partition 0, which is never used again."""
    partition: int


class MemberState(StrEnum):
    """How far a member is from what it is meant to have."""

    STABLE = "stable"
    """It has all of its target, and nothing else."""
    UNREVOKED = "unrevoked"
    """It must give up some partitions first, and stays in its epoch until it says that it has."""
    UNRELEASED = "unreleased"
    """Others have not yet given up some of its partitions."""


@dataclass(frozen=True, slots=True)
class ConsumerHeartbeat:
    """ConsumerGroupHeartbeat (68). What is None has not changed since the last one.

    `epoch` is the member's; 0 joins, -1 leaves, -2 leaves for a while.
    """

    member_id: str
    epoch: int
    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    rebalance_timeout_ms: int | None = None
    topics: frozenset[str] | None = None
    pattern: str | None = None
    """A regular expression for names of topics; the empty text takes it back."""
    assignor: str | None = None
    owned: frozenset[Owned] | None = None

    @property
    def is_full(self) -> bool:
        """Whether it says everything, as a member does that joins or is not sure that its last one was answered."""
        subscribes = self.topics is not None or self.pattern is not None
        return self.rebalance_timeout_ms is not None and subscribes and self.owned is not None

    @property
    def size(self) -> int:
        """Bytes kept for it."""
        texts = [self.member_id, self.instance_id or "", self.rack_id or "", self.client_id, self.pattern or ""]
        return sum(map(len, [*texts, *(self.topics or ())]))


@dataclass(frozen=True, slots=True)
class ConsumerAnswer:
    """What a heartbeat is answered. `assignment` None: it is what it was."""

    refusal: Refusal | None = None
    reason: str = ""
    """The refusal in words."""
    epoch: int = 0
    assignment: frozenset[Owned] | None = None
    hurry: bool = False
    """Whether something is under way for this member, so that it had better ask again soon."""


@dataclass(frozen=True, slots=True)
class ClassicSide:
    """What is known of a member that speaks the classic protocol, beside what all members have."""

    protocols: tuple[JoinProtocol, ...]
    session_timeout_ms: int


@dataclass(slots=True)
class ConsumerMember:
    """A member while it is in the group; the group alone changes it."""

    member_id: str
    instance_id: str | None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    rebalance_timeout_ms: int = 0
    topics: frozenset[str] = frozenset()
    pattern: TopicPattern | None = None
    assignor: str | None = None
    epoch: int = JOINING_EPOCH
    previous_epoch: int = JOINING_EPOCH
    """The one before: the answer with the newer one may have been lost."""
    state: MemberState = MemberState.STABLE
    assigned: frozenset[Owned] = frozenset()
    """What it may read now."""
    revoking: frozenset[Owned] = frozenset()
    """What it was told to give up, and may still be reading."""
    session_deadline_ms: int = 0
    revoke_deadline_ms: int | None = None
    """When it must have given up what it was told to."""
    matched: frozenset[str] = field(default=frozenset())
    """Names of topics that its pattern matches."""
    classic: ClassicSide | None = None
    """Of a member that speaks the classic protocol, see consumer_classic.py."""

    @property
    def subscribed(self) -> frozenset[str]:
        """All topics that it wants, whether they exist or not."""
        return self.topics | self.matched if self.matched else self.topics

    @property
    def deadline_ms(self) -> int:
        """When it is taken for dead."""
        if self.revoke_deadline_ms is None:
            return self.session_deadline_ms
        return min(self.session_deadline_ms, self.revoke_deadline_ms)

    @property
    def is_away(self) -> bool:
        """Whether it is a static member that went and is expected back."""
        return self.epoch == AWAY_EPOCH

    @property
    def size(self) -> int:
        """Bytes kept for it."""
        texts = [self.member_id, self.instance_id or "", self.rack_id or "", self.client_id]
        pattern_size = 0 if self.pattern is None else len(self.pattern.text)
        classic_size = 0 if self.classic is None else sum(len(one.metadata) for one in self.classic.protocols)
        return sum(map(len, [*texts, *self.topics])) + pattern_size + classic_size
