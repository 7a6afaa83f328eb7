"""Why a group says no. Each protocol has a table from these to its own codes."""

from __future__ import annotations

from enum import Enum, auto


class Refusal(Enum):
    """What a member must know to do the right thing next."""

    MEMBER_ID_REQUIRED = auto()
    """Join again with the member id that is in the answer (KIP-394)."""
    UNKNOWN_MEMBER = auto()
    """The group does not know this member, or not any more: join anew."""
    ILLEGAL_GENERATION = auto()
    """The member speaks of another generation than the group's: join again."""
    REBALANCE_IN_PROGRESS = auto()
    """The group is gathering its members: join again."""
    FENCED_INSTANCE = auto()
    """Another process has joined under the same instance id (KIP-345): stop."""
    INCONSISTENT_PROTOCOL = auto()
    """The member speaks no protocol that all the others do."""
    INVALID_SESSION_TIMEOUT = auto()
    """Shorter or longer than the broker takes."""
    GROUP_FULL = auto()
    """The group, or the broker, has as many members as it takes."""
    TOO_LARGE = auto()
    """Metadata or assignments have more bytes than the broker keeps for a member."""
    GROUP_UNKNOWN = auto()
    """There is no such group."""
    GROUP_NOT_EMPTY = auto()
    """The group still has members."""
    SUBSCRIBED = auto()
    """Members of the group still read the topic."""
    NOT_YET = auto()
    """Something has to come to an end first: ask again in a moment."""
    WRONG_TYPE = auto()
    """The group is one of the other protocol (classic or consumer)."""
    FENCED_EPOCH = auto()
    """The member speaks of an epoch that is not its own: give everything up and join anew (KIP-848)."""
    STALE_EPOCH = auto()
    """The member commits or asks with an epoch that is over: do it again with the one that it has by now (KIP-848)."""
    UNRELEASED_INSTANCE = auto()
    """Another member lives under the same instance id: wait until it has gone (KIP-848)."""
    UNSUPPORTED_ASSIGNOR = auto()
    """The broker has no assignor of this name (KIP-848)."""
    INVALID_PATTERN = auto()
    """The regular expression is none, or one that the broker does not follow (KIP-848)."""
