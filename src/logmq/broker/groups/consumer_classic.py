"""Members of the classic protocol in a consumer group (KIP-848): what lets a group move over while its members read.

The first member of the new protocol that joins a stable group of the classic one turns it into a consumer group. Its
old members stay, and go on speaking as they did: each request of theirs is translated here.

    JoinGroup    a heartbeat that says everything, with the partitions that the member still owns
    SyncGroup    asks for what it was given; nobody leads, and what members bring is not looked at
    Heartbeat    lives, and is told to join again when there is something for it to give up or to get
    generation   the member's epoch

A member that assigns eagerly owns nothing when it joins; one that does so cooperatively gives up what it was not given
again, and joins once more. Either way it has no partition that another one reads. Source: KIP-848, "Online migration".
"""

from __future__ import annotations

from collections.abc import Iterable

from logmq.broker.groups.consumer_group import ConsumerGroup, TopicsImage
from logmq.broker.groups.consumer_member import (
    JOINING_EPOCH,
    LEAVING_EPOCH,
    ClassicSide,
    ConsumerHeartbeat,
    ConsumerMember,
    MemberState,
    Owned,
)
from logmq.broker.groups.group import ClassicGroup, GroupState
from logmq.broker.groups.member import Caller, JoinAnswer, JoinRequest, Member, SyncAnswer
from logmq.broker.groups.refusal import Refusal
from logmq.broker.groups.subscription import (
    CONSUMER,
    encode_assignment,
    owned_partitions,
    read_assignment,
    subscribed_topics,
)
from logmq.model import TopicPartition


def converted(group: ClassicGroup, topics: TopicsImage, session_timeout_ms: int) -> ConsumerGroup | None:
    """The consumer group that has the members of a stable classic group; None if what they say cannot be understood."""
    assert group.state is GroupState.STABLE
    if group.protocol_type != CONSUMER:
        return None
    members = [_converted(member, group, topics) for member in group.members.values()]
    known = [member for member in members if member is not None]
    held = [one for member in known for one in member.assigned]
    if len(known) < len(members) or len(held) > len(set(held)):
        return None
    target = {member.member_id: member.assigned for member in known}
    consumers = ConsumerGroup.restored(
        group.name, session_timeout_ms, group.generation, ConsumerGroup.default_assignor, known, target
    )
    consumers.topics = topics
    consumers.version = 1
    return consumers


def _converted(member: Member, group: ClassicGroup, topics: TopicsImage) -> ConsumerMember | None:
    wanted = subscribed_topics(member.metadata(group.protocol_name))
    assigned = read_assignment(member.assignment)
    if wanted is None or assigned is None:
        return None
    return ConsumerMember(
        member.member_id,
        member.instance_id,
        None,
        member.client_id,
        member.client_host,
        member.rebalance_timeout_ms,
        wanted,
        epoch=group.generation,
        previous_epoch=group.generation,
        assigned=_by_id(assigned, topics),
        session_deadline_ms=member.deadline_ms,
        classic=ClassicSide(member.protocols, member.session_timeout_ms),
    )


def _by_id(partitions: Iterable[TopicPartition], topics: TopicsImage) -> frozenset[Owned]:
    """Partitions as groups know them, without those that do not exist."""
    known = [(topics.by_name.get(one.topic, (0, 0)), one.index) for one in partitions]
    return frozenset([Owned(topic_id, index) for (topic_id, count), index in known if index < count])


# -- requests ----------------------------------------------------------------------------------------------------------


def join(group: ConsumerGroup, request: JoinRequest, now_ms: int) -> JoinAnswer:
    """JoinGroup: answered at once, since nobody waits for all others."""
    subscription = request.protocols[0] if request.protocols and request.protocol_type == CONSUMER else None
    topics = None if subscription is None else subscribed_topics(subscription.metadata)
    if subscription is None or topics is None:
        return JoinAnswer(request.member_id, Refusal.INCONSISTENT_PROTOCOL)
    member_id, refusal = _identify(group, request)
    if refusal is not None:
        return JoinAnswer(member_id, refusal)
    known = group.members.get(member_id)
    beat = ConsumerHeartbeat(
        member_id,
        JOINING_EPOCH if known is None else known.epoch,
        request.instance_id,
        client_id=request.client_id,
        client_host=request.client_host,
        rebalance_timeout_ms=request.rebalance_timeout_ms,
        topics=topics,
        owned=_by_id(owned_partitions(subscription.metadata), group.topics),
    )
    answer = group.heartbeat(beat, now_ms)
    if answer.refusal is not None:
        return JoinAnswer(member_id, answer.refusal)
    member = group.members[member_id]
    member.classic = ClassicSide(request.protocols, request.session_timeout_ms)
    member.session_deadline_ms = now_ms + request.session_timeout_ms
    return JoinAnswer(member_id, None, member.epoch, CONSUMER, subscription.name)


def _identify(group: ConsumerGroup, request: JoinRequest) -> tuple[str, Refusal | None]:
    """Under which id a member joins; a dynamic one may have to come back with the one that it is given (KIP-394)."""
    if request.member_id:
        refusal = group.check_member(request.member_id, request.instance_id)
        unknown = refusal is Refusal.UNKNOWN_MEMBER and request.instance_id is None
        return request.member_id, None if unknown else refusal
    if request.requires_member_id and request.instance_id is None:
        return request.fresh_member_id, Refusal.MEMBER_ID_REQUIRED
    return request.fresh_member_id, None


def sync(group: ConsumerGroup, caller: Caller, generation: int) -> SyncAnswer:
    """SyncGroup: what the member may read."""
    refusal = check(group, caller, generation)
    member = group.members.get(caller.member_id)
    if refusal is not None or member is None or member.classic is None:
        return SyncAnswer(refusal or Refusal.UNKNOWN_MEMBER)
    # One that must give something up first is told so by what it is not given.
    if member.epoch < group.epoch and member.state is not MemberState.UNREVOKED:
        return SyncAnswer(Refusal.REBALANCE_IN_PROGRESS)
    names = {topic_id: name for name, (topic_id, _) in group.topics.by_name.items()}
    assigned = [TopicPartition(names[one.topic_id], one.partition) for one in member.assigned if one.topic_id in names]
    return SyncAnswer(None, CONSUMER, member.classic.protocols[0].name, encode_assignment(assigned))


def heartbeat(group: ConsumerGroup, caller: Caller, generation: int, now_ms: int) -> Refusal | None:
    """Heartbeat: the member lives; one that is told to join again must do so within its rebalance timeout."""
    refusal = check(group, caller, generation)
    member = group.members.get(caller.member_id)
    if refusal is not None or member is None or member.classic is None:
        return refusal or Refusal.UNKNOWN_MEMBER
    member.session_deadline_ms = now_ms + member.classic.session_timeout_ms
    if not group.has_news_for(member):
        return None
    if member.revoke_deadline_ms is None:
        member.revoke_deadline_ms = now_ms + member.rebalance_timeout_ms
    return Refusal.REBALANCE_IN_PROGRESS


def leave(group: ConsumerGroup, caller: Caller, now_ms: int) -> Refusal | None:
    """LeaveGroup: the member goes. A static one may be named by its instance id alone, as an administrator does."""
    member_id = caller.member_id or group.instance_member(caller.instance_id) or ""
    return group.heartbeat(ConsumerHeartbeat(member_id, LEAVING_EPOCH, caller.instance_id), now_ms).refusal


def check(group: ConsumerGroup, caller: Caller, generation: int) -> Refusal | None:
    """Whether a classic member speaks of its present epoch."""
    refusal = group.check_epoch(caller.member_id, generation, instance_id=caller.instance_id)
    return Refusal.ILLEGAL_GENERATION if refusal is Refusal.STALE_EPOCH else refusal
