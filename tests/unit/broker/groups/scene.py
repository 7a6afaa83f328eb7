"""A classic group on a stage: members are strings, time is moved by hand, every answer is checked to be given once."""

from __future__ import annotations

from dataclasses import replace

from logmq.broker.groups.group import ClassicGroup, GroupState
from logmq.broker.groups.member import Caller, JoinAnswer, JoinProtocol, JoinRequest, SyncAnswer
from logmq.broker.groups.refusal import Refusal

SESSION_MS = 10_000
REBALANCE_MS = 60_000


def subscription(*topics: str, user_data: bytes = b"") -> bytes:
    """Join metadata of a consumer, version 0."""
    names = b"".join(len(topic).to_bytes(2, "big") + topic.encode() for topic in topics)
    return b"\x00\x00" + len(topics).to_bytes(4, "big") + names + len(user_data).to_bytes(4, "big") + user_data


def request(
    fresh: str,
    member_id: str = "",
    *,
    instance_id: str | None = None,
    protocols: tuple[tuple[str, bytes], ...] = (("range", subscription("orders")),),
    protocol_type: str = "consumer",
    requires_member_id: bool = False,
    can_skip_assignment: bool = True,
) -> JoinRequest:
    """A join; `fresh` is the id that a new member gets."""
    return JoinRequest(
        member_id,
        instance_id,
        fresh,
        "client",
        "/127.0.0.1",
        SESSION_MS,
        REBALANCE_MS,
        protocol_type,
        tuple(JoinProtocol(name, metadata) for name, metadata in protocols),
        requires_member_id,
        can_skip_assignment,
    )


class Scene:
    """The group, its time, and what was asked and answered."""

    def __init__(self, initial_delay_ms: int = 0, expected_count: int = 0) -> None:
        self.group = ClassicGroup("billing", initial_delay_ms)
        self.group.expected_count = expected_count
        self.now_ms = 1_000_000
        self.open: set[int] = set()
        self._tickets = 0
        self._answers: dict[int, JoinAnswer | SyncAnswer] = {}

    def ticket(self) -> int:
        self._tickets += 1
        self.open.add(self._tickets)
        return self._tickets

    def settle(self) -> list[tuple[int, JoinAnswer | SyncAnswer]]:
        """Take the answers; each must be to an open ticket."""
        answers = []
        for ticket, answer in self.group.take_answers():
            assert isinstance(ticket, int)
            self.open.remove(ticket)  # KeyError: answered twice, or never asked
            self._answers[ticket] = answer
            answers.append((ticket, answer))
        return answers

    def join(self, asked: JoinRequest) -> int:
        ticket = self.ticket()
        self.group.join(asked, ticket, self.now_ms)
        self.settle()
        return ticket

    def sync(self, member_id: str, assignments: dict[str, bytes] | None = None, generation: int | None = None) -> int:
        ticket = self.ticket()
        generation = self.group.generation if generation is None else generation
        self.group.sync(Caller(member_id), generation, list((assignments or {}).items()), ticket, self.now_ms)
        self.settle()
        return ticket

    def heartbeat(self, member_id: str, generation: int | None = None) -> Refusal | None:
        generation = self.group.generation if generation is None else generation
        return self.group.heartbeat(Caller(member_id), generation, self.now_ms)

    def leave(self, member_id: str, instance_id: str | None = None) -> Refusal | None:
        refusal = self.group.leave(Caller(member_id, instance_id), self.now_ms)
        self.settle()
        return refusal

    def pass_time(self, duration_ms: int) -> None:
        """Let time go by, stopping wherever the group wants to be woken."""
        end_ms = self.now_ms + duration_ms
        for _ in range(10_000):
            deadline_ms = self.group.deadline_ms
            if deadline_ms is None or deadline_ms > end_ms:
                self.now_ms = end_ms
                return
            self.now_ms = max(self.now_ms, deadline_ms)
            self.group.tick(self.now_ms)
            self.settle()
        raise AssertionError("the group never comes to rest")

    def joined(self, ticket: int) -> JoinAnswer:
        """The answer to a join, which must have come."""
        answer = self._answers[ticket]
        assert isinstance(answer, JoinAnswer)
        return answer

    def synced(self, ticket: int) -> SyncAnswer:
        """The answer to a sync, which must have come."""
        answer = self._answers[ticket]
        assert isinstance(answer, SyncAnswer)
        return answer

    def is_in(self, state: GroupState) -> bool:
        return self.group.state is state

    def is_waiting(self, ticket: int) -> bool:
        return ticket in self.open

    def rejoin(self, member_id: str, **changes: object) -> int:
        """A member joins again with what it said before."""
        return self.join(replace(request(member_id), member_id=member_id, **changes))  # type: ignore[arg-type]

    def stable(self, *member_ids: str) -> Scene:
        """Bring the group to a stable generation of these members; the first one leads."""
        for member_id in member_ids:
            self.join(request(member_id))
        for member_id in member_ids:
            if self.group.members[member_id].joining is None and len(member_ids) > 1:
                self.rejoin(member_id)
        self.share(*member_ids)
        return self

    def share(self, *member_ids: str) -> None:
        """The leader syncs last and gives each member its own name as the assignment."""
        for member_id in reversed(member_ids):
            self.sync(member_id, {one: one.encode() for one in member_ids})
