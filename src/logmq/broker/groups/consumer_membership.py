"""A consumer group (KIP-848) as it is stored, so that a restart of the broker takes nothing from its members.

    {"type": "consumer", "epoch": 3, "assignor": "uniform", "members": [
        {"member_id": "c1", "instance_id": null, "rack_id": null, "client_id": "app", "client_host": "/10.0.0.1",
         "rebalance_timeout_ms": 300000, "topics": ["orders"], "pattern": null, "assignor": null,
         "epoch": 3, "previous_epoch": 2, "state": "stable",
         "assigned": {"7": [0, 1]}, "revoking": {}, "classic": null, "target": {"7": [0, 1]}}, ...]}

Partitions are listed by topic id. A member of the classic protocol has
`{"session_timeout_ms": 45000, "protocols": [["range", "<base64>"]]}` for `classic`.

It is stored before a member hears of a change: a partition that was given to it must not be anybody else's after a
restart.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from logmq.broker.groups.consumer_group import ConsumerGroup
from logmq.broker.groups.consumer_member import ClassicSide, ConsumerMember, MemberState, Owned
from logmq.broker.groups.consumer_pattern import TopicPattern
from logmq.broker.groups.member import JoinProtocol


def encode(group: ConsumerGroup) -> dict[str, Any]:
    """The group as JSON knows it."""
    return {
        "type": group.type,
        "epoch": group.epoch,
        "assignor": group.assignor,
        "members": [
            {**_encode_member(member), "target": _listed(group.target.get(member.member_id, ()))}
            for member in group.members.values()
        ],
    }


def decode(name: str, fields: Mapping[str, Any], session_timeout_ms: int, now_ms: int) -> ConsumerGroup:
    """What `encode` wrote. The members' sessions begin at `now_ms`, as if they had just been heard of."""
    members = [_decode_member(one, now_ms, session_timeout_ms) for one in fields["members"]]
    target = {one["member_id"]: _owned(one["target"]) for one in fields["members"]}
    return ConsumerGroup.restored(name, session_timeout_ms, fields["epoch"], fields["assignor"], members, target)


def _encode_member(member: ConsumerMember) -> dict[str, Any]:
    return {
        "member_id": member.member_id,
        "instance_id": member.instance_id,
        "rack_id": member.rack_id,
        "client_id": member.client_id,
        "client_host": member.client_host,
        "rebalance_timeout_ms": member.rebalance_timeout_ms,
        "topics": sorted(member.topics),
        "pattern": None if member.pattern is None else member.pattern.text,
        "assignor": member.assignor,
        "epoch": member.epoch,
        "previous_epoch": member.previous_epoch,
        "state": member.state.value,
        "assigned": _listed(member.assigned),
        "revoking": _listed(member.revoking),
        "classic": None if member.classic is None else _encode_classic(member.classic),
    }


def _encode_classic(classic: ClassicSide) -> dict[str, Any]:
    protocols = [[one.name, b64encode(one.metadata).decode()] for one in classic.protocols]
    return {"session_timeout_ms": classic.session_timeout_ms, "protocols": protocols}


def _decode_classic(fields: Mapping[str, Any]) -> ClassicSide:
    protocols = tuple(JoinProtocol(name, b64decode(metadata)) for name, metadata in fields["protocols"])
    return ClassicSide(protocols, fields["session_timeout_ms"])


def _decode_member(fields: Mapping[str, Any], now_ms: int, session_timeout_ms: int) -> ConsumerMember:
    state = MemberState(fields["state"])
    classic = None if fields.get("classic") is None else _decode_classic(fields["classic"])
    if classic is not None:
        session_timeout_ms = classic.session_timeout_ms
    return ConsumerMember(
        fields["member_id"],
        fields["instance_id"],
        fields["rack_id"],
        fields["client_id"],
        fields["client_host"],
        fields["rebalance_timeout_ms"],
        frozenset(fields["topics"]),
        None if fields["pattern"] is None else TopicPattern(fields["pattern"]),
        fields["assignor"],
        fields["epoch"],
        fields["previous_epoch"],
        state,
        _owned(fields["assigned"]),
        _owned(fields["revoking"]),
        now_ms + session_timeout_ms,
        now_ms + fields["rebalance_timeout_ms"] if state is MemberState.UNREVOKED else None,
        classic=classic,
    )


def _listed(partitions: Iterable[Owned]) -> dict[str, list[int]]:
    by_topic: dict[str, list[int]] = defaultdict(list)
    for topic_id, partition in sorted(partitions):
        by_topic[str(topic_id)].append(partition)
    return by_topic


def _owned(listed: Mapping[str, Iterable[int]]) -> frozenset[Owned]:
    return frozenset([Owned(int(topic_id), one) for topic_id, partitions in listed.items() for one in partitions])
