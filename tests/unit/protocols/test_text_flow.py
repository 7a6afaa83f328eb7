"""What one client may take up: memory while it sends or does not read, and time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.unit.protocols.fake_broker import FakeBroker
from tests.unit.protocols.text_session import LIMITS, Session, settle

from logmq.config import Config
from logmq.errors import Unavailable
from logmq.model import TopicPartition
from logmq.protocols.text.deadlines import ConnectionLimits

T0 = TopicPartition("t", 0)
LINE = b"PRODUCE t " + b"x" * 89 + b"\n"


async def _produce_until_paused(session: Session, chunk: bytes, most: int) -> int:
    """Send chunks as long as the connection reads; returns how many."""
    for count in range(most):
        if not session.transport.reading:
            return count
        session.connection.data_received(chunk)
        await asyncio.sleep(0)
    return most


async def test_a_producer_faster_than_the_disk_is_not_read() -> None:
    """Lines that wait for the disk are bounded; reading goes on when they are committed, and nothing is lost."""
    session = Session(limits=replace(LIMITS, queue_size_max_bytes=100_000))
    await session.say(b"CREATE t\n")
    session.broker.held = True
    sent = await _produce_until_paused(session, LINE * 100, 1000)
    assert 10 <= sent <= 12
    session.broker.commit(5)
    await settle()
    assert session.transport.reading
    sent += await _produce_until_paused(session, LINE * 100, 1000)
    answers = b""
    while session.broker.commit():
        answers += await session.hear()
    assert answers.count(b"OK ") == sent * 100
    assert session.transport.reading


async def test_the_broker_without_room_is_not_sent_to() -> None:
    """While the broker has no room, nothing is appended and nothing is read; then it goes on."""
    session = Session()
    await session.say(b"CREATE t\n")
    session.broker.full = asyncio.get_running_loop().create_future()
    assert await session.say(LINE) == b""
    sent = await _produce_until_paused(session, LINE, 1000)
    assert sent <= 2 and not session.broker.calls
    session.broker.full.set_result(None)
    assert (await session.hear()).count(b"OK ") == sent + 1
    assert session.transport.reading


async def test_an_unfinished_line_while_held_up_is_bounded() -> None:
    """Also bytes without a newline are not read while something holds up the requests."""
    session = Session()
    session.broker.creating = asyncio.Event()
    session.connection.data_received(b"CREATE t\n")
    sent = await _produce_until_paused(session, b"x" * 65536, 1000)
    assert sent <= 1
    session.broker.creating.set()
    await settle()
    assert session.transport.reading


@pytest.mark.parametrize(
    ("line", "most"),
    [
        (b"CONSUME t 0\n" * 50, 200_000),
        (b"CONSUME t 0 1000000\n", 400_000),
        (b"PING\n" * 5000, 140_000),
        (b"WHAT\n" * 5000, 140_000),
        (b"FOLLOW t 0\n", 400_000),
    ],
)
async def test_a_client_that_does_not_read(line: bytes, most: int) -> None:
    """Answers stop when there is no room for more, whatever was asked for; they go on when the client reads."""
    session = Session()
    session.broker.add_topic("t")
    await session.broker.put(T0, *[b"x" * 50_000] * 100)
    session.transport.room = 65536
    answer = await session.say(line * 100)
    for _ in range(400):
        session.connection.data_received(line) if session.transport.reading else None
        answer += await session.hear()
    assert 65536 < len(answer) < most
    session.transport.read()
    assert sum([len(await session.hear()) for _ in range(10)]) > 65536


@pytest.mark.parametrize(
    "line",
    [b"PING\n", b"WHAT\n", b"\n", b"DESCRIBE wide\n", b"CONSUME t 0\nCONSUME wide 0\n", b"PRODUCE t/9 x\nPING\n"],
)
async def test_others_get_their_turn(line: bytes) -> None:
    """A chunk full of commands is answered a part at a time, with other clients in between; nothing is left out."""
    broker = FakeBroker()
    broker.add_topic("t")
    broker.add_topic("wide", count=100)
    busy, other = Session(broker), Session(broker)
    chunk = line * (60_000 // len(line)) + b"COMMITTED g t\n"
    busy.connection.data_received(chunk)
    assert len(busy.transport.written) < 400_000
    before = busy.transport.written.count(b"\n")
    assert before < 20_000
    assert await other.say(b"PING\n") == b"PONG\n"
    for _ in range(1000):
        await settle()
        if busy.transport.written.endswith(b"NONE\n"):
            break
    else:
        pytest.fail("the last line was not answered")
    if line.strip():
        assert busy.transport.written.count(b"\n") > before
    assert busy.transport.reading


async def test_a_client_that_never_reads_is_dropped() -> None:
    """A client that leaves its answers unread for too long is dropped; one that reads now and then is not."""
    session = Session()
    session.transport.room = 1000
    await session.say(b"HELP\n" * 10)
    for _ in range(5):
        session.time.advance(50)
        session.transport.read()
        await session.say(b"HELP\n" * 10)
        assert session.transport.paused_writing
    session.time.advance(59)
    assert not session.transport.aborted
    session.time.advance(7)
    assert session.transport.aborted
    await settle()
    assert session.lost and session.time.timer_count == 0


async def test_last_answers_unread() -> None:
    """A client that closes its side and never reads its last answers is dropped as well."""
    session = Session()
    session.transport.room = 10_000_000
    session.connection.data_received(b"HELP\n")
    session.connection.eof_received()
    await settle()
    assert session.transport.closed and not session.lost
    session.time.advance(66)
    assert session.transport.aborted


async def test_idle() -> None:
    """A client that says nothing for ten minutes is told so and let go; one that speaks stays."""
    session = Session()
    for _ in range(4):
        session.time.advance(500)
        assert await session.say(b"PING\n") == b"PONG\n"
    session.time.advance(606)
    assert (await session.hear()).startswith(b"ERR IDLE nothing came for 600 seconds")
    assert session.transport.closed


async def test_idle_never() -> None:
    """An idle timeout of 0 is none."""
    session = Session(limits=replace(LIMITS, idle_timeout_ms=0))
    session.time.advance(100_000)
    assert await session.say(b"PING\n") == b"PONG\n"


async def test_busy_is_not_idle() -> None:
    """While a client follows, or the broker works for it, it is not idle."""
    session = Session()
    await session.say(b"CREATE t\nFOLLOW t 0\n")
    session.time.advance(10_000)
    await session.broker.put(T0, b"one")
    assert await session.hear() == b"OK\nMESSAGE 0 3 one\n"[3:]
    session = Session()
    await session.say(b"CREATE t\n")
    session.broker.held = True
    await session.say(b"PRODUCE t a\n")
    session.time.advance(10_000)
    session.broker.commit()
    assert await session.hear() == b"OK 0\n"


@pytest.mark.parametrize("begun", [b"WRITE t 10\n", b"WRITE t 10\n12345", b"PRODUCE t " + b"x" * 5000])
async def test_the_rest_never_comes(begun: bytes) -> None:
    """The rest of a WRITE or of a long line has 30 seconds to come; then the client is told, and let go."""
    session = Session()
    await session.say(begun)
    session.time.advance(25)
    assert await session.hear() == b""
    session.time.advance(20)
    assert (await session.hear()).startswith(b"ERR TIMEOUT the rest did not come within 30 seconds")
    assert session.transport.closed and not session.broker.logs


async def test_drop_by_drop() -> None:
    """Sending the rest byte by byte does not extend the time, sending a lot does."""
    session = Session()
    await session.say(b"WRITE t 1000000\n")
    for _ in range(40):
        session.connection.data_received(b"x")
        session.time.advance(1)
    assert session.transport.closed
    session = Session()
    await session.say(b"WRITE t 1000000\n")
    for _ in range(40):
        session.connection.data_received(b"x" * 24_000)
        session.time.advance(1)
    assert await session.say(b"x" * 40_000 + b"\n") == b"OK 0\n"


async def test_many_messages_in_a_row_are_not_slow() -> None:
    """The time counts for each message anew, although there is always one that is unfinished."""
    session = Session()
    await session.say(b"CREATE t\n")
    body = b"x" * 10_000 + b"\n"
    session.connection.data_received(b"WRITE t 10000\n")
    for _ in range(60):
        session.connection.data_received(body + b"WRITE t 10000\n")
        session.time.advance(5)
    assert (await session.hear()).count(b"OK ") == 60


async def test_typing_slowly_is_not_slow() -> None:
    """An unfinished short line may take its time: somebody is typing."""
    session = Session()
    await session.say(b"PI")
    session.time.advance(300)
    assert await session.say(b"NG\n") == b"PONG\n"


async def test_waiting_for_us_is_not_slow() -> None:
    """A client that cannot send the rest because nothing is read from it has the time again when it is."""
    session = Session()
    session.broker.creating = asyncio.Event()
    session.connection.data_received(b"PRODUCE t a\nWRITE t 5\nab")
    session.connection.data_received(b"c")
    await settle()
    assert not session.transport.reading
    session.time.advance(1000)
    session.broker.creating.set()
    assert await session.hear() == b"OK 0\n"
    assert await session.say(b"de\n") == b"OK 5\n"
    session.transport.room = 100
    await session.say(b"HELP\nWRITE t 5\nab")
    await session.say(b"c")
    assert not session.transport.reading
    session.time.advance(50)
    session.transport.read()
    session.time.advance(6)
    assert await session.say(b"de\n") == b"OK 14\n"


async def test_unavailable_goes_on() -> None:
    """After an append of unknown outcome the connection answers the next ones: stopping is the server's matter."""
    session = Session()
    await session.say(b"CREATE t\n")
    session.broker.failure = Unavailable("the disk failed; the broker is stopping")
    assert await session.say(LINE) == b"ERR UNAVAILABLE the disk failed; the broker is stopping\n"
    assert await session.say(b"PING\n") == b"PONG\n"


async def test_a_silent_client_holds_no_messages() -> None:
    """What a connection has decoded is let go when its client falls silent."""
    session = Session()
    session.broker.add_topic("t")
    await session.broker.put(T0, b"one", b"two")
    await session.say(b"CONSUME t 0\n")
    await session.say(b"CONSUME t 7\n")
    assert session.broker.reads == 1
    session.time.advance(11)
    assert await session.say(b"CONSUME t 7\n") == b"MESSAGE 7 3 two\n"
    assert session.broker.reads == 2


def test_limits_follow_the_settings() -> None:
    """The limits of a connection are the broker's settings."""
    limits = ConnectionLimits.of(Config(connection_queue_size_bytes=70_000, write_body_timeout_ms=2000))
    assert limits.queue_size_max_bytes == 70_000
    assert limits.look_interval_s == 0.5


async def test_one_timer_a_connection() -> None:
    """However much is asked, a connection has one timer."""
    broker = FakeBroker()
    session = Session(broker)
    for _ in range(20):
        await session.say(b"PRODUCE t a\nCONSUME t 0\nWRITE t 1\nx\nPING\n")
    assert session.time.timer_count == 1
