"""The members of a stable group as they are stored, so that a restart of the broker does not end its generation.

    {"generation": 3, "protocol_type": "consumer", "protocol_name": "range", "leader": "c1-...", "members": [
        {"member_id": "c1-...", "instance_id": null, "client_id": "c1", "client_host": "/10.0.0.1",
         "session_timeout_ms": 45000, "rebalance_timeout_ms": 300000,
         "protocols": [["range", "<base64>"]], "assignment": "<base64>"}, ...]}

Members of a rebalance that is under way are not stored: they ask again.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from logmq.broker.groups.member import JoinProtocol, Member


@dataclass(frozen=True, slots=True)
class Membership:
    """A generation of a group with all its members."""

    generation: int
    protocol_type: str
    protocol_name: str
    leader: str
    members: tuple[Member, ...]


def encode(membership: Membership) -> dict[str, Any]:
    """The membership as JSON knows it."""
    return {
        "generation": membership.generation,
        "protocol_type": membership.protocol_type,
        "protocol_name": membership.protocol_name,
        "leader": membership.leader,
        "members": [_encode_member(member) for member in membership.members],
    }


def decode(fields: Mapping[str, Any], now_ms: int) -> Membership:
    """What `encode` wrote. The members' sessions begin at `now_ms`, as if they had just been heard of."""
    members = tuple(_decode_member(one, now_ms) for one in fields["members"])
    return Membership(fields["generation"], fields["protocol_type"], fields["protocol_name"], fields["leader"], members)


def _encode_member(member: Member) -> dict[str, Any]:
    return {
        "member_id": member.member_id,
        "instance_id": member.instance_id,
        "client_id": member.client_id,
        "client_host": member.client_host,
        "session_timeout_ms": member.session_timeout_ms,
        "rebalance_timeout_ms": member.rebalance_timeout_ms,
        "protocols": [[one.name, b64encode(one.metadata).decode()] for one in member.protocols],
        "assignment": b64encode(member.assignment).decode(),
    }


def _decode_member(fields: Mapping[str, Any], now_ms: int) -> Member:
    return Member(
        fields["member_id"],
        fields["instance_id"],
        fields["client_id"],
        fields["client_host"],
        fields["session_timeout_ms"],
        fields["rebalance_timeout_ms"],
        tuple(JoinProtocol(name, b64decode(metadata)) for name, metadata in fields["protocols"]),
        now_ms + fields["session_timeout_ms"],
        is_new=False,
        assignment=b64decode(fields["assignment"]),
    )
