"""A member of a classic group, what it asks for and what it is answered. Times in milliseconds."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeAlias

from logmq.broker.groups.refusal import Refusal

NO_GENERATION = -1

_MEMBER_SIZE_FIXED = 1000
_PROTOCOL_SIZE_FIXED = 200
"""What Python keeps for a member and for a protocol without any bytes in it, roughly."""

Ticket: TypeAlias = Hashable
"""Names a request that waits for its answer. The rim makes it and knows who asked; the group only hands it back."""


@dataclass(frozen=True, slots=True)
class JoinProtocol:
    """A way to assign partitions that a member speaks, with what it tells the leader: opaque bytes."""

    name: str
    metadata: bytes


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """JoinGroup (11). `protocols` are in the order of preference; `fresh_member_id` is the id for a new member."""

    member_id: str
    instance_id: str | None
    fresh_member_id: str
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: tuple[JoinProtocol, ...]
    requires_member_id: bool
    """Whether a new member must come back with the id it is given (KIP-394, version 4 on)."""
    can_skip_assignment: bool
    """Whether the client understands that it leads but has nothing to assign (KIP-814, version 9 on)."""

    @property
    def size(self) -> int:
        """Bytes of memory that a member takes which joins with this."""
        return _size(self.client_id, self.protocols)


def _size(client_id: str, protocols: tuple[JoinProtocol, ...]) -> int:
    kept = [len(one.name) + len(one.metadata) + _PROTOCOL_SIZE_FIXED for one in protocols]
    return _MEMBER_SIZE_FIXED + len(client_id) + sum(kept)


@dataclass(frozen=True, slots=True)
class JoinedMember:
    """A member as the leader is told of it."""

    member_id: str
    instance_id: str | None
    metadata: bytes


@dataclass(frozen=True, slots=True)
class JoinAnswer:
    """What a JoinGroup is answered. Only the leader gets `members`."""

    member_id: str
    refusal: Refusal | None = None
    generation: int = NO_GENERATION
    protocol_type: str | None = None
    protocol_name: str | None = None
    leader: str = ""
    members: tuple[JoinedMember, ...] = ()
    skip_assignment: bool = False


@dataclass(frozen=True, slots=True)
class SyncAnswer:
    """What a SyncGroup is answered."""

    refusal: Refusal | None = None
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignment: bytes = b""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who says something to a group: a member by its id, a static one by its instance id too."""

    member_id: str
    instance_id: str | None = None


@dataclass(slots=True)
class Member:
    """A member while it is in the group; the group alone changes it."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocols: tuple[JoinProtocol, ...]
    deadline_ms: int
    """When it is taken for dead, unless it is heard of before."""
    is_new: bool = True
    """It has not been part of a generation yet."""
    assignment: bytes = b""
    joining: Ticket | None = None
    syncing: Ticket | None = None
    protocol_names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.protocol_names = frozenset(one.name for one in self.protocols)

    @property
    def is_waiting(self) -> bool:
        """Whether the broker owes it an answer: it cannot be heard of meanwhile."""
        return self.joining is not None or self.syncing is not None

    @property
    def size(self) -> int:
        """Bytes of memory that it takes."""
        return len(self.assignment) + _size(self.client_id, self.protocols)

    def take(self, request: JoinRequest) -> None:
        """Replace what it joined with."""
        self.protocols = request.protocols
        self.protocol_names = frozenset(one.name for one in request.protocols)
        self.session_timeout_ms = request.session_timeout_ms
        self.rebalance_timeout_ms = request.rebalance_timeout_ms
        self.client_id = request.client_id
        self.client_host = request.client_host

    def heard_of(self, now_ms: int) -> None:
        """It lives: its session begins anew."""
        self.deadline_ms = now_ms + self.session_timeout_ms

    def metadata(self, protocol_name: str | None) -> bytes:
        """What it says under a protocol; nothing if it does not speak it."""
        return next((one.metadata for one in self.protocols if one.name == protocol_name), b"")
