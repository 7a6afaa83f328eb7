"""The client without asyncio: the same calls, against a broker that runs in a thread."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from tests.unit.client.scripted_broker import ScriptedBroker, running_in_thread

from logmq.client import CannotConnect, Client, Connection, Message, ServerError, TopicSummary


@pytest.fixture
def broker() -> Iterator[ScriptedBroker]:
    """A broker on another thread's loop."""
    with running_in_thread() as broker:
        yield broker


def test_each_call_returns_when_it_is_done(broker: ScriptedBroker) -> None:
    """Produce, consume, topics and groups work without an event loop."""
    with Client(broker.address) as c:
        c.ping()
        assert c.produce("t", b"a") == 0
        assert c.produce_many("t", [b"b", b"c\nd"]) == [5, 10]
        assert c.consume("t", 1) == Message(5, b"b")
        assert c.consume("t", 100) is None
        assert c.consume_many("t", 0, 2) == [Message(0, b"a"), Message(5, b"b")]
        assert [m.payload for m in c.messages("t")] == [b"a", b"b", b"c\nd"]
        c.create("u", 1, {"retention.ms": 5})
        c.alter("u", settings={"retention.ms": "default"})
        assert c.topics() == [TopicSummary("t", 1, "plain"), TopicSummary("u", 1, "plain")]
        assert c.describe("t").partitions[0].high_watermark == 17
        c.drop("u")
        c.commit("g", "t", 5)
        assert c.committed("g", "t") == 5
        with pytest.raises(ServerError, match="UNKNOWN_TOPIC"):
            c.consume("nope", 0)


def test_following_is_an_iterator(broker: ScriptedBroker) -> None:
    """`follow` yields what comes, and calls may be made in between."""
    with Client(broker.address) as c:
        c.produce("t", b"a")
        seen = []
        for message in c.follow("t", 0):
            seen.append(message.payload)
            if len(seen) == 2:
                break
            c.produce("t", b"b")
        assert seen == [b"a", b"b"]


def test_an_iterator_left_open_is_closed_with_the_client(broker: ScriptedBroker) -> None:
    """A client may be closed while an iterator is open, and closed twice."""
    c = Client(broker.address)
    c.produce("t", b"a")
    following = c.follow("t", 0)
    assert next(following).payload == b"a"
    c.close()
    c.close()
    del following


def test_a_call_that_ctrl_c_left_behind_ends_with_the_client(
    broker: ScriptedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """A call whose caller was interrupted before it began is dropped in silence when the client closes."""
    c = Client(broker.address)
    c._runner.get_loop().create_task(c._connection.produce("t", b"x"))
    c.close()
    gc.collect()  # asyncio complains of a lost exception when its task is collected
    assert caplog.records == []


def test_no_broker_is_an_error_of_the_constructor() -> None:
    """A client is connected when it is constructed, or there is none."""
    with pytest.raises(CannotConnect):
        Client("127.0.0.1:1")


def test_both_faces_have_the_same_methods() -> None:
    """What one of them can do the other can do too."""

    def public(face: type) -> set[str]:
        return {name for name in vars(face) if not name.startswith("_")}

    assert public(Client) == public(Connection)
