"""Consumer groups as client libraries drive them: members join, leave and crash, and nothing is skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from time import monotonic

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.kafka.clients import Client
from tests.integration.kafka.driver import Driver, until
from tests.integration.kafka.message import Message

PARTITIONS = 12
ALL = list(range(PARTITIONS))
FIRST_MESSAGE_S = 3.0
"""In a new group, clients' own delays included; the broker adds none."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker whose new topics have twelve partitions, and which soon misses a member that was killed."""
    flags = ["--partition-count=12", "--consumer-session-timeout-ms=6s", "--consumer-heartbeat-interval-ms=500ms"]
    with BrokerProcess(tmp_path_factory.mktemp("broker") / "data", *flags) as broker:
        yield broker


@pytest.fixture(params=["classic", "consumer"])
def protocol(client_kind: Client, request: pytest.FixtureRequest) -> str:
    """Either protocol of groups: the one with leaders among the members, and KIP-848's."""
    if request.param == "consumer":
        client_kind.skip_without("new-protocol")
    return str(request.param)


def numbered(first: int, last: int) -> list[Message]:
    """Messages whose values are numbers, over all partitions in turn."""
    return [Message(b"%d" % number, partition=number % PARTITIONS) for number in range(first, last)]


def assignments(members: Sequence[Driver]) -> list[int]:
    """The partitions of all members together."""
    return sorted(partition for member in members for partition in member.assigned())


def values(members: Sequence[Driver]) -> Counter[int]:
    """How often each number was received."""
    return Counter(int(message.value or b"-1") for member in members for message in member.received())


def balanced(members: Sequence[Driver]) -> bool:
    """Whether each partition has one member, and each member about as many as any other."""
    assigned = [member.assigned() for member in members]  # asked once: between two looks a member may join
    counts = [len(partitions) for partitions in assigned]
    return sorted(chain.from_iterable(assigned)) == ALL and max(counts) - min(counts) <= 1


def test_three_members_join_leave_and_crash(
    kafka: Driver, start: Callable[[], Driver], topic_name: str, protocol: str
) -> None:
    """Three members share twelve partitions; when one leaves and another is killed, those left take over, and
    every message arrives, at most those of the killed member twice."""
    kafka.produce(topic_name, numbered(0, 120))
    members = [start() for _ in range(3)]
    for member in members:
        member.join(topic_name, topic_name, protocol=protocol)
    until(lambda: balanced(members))
    until(lambda: set(values(members)) == set(range(120)))
    received = values(members)
    members[0].leave()
    until(lambda: balanced(members[1:]))
    kafka.produce(topic_name, numbered(120, 240))
    until(lambda: set(received | values(members[1:])) == set(range(240)))
    before = received | values(members[1:])
    members[1].kill()
    until(lambda: members[2].assigned() == ALL, timeout_s=50)
    kafka.produce(topic_name, numbered(240, 360))
    until(lambda: set(before | values(members[2:])) == set(range(360)))


def test_a_new_member_goes_on_where_the_group_stood(
    kafka: Driver, start: Callable[[], Driver], topic_name: str, protocol: str
) -> None:
    """What a group has committed is not read again by the member that comes after all have left."""
    kafka.produce(topic_name, numbered(0, 24))
    first = start()
    first.join(topic_name, topic_name, protocol=protocol)
    until(lambda: len(first.received()) == 24)
    first.leave()
    kafka.produce(topic_name, numbered(24, 48))
    second = start()
    second.join(topic_name, topic_name, protocol=protocol)
    until(lambda: set(values([second])) >= set(range(24, 48)))
    assert values([second]) == Counter(range(24, 48))


def test_the_first_message_in_a_new_group_comes_at_once(
    kafka: Driver, start: Callable[[], Driver], topic_name: str, protocol: str
) -> None:
    """A lone member is not made to wait for others."""
    kafka.produce(topic_name, numbered(0, 12))
    member = start()
    assert member.assigned() == []  # it is up
    began = monotonic()
    member.join(topic_name, topic_name, protocol=protocol)
    until(lambda: len(member.received()) == 12)
    assert monotonic() - began < FIRST_MESSAGE_S


def test_a_static_member_comes_back_to_its_partitions(
    client_kind: Client, kafka: Driver, start: Callable[[], Driver], topic_name: str
) -> None:
    """A static member that is killed and started again has its partitions back, and the others keep theirs."""
    client_kind.skip_without("static")
    kafka.produce(topic_name, numbered(0, 12))
    first, second = start(), start()
    first.join(topic_name, topic_name, instance_id="first")
    second.join(topic_name, topic_name, instance_id="second")
    until(lambda: balanced([first, second]))
    had, others = first.assigned(), second.assigned()
    first.kill()
    again = start()
    again.join(topic_name, topic_name, instance_id="first")
    until(lambda: again.assigned() == had)
    assert second.assigned() == others
