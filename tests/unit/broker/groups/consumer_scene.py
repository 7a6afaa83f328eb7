"""A consumer group (KIP-848) on a stage: clients that heartbeat as the protocol says, topics and time moved by hand.

Clients begin to read what they are told to at once, and stop when they say so: `reading` is what a real consumer would
fetch, whatever the group believes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from logmq.broker.groups.consumer_group import ConsumerGroup, ConsumerGroupState, TopicsImage
from logmq.broker.groups.consumer_member import (
    AWAY_EPOCH,
    LEAVING_EPOCH,
    ConsumerAnswer,
    ConsumerHeartbeat,
    Owned,
)
from logmq.broker.groups.refusal import Refusal

SESSION_MS = 45_000
REBALANCE_MS = 60_000
REJOIN = {Refusal.FENCED_EPOCH, Refusal.UNKNOWN_MEMBER}


@dataclass
class Consumer:
    """A client. `told` is what it was assigned last; it gives up the rest when it next reports."""

    member_id: str
    topics: frozenset[str]
    instance_id: str | None = None
    pattern: str | None = None
    assignor: str | None = None
    epoch: int = 0
    reading: frozenset[Owned] = frozenset()
    told: frozenset[Owned] = frozenset()
    reported: frozenset[Owned] | None = field(default=None)

    def next_beat(self, *, full: bool = False) -> ConsumerHeartbeat:
        """What it says now: everything when it joins, else what has changed."""
        beat = ConsumerHeartbeat(self.member_id, self.epoch, self.instance_id, client_id="client")
        if self.epoch == 0 or full:
            beat = replace(
                beat,
                rebalance_timeout_ms=REBALANCE_MS,
                topics=self.topics,
                pattern=self.pattern,
                assignor=self.assignor,
                owned=self.reading,
            )
        elif self.reading != self.reported:
            beat = replace(beat, owned=self.reading)
        self.reported = self.reading
        return beat

    def take(self, answer: ConsumerAnswer) -> None:
        """Begin to read what is new; what is to be given up is read until `settle`."""
        if answer.refusal in REJOIN:
            self.lose()
        elif answer.refusal is None:
            self.epoch = answer.epoch
            if answer.assignment is not None:
                self.told = answer.assignment
                self.reading |= answer.assignment

    def settle(self) -> None:
        """Give up what it was told to."""
        self.reading = self.told

    def lose(self) -> None:
        """Stop reading all, and join anew with the next heartbeat."""
        self.epoch, self.reading, self.told, self.reported = 0, frozenset(), frozenset(), None


class Stage:
    """The group, its clients, the topics and the time."""

    def __init__(self, **partition_counts: int) -> None:
        self.group = ConsumerGroup("billing", SESSION_MS)
        self.now_ms = 1_000_000
        self.topics: dict[str, tuple[int, int]] = {}
        self.consumers: dict[str, Consumer] = {}
        self._ids = 0
        self._version = 0
        for name, count in partition_counts.items():
            self.topic(name, count)

    def topic(self, name: str, count: int) -> None:
        """Make a topic, or give it more partitions; 0 drops it."""
        if count == 0:
            self.topics.pop(name, None)
        elif name in self.topics:
            self.topics[name] = (self.topics[name][0], count)
        else:
            self._ids += 1
            self.topics[name] = (self._ids, count)
        self._version += 1

    def consumer(self, name: str, *topics: str, **changes: str | None) -> Consumer:
        """A client that has not joined yet."""
        made = self.consumers[name] = Consumer(name, frozenset(topics), **changes)  # type: ignore[arg-type]
        return made

    def send(self, beat: ConsumerHeartbeat) -> ConsumerAnswer:
        """A heartbeat as it comes in."""
        self.group.update_topics(TopicsImage(self._version, dict(self.topics), list(self.topics)))
        return self.group.heartbeat(beat, self.now_ms)

    def beat(self, consumer: Consumer, *, full: bool = False) -> ConsumerAnswer:
        """A client heartbeats and hears the answer."""
        answer = self.send(consumer.next_beat(full=full))
        consumer.take(answer)
        return answer

    def leave(self, consumer: Consumer, epoch: int = LEAVING_EPOCH) -> ConsumerAnswer:
        """A client stops reading, and says so."""
        consumer.lose()
        if epoch == LEAVING_EPOCH or consumer.instance_id is None:
            self.consumers.pop(consumer.member_id, None)
        return self.send(ConsumerHeartbeat(consumer.member_id, epoch, consumer.instance_id))

    def go_away(self, consumer: Consumer) -> ConsumerAnswer:
        """A static member stops for a while."""
        return self.leave(consumer, AWAY_EPOCH)

    def pass_time(self, duration_ms: int) -> None:
        """Let time go by, stopping wherever the group wants to be woken."""
        end_ms = self.now_ms + duration_ms
        while (deadline_ms := self.group.deadline_ms) is not None and deadline_ms <= end_ms:
            self.now_ms = max(self.now_ms, deadline_ms)
            self.group.tick(self.now_ms)
        self.now_ms = end_ms

    def converge(self, rounds: int = 20) -> Stage:
        """All clients heartbeat in turn, and give up what they are told to, until each has its target."""
        for _ in range(rounds):
            for consumer in list(self.consumers.values()):
                self.beat(consumer)
                consumer.settle()
            done = all(one.reported == one.reading and one.epoch == self.group.epoch for one in self.consumers.values())
            if done and self.group.state is not ConsumerGroupState.RECONCILING:
                return self
        raise AssertionError("the group does not converge")

    def counts(self) -> dict[str, int]:
        """How many partitions each client reads."""
        return {name: len(one.reading) for name, one in self.consumers.items()}

    def check_nobody_shares(self) -> None:
        """No partition is read by two clients."""
        readers = Counter(one for consumer in self.consumers.values() for one in consumer.reading)
        assert all(count == 1 for count in readers.values()), readers
