"""Room for requests that are being received: bounded, shared, and given back whatever happens."""

from __future__ import annotations

import pytest
from tests.unit.protocols.kafka.kafka_session import (
    KafkaSession,
    Stage,
    batch,
    encode_request,
    fetch_fields,
    metadata_fields,
    produce_fields,
    until,
)
from tests.unit.protocols.text_session import ManualTime

from logmq.limits import KAFKA_RECEIVE_SILENCE_MAX_S, KAFKA_RECEIVE_TIME_MAX_S, KAFKA_SMALL_REQUEST_SIZE, KIB, MIB
from logmq.model import Format
from logmq.protocols.kafka.intake import Intake, Place

SIZE_MAX = 20 * MIB
"""Of all requests: 10 MiB of ordinary ones, 10 MiB of large ones."""


class Client:
    """A connection as the intake knows it."""

    def __init__(self, intake: Intake, time: ManualTime) -> None:
        self.time = time
        self.goes_on = False
        self.dropped = ""
        self.place = Place(intake, self.go_on, self.drop)

    def go_on(self) -> None:
        self.goes_on = True

    def drop(self, reason: str) -> None:
        self.dropped = reason
        self.place.leave()

    def begin(self, size: int) -> bool:
        """The first bytes of a request of this size, or more of it."""
        return self.place.admits(size, self.time.now)


class Hall:
    """An intake and its clients."""

    def __init__(self) -> None:
        self.time = ManualTime()
        self.intake = Intake(SIZE_MAX, self.time, self.time.loop)

    def client(self) -> Client:
        return Client(self.intake, self.time)

    def begun(self, size: int, count: int) -> list[Client]:
        """Clients that have begun a request of this size."""
        clients = [self.client() for _ in range(count)]
        for client in clients:
            client.goes_on = client.begin(size)
        return clients


@pytest.fixture
async def hall() -> Hall:
    return Hall()


async def test_what_finds_no_room_waits_its_turn(hall: Hall) -> None:
    """Room is taken as a whole; those who wait get in in their order, however little the later ones want."""
    first, second, third, fourth = hall.begun(5 * MIB, 4)
    assert [client.goes_on for client in (first, second, third, fourth)] == [True, True, False, False]
    assert (hall.intake.taken_bytes, hall.intake.waiting_count) == (10 * MIB, 2)
    last = hall.client()
    assert not last.begin(4 * MIB + 1)
    first.place.leave()
    assert [client.goes_on for client in (third, fourth, last)] == [True, False, False]
    second.place.leave()
    assert [client.goes_on for client in (fourth, last)] == [True, False]


async def test_large_requests_leave_half_of_the_room_to_ordinary_ones(hall: Hall) -> None:
    """Where large requests wait, a request of a usual size gets in at once, and a small one asks nobody."""
    assert [client.goes_on for client in hall.begun(5 * MIB, 3)] == [True, True, False]
    assert [client.goes_on for client in hall.begun(MIB, 11)] == [True] * 10 + [False]
    assert hall.client().begin(KAFKA_SMALL_REQUEST_SIZE)
    assert hall.intake.taken_bytes == SIZE_MAX


async def test_a_request_larger_than_the_room_gets_in_alone(hall: Hall) -> None:
    """The room may be set smaller than one request may be: such a one waits until it is alone, and is not stuck."""
    (small,) = hall.begun(5 * MIB, 1)
    (giant,) = hall.begun(50 * MIB, 1)
    assert not giant.goes_on
    small.place.leave()
    assert giant.goes_on


async def test_room_is_kept_until_the_whole_request_is_handed_over(hall: Hall) -> None:
    """A request that is whole and waits for its turn still takes its room."""
    first, second, third = hall.begun(5 * MIB, 3)
    first.place.arrived()
    assert not third.goes_on
    assert first.begin(0)  # nothing waits for its turn any more
    assert third.goes_on
    assert second.begin(5 * MIB)


async def test_who_waits_and_leaves_lets_the_next_one_in(hall: Hall) -> None:
    """A connection that is lost while it waits is no longer waited for."""
    first, second, third, fourth = hall.begun(5 * MIB, 4)
    third.place.leave()
    third.place.leave()
    first.place.leave()
    assert fourth.goes_on and not third.goes_on
    for client in (second, fourth):
        client.place.leave()
    assert (hall.intake.taken_bytes, hall.intake.waiting_count) == (0, 0)


async def test_who_keeps_room_and_sends_nothing_makes_way(hall: Hall) -> None:
    """While others wait, silence in the middle of a request ends its connection; who goes on sending stays."""
    silent, sending, waiting = hall.begun(5 * MIB, 3)
    hall.time.advance(KAFKA_RECEIVE_SILENCE_MAX_S - 1)
    assert sending.begin(5 * MIB)
    hall.time.advance(2)
    assert "kafka_receive_queue_size_bytes" in silent.dropped
    assert waiting.goes_on and not sending.dropped


async def test_who_keeps_room_for_too_long_makes_way(hall: Hall) -> None:
    """A byte now and then does not keep the room for good."""
    *dripping, waiting = hall.begun(5 * MIB, 3)
    for _ in range(int(KAFKA_RECEIVE_TIME_MAX_S)):
        assert not waiting.goes_on
        for client in dripping:
            client.begin(5 * MIB)
        hall.time.advance(1)
    assert waiting.goes_on and all(client.dropped for client in dripping)


async def test_nobody_is_dropped_while_there_is_room(hall: Hall) -> None:
    """A slow client is nobody's concern until somebody waits, and a whole request is not its client's fault."""
    slow, whole = hall.begun(5 * MIB, 2)
    hall.time.advance(10 * KAFKA_RECEIVE_TIME_MAX_S)
    whole.place.arrived()
    assert not slow.dropped and hall.time.timer_count == 0
    hall.begun(5 * MIB, 1)
    hall.time.advance(2)
    assert slow.dropped and not whole.dropped


# -- through a connection --------------------------------------------------------------------------------------------


@pytest.fixture
async def topic(staged: Stage) -> str:
    await staged.broker.create_topic("t", format=Format.BATCH, overrides={"max.message.bytes": str(SIZE_MAX)})
    return "t"


@pytest.fixture
def narrow(staged: Stage) -> Stage:
    """A broker with room for a single request of 256 KiB."""
    time = ManualTime()
    staged.intake = Intake(600 * KIB, time, time.loop)
    return staged


def request(topic: str) -> bytes:
    """A Produce of about 256 KiB."""
    return encode_request("produce", 9, produce_fields(topic, batch(b"x" * 256 * KIB)))


def half_sent(stage: Stage, data: bytes) -> KafkaSession:
    """A new client that has sent the first half of a request."""
    client = stage.session()
    client.connection.data_received(data[: len(data) // 2])
    return client


async def test_a_connection_without_room_is_not_read_from(narrow: Stage, topic: str) -> None:
    """It is read from again as soon as the request before it was handed over, and then answered like any other."""
    data = request(topic)
    first, second = half_sent(narrow, data), half_sent(narrow, data)
    assert first.transport.reading and not second.transport.reading
    narrow.broker.held = True
    first.connection.data_received(data[len(data) // 2 :])
    assert second.transport.reading  # the broker's own queue has the first one now
    narrow.broker.held = False
    await narrow.broker.commit()
    second.connection.data_received(data[len(data) // 2 :])
    await until(lambda: first.order() and second.order())
    assert narrow.intake.taken_bytes == 0


async def test_small_requests_go_on_while_large_ones_wait(narrow: Stage, topic: str) -> None:
    """Metadata, or a Produce of one message, do not wait for the room that others keep."""
    half_sent(narrow, request(topic))
    client = narrow.session()
    await client.ask("metadata", 12, **metadata_fields(topic))
    await client.ask("produce", 9, **produce_fields(topic, batch(b"x")))


async def test_a_lost_connection_gives_its_room_back(narrow: Stage, topic: str) -> None:
    """Whether it was being received or waited."""
    data = request(topic)
    first, second, third = (half_sent(narrow, data) for _ in range(3))
    second.transport.lose()
    first.transport.lose()
    assert third.transport.reading and narrow.intake.waiting_count == 0


async def test_a_request_that_waits_for_its_turn_keeps_its_room(narrow: Stage, topic: str) -> None:
    """A whole request behind a long poll is in memory as well: the next one of another client waits for it."""
    data = request(topic)
    client = narrow.session()
    poll = encode_request("fetch", 11, fetch_fields(topic, {0: 0}, wait_ms=3_600_000))
    client.connection.data_received(poll)
    await until(lambda: narrow.broker.waits == 1)
    client.connection.data_received(data[: len(data) // 2])
    assert not client.transport.reading  # it could not be taken anyway
    other = half_sent(narrow, data)
    assert other.transport.reading
    other.connection.data_received(data[len(data) // 2 :])
    await until(lambda: len(client.order()) == 1 and other.order())  # what the other stored ends the poll
    await until(lambda: client.transport.reading)
    client.connection.data_received(data[len(data) // 2 :])
    await until(lambda: len(client.order()) == 2)


async def test_who_does_not_finish_loses_its_connection_and_no_other(staged: Stage, topic: str) -> None:
    """The guilty client is closed, the one that waited is served."""
    time = ManualTime()
    staged.intake = Intake(600 * KIB, time, time.loop)
    data = request(topic)
    guilty, waiting = half_sent(staged, data), half_sent(staged, data)
    time.advance(KAFKA_RECEIVE_SILENCE_MAX_S)
    await until(lambda: guilty.lost)
    assert waiting.transport.reading
    waiting.connection.data_received(data[len(data) // 2 :])
    await until(waiting.order)
