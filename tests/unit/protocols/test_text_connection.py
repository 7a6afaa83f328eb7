"""Conversations with the text protocol, byte for byte."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.protocols.fake_broker import FakeBroker
from tests.unit.protocols.text_session import LIMITS, Session, settle

from logmq.config import Config
from logmq.errors import Damaged, DiskFull, Throttled, Unavailable
from logmq.model import TopicPartition
from logmq.protocols.text.answers import error_line
from logmq.protocols.text.connection import TextConnection

T0 = TopicPartition("t", 0)


# -- the specification -------------------------------------------------------------------------------------------------


async def test_specification_produce_consume() -> None:
    """PRODUCE item-1 is answered OK 0 and stored as the frame that the specification shows; CONSUME gives it back."""
    session = Session()
    assert await session.say(b"PRODUCE items item-1\n") == b"OK 0\n"
    assert await session.say(b"PRODUCE items hello-world\n") == b"OK 10\n"
    stored = bytes(session.broker.logs[TopicPartition("items", 0)].data)
    assert stored[10:] == b"\x00\x00\x00\x0bhello-world"
    assert await session.say(b"CONSUME items 0\n") == b"MESSAGE 0 6 item-1\n"
    assert await session.say(b"CONSUME items 10\n") == b"MESSAGE 10 11 hello-world\n"
    assert await session.say(b"CONSUME items 25\n") == b"EOF\n"


async def test_specification_anything_else() -> None:
    """Anything else is answered with ERR, a code and a reason, and the connection stays usable."""
    session = Session()
    assert (await session.say(b"FETCH x\n")).startswith(b"ERR UNKNOWN_COMMAND ")
    assert await session.say(b"PING\n") == b"PONG\n"


async def test_carriage_return() -> None:
    """One carriage return before the newline is dropped, any other is part of the message."""
    session = Session()
    assert await session.say(b"PRODUCE t a\r\n") == b"OK 0\n"
    assert await session.say(b"PRODUCE t b\r\r\n") == b"OK 5\n"
    assert await session.say(b"CONSUME t 0\r\nCONSUME t 5\r\n") == b"MESSAGE 0 1 a\nMESSAGE 5 2 b\r\n"


async def test_verbatim_payload() -> None:
    """The payload is the rest of the line as it is: spaces, bytes that are no UTF-8, NUL, even nothing."""
    session = Session()
    for payload in (b"  two  spaces ", b"\xff\xfe\x00\x80", b"", b"PRODUCE t x"):
        offset = (await session.say(b"PRODUCE t " + payload + b"\n")).split()[1]
        expected = b"MESSAGE %b %d %b\n" % (offset, len(payload), payload)
        assert await session.say(b"CONSUME t " + offset + b"\n") == expected


def sessions(count: int) -> list[Session]:
    """Clients of one broker."""
    broker = FakeBroker()
    return [Session(broker) for _ in range(count)]


# -- every command -----------------------------------------------------------------------------------------------------

CONVERSATIONS = {
    "the first message at or after an offset": [
        (b"PRODUCE t one\nPRODUCE t two\n", b"OK 0\nOK 7\n"),
        (b"CONSUME t 1\n", b"MESSAGE 7 3 two\n"),
        (b"CONSUME t 8\n", b"EOF\n"),
        (b"CONSUME t 9223372036854775807\n", b"EOF\n"),
    ],
    "edges": [
        (b"PRODUCE t one\nPRODUCE t two\n", b"OK 0\nOK 7\n"),
        (b"CONSUME t earliest\n", b"MESSAGE 0 3 one\n"),
        (b"CONSUME t LATEST\n", b"EOF\n"),
        (b"CONSUME t earliest 5\n", b"MESSAGE 0 3 one\nMESSAGE 7 3 two\nEND 14\n"),
    ],
    "a count": [
        (b"PRODUCE t one\nPRODUCE t two\nPRODUCE t three\n", b"OK 0\nOK 7\nOK 14\n"),
        (b"CONSUME t 0 2\n", b"MESSAGE 0 3 one\nMESSAGE 7 3 two\nEND 14\n"),
        (b"CONSUME t 14 2\n", b"MESSAGE 14 5 three\nEND 23\n"),
        (b"CONSUME t 0 0\n", b"END 0\n"),
        (b"CONSUME t 99 2\n", b"END 99\n"),
        (b"CONSUME t 1 1\n", b"MESSAGE 7 3 two\nEND 14\n"),
    ],
    "WRITE takes any bytes": [
        (b"WRITE t 5\na\nb\r\n\n", b"OK 0\n"),
        (b"WRITE t/0 0\n\n", b"OK 9\n"),
        (b"write t 2\r\nhi\r\n", b"OK 13\n"),
        (b"CONSUME t 0 9\n", b"MESSAGE 0 5 a\nb\r\n\nMESSAGE 9 0 \nMESSAGE 13 2 hi\nEND 19\n"),
    ],
    "topics": [
        (b"TOPICS\n", b"END 0\n"),
        (b"CREATE b 3 retention.ms=7d\n", b"OK\n"),
        (b"CREATE a\n", b"OK\n"),
        (b"TOPICS\n", b"TOPIC a 1 plain\nTOPIC b 3 plain\nEND 2\n"),
        (b"PRODUCE b/2 x\n", b"OK 0\n"),
        (
            b"DESCRIBE b\n",
            b"TOPIC b 3 plain\n"
            b"SETTING retention.ms 604800000 topic\n"
            b"SETTING retention.bytes none default\n"
            b"SETTING segment.bytes 1073741824 default\n"
            b"SETTING max.message.bytes 1048576 default\n"
            b"SETTING message.timestamp.type CreateTime default\n"
            b"SETTING cleanup.policy delete default\n"
            b"PARTITION 0 0 0 0 1\nPARTITION 1 0 0 0 1\nPARTITION 2 0 5 5 1\n"
            b"END 3\n",
        ),
        (b"ALTER b partitions=4 retention.ms=default\n", b"OK\n"),
        (b"PRODUCE b/3 x\n", b"OK 0\n"),
        (b"DROP b\n", b"OK\n"),
        (b"TOPICS\n", b"TOPIC a 1 plain\nEND 1\n"),
    ],
    "committed offsets": [
        (b"CREATE t 2\n", b"OK\n"),
        (b"COMMITTED g t/1\n", b"NONE\n"),
        (b"COMMIT g t/1 42\n", b"OK\n"),
        (b"COMMITTED g t/1\n", b"OFFSET 42\n"),
        (b"COMMITTED g t\n", b"NONE\n"),
    ],
    "any letter case": [
        (b"produce T a\nProduce t b\npInG\n", b"OK 0\nOK 0\nPONG\n"),
        (b"consume T 0\n", b"MESSAGE 0 1 a\n"),
    ],
    "empty lines mean nothing": [
        (b"\n\r\n  \nPING\n\n", b"PONG\n"),
        (b"PRODUCE t a\n\nPRODUCE t b\n", b"OK 0\nOK 5\n"),
    ],
    "goodbye": [(b"QUIT\nPING\n", b"BYE\n")],
}


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_conversation(name: str) -> None:
    """Each command is answered as the page on the text protocol says."""
    session = Session()
    for said, heard in CONVERSATIONS[name]:
        assert await session.say(said) == heard


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_conversation_cold(name: str) -> None:
    """The same when no read can be answered without waiting."""
    session = Session()
    session.broker.cold = True
    for said, heard in CONVERSATIONS[name]:
        assert await session.say(said) == heard


async def test_help() -> None:
    """HELP answers a line for each command with an example, and END."""
    lines = (await Session().say(b"HELP\n")).decode().splitlines()
    assert lines[-1] == "END"
    assert all(line.startswith("HELP ") and line.count(" | ") == 2 for line in lines[:-1])
    assert "HELP PING | asks whether the broker is there | PING" in lines


async def test_quit_closes() -> None:
    """QUIT closes the connection and tells the server; what comes behind it is not looked at."""
    session = Session()
    assert await session.say(b"PING\n" * 255 + b"QUIT\nPING\n" + b"PING\n" * 500) == b"PONG\n" * 255 + b"BYE\n"
    assert session.transport.closed
    assert session.lost == [session.connection]
    assert session.time.timer_count == 0


# -- what is wrong -----------------------------------------------------------------------------------------------------

MISTAKES: list[tuple[bytes, bytes]] = [
    (b"FLY\n", b"UNKNOWN_COMMAND"),
    (b"\x00\xff\n", b"UNKNOWN_COMMAND"),
    (b" PING\n", b"UNKNOWN_COMMAND"),
    (b"PRODUCEt x\n", b"UNKNOWN_COMMAND"),
    (b"PRODUCE\n", b"MISSING_ARGUMENT"),
    (b"PRODUCE \n", b"MISSING_ARGUMENT"),
    (b"PRODUCE t\n", b"MISSING_ARGUMENT"),
    (b"PRODUCE t\r\n", b"MISSING_ARGUMENT"),
    (b"PRODUCE  t x\n", b"BAD_TOPIC"),
    (b"PRODUCE ../x y\n", b"BAD_TOPIC"),
    (b"PRODUCE .. y\n", b"BAD_TOPIC"),
    (b"PRODUCE t\x00 y\n", b"BAD_TOPIC"),
    (b"PRODUCE t\xff y\n", b"BAD_TOPIC"),
    (b"PRODUCE " + b"t" * 300 + b" y\n", b"BAD_TOPIC"),
    (b"PRODUCE t/ y\n", b"BAD_PARTITION"),
    (b"PRODUCE t/-1 y\n", b"BAD_PARTITION"),
    (b"PRODUCE t/x y\n", b"BAD_PARTITION"),
    (b"PRODUCE t/10000 y\n", b"BAD_PARTITION"),
    (b"PRODUCE t/" + b"9" * 100 + b" y\n", b"BAD_PARTITION"),
    (b"PRODUCE t/7 y\n", b"UNKNOWN_PARTITION"),
    (b"PRODUCE __mine y\n", b"INTERNAL_TOPIC"),
    (b"CONSUME\n", b"MISSING_ARGUMENT"),
    (b"CONSUME t\n", b"MISSING_ARGUMENT"),
    (b"CONSUME t \n", b"MISSING_ARGUMENT"),
    (b"CONSUME t x\n", b"BAD_OFFSET"),
    (b"CONSUME t -1\n", b"BAD_OFFSET"),
    (b"CONSUME t +1\n", b"BAD_OFFSET"),
    (b"CONSUME t 1_0\n", b"BAD_OFFSET"),
    (b"CONSUME t 1.5\n", b"BAD_OFFSET"),
    (b"CONSUME t \xd9\xa1\n", b"BAD_OFFSET"),
    (b"CONSUME t 9223372036854775808\n", b"BAD_OFFSET"),
    (b"CONSUME t " + b"9" * 400 + b"\n", b"BAD_OFFSET"),
    (b"CONSUME t 0 x\n", b"BAD_COUNT"),
    (b"CONSUME t 0 -1\n", b"BAD_COUNT"),
    (b"CONSUME t 0 1000001\n", b"BAD_COUNT"),
    (b"CONSUME t 0 1 2\n", b"UNEXPECTED_ARGUMENT"),
    (b"CONSUME nowhere 0\n", b"UNKNOWN_TOPIC"),
    (b"CONSUME nowhere earliest\n", b"UNKNOWN_TOPIC"),
    (b"CONSUME nowhere 0 1\n", b"UNKNOWN_TOPIC"),
    (b"CONSUME t/7 0\n", b"UNKNOWN_PARTITION"),
    (b"CONSUME old 0\n", b"OUT_OF_RANGE"),
    (b"CONSUME old 0 1\n", b"OUT_OF_RANGE"),
    (b"FOLLOW nowhere 0\n", b"UNKNOWN_TOPIC"),
    (b"FOLLOW old 0\n", b"OUT_OF_RANGE"),
    (b"FOLLOW t\n", b"MISSING_ARGUMENT"),
    (b"FOLLOW t 0 1\n", b"UNEXPECTED_ARGUMENT"),
    (b"WRITE t\n", b"MISSING_ARGUMENT"),
    (b"WRITE t x\n", b"BAD_LENGTH"),
    (b"WRITE t -1\n", b"BAD_LENGTH"),
    (b"WRITE t 5\nhelloworld\n", b"MISSING_NEWLINE"),
    (b"WRITE t 3\nhello\n", b"MISSING_NEWLINE"),
    (b"WRITE t 3\nabc\rd\n", b"MISSING_NEWLINE"),
    (b"WRITE ../x 6\nQUIT\n\n\n", b"BAD_TOPIC"),
    (b"WRITE t/7 1\nx\n", b"UNKNOWN_PARTITION"),
    (b"CREATE\n", b"MISSING_ARGUMENT"),
    (b"CREATE t\n", b"TOPIC_EXISTS"),
    (b"CREATE ../x\n", b"BAD_TOPIC"),
    (b"CREATE t/1\n", b"BAD_TOPIC"),
    (b"CREATE __mine\n", b"INTERNAL_TOPIC"),
    (b"CREATE new 0\n", b"BAD_PARTITION_COUNT"),
    (b"CREATE new 99999\n", b"BAD_PARTITION_COUNT"),
    (b"CREATE new many\n", b"BAD_COUNT"),
    (b"CREATE new 1 2\n", b"BAD_SETTING"),
    (b"CREATE new =x\n", b"BAD_SETTING"),
    (b"CREATE new colour=red\n", b"BAD_SETTING"),
    (b"CREATE new retention.ms=soon\n", b"BAD_SETTING"),
    (b"CREATE new retention.ms=1 retention.ms=2\n", b"BAD_SETTING"),
    (b"ALTER t\n", b"MISSING_ARGUMENT"),
    (b"ALTER nowhere retention.ms=1\n", b"UNKNOWN_TOPIC"),
    (b"ALTER t partitions=x\n", b"BAD_COUNT"),
    (b"ALTER t partitions=0\n", b"BAD_PARTITION_COUNT"),
    (b"TOPICS all\n", b"UNEXPECTED_ARGUMENT"),
    (b"DESCRIBE\n", b"MISSING_ARGUMENT"),
    (b"DESCRIBE nowhere\n", b"UNKNOWN_TOPIC"),
    (b"DROP nowhere\n", b"UNKNOWN_TOPIC"),
    (b"DROP __offsets\n", b"INTERNAL_TOPIC"),
    (b"COMMIT g t\n", b"MISSING_ARGUMENT"),
    (b"COMMIT g t -1\n", b"BAD_OFFSET"),
    (b"COMMIT g t latest\n", b"BAD_OFFSET"),
    (b"COMMIT g nowhere 1\n", b"UNKNOWN_TOPIC"),
    (b"COMMIT " + b"g" * 250 + b" t 1\n", b"BAD_GROUP"),
    (b"COMMIT g\x00 t 1\n", b"BAD_GROUP"),
    (b"COMMIT g\xff t 1\n", b"BAD_GROUP"),
    (b"COMMITTED g nowhere\n", b"UNKNOWN_TOPIC"),
    (b"PING me\n", b"UNEXPECTED_ARGUMENT"),
    (b"PING" + b"x" * 5000 + b"\n", b"LINE_TOO_LONG"),
    (b"CONSUME t " + b"0" * 5000 + b"\n", b"LINE_TOO_LONG"),
    (b"PRODUCE t " + b"x" * 1_048_577 + b"\n", b"MESSAGE_TOO_LARGE"),
    (b"PRODUCE t " + b"x" * 1_100_000 + b"\n", b"MESSAGE_TOO_LARGE"),
    (b"WRITE t 1048577\n" + b"x" * 1_048_577 + b"\n", b"MESSAGE_TOO_LARGE"),
    (b"PRODUCE " + b"x" * 1_100_000 + b" y\n", b"BAD_TOPIC"),
]


async def _session_with_topics() -> Session:
    broker = FakeBroker()
    broker.add_topic("t")
    broker.add_topic("__offsets")
    broker.add_topic("old")
    await broker.put(TopicPartition("old", 0), b"one", b"two")
    broker.logs[TopicPartition("old", 0)].log_start_offset = 7
    return Session(broker)


@pytest.mark.parametrize(("line", "code"), MISTAKES, ids=[repr(line[:30]) for line, _ in MISTAKES])
async def test_mistake(line: bytes, code: bytes) -> None:
    """Each mistake gets exactly one ERR line with its code, stores nothing, and the connection stays usable."""
    session = await _session_with_topics()
    answer = await session.say(line + b"PING\n")
    first, rest = answer.split(b"\n", 1)
    assert first.startswith(b"ERR " + code + b" ")
    assert len(first) < 600
    assert rest == b"PONG\n"
    assert not session.broker.logs[T0].data


async def test_out_of_range_names_the_range() -> None:
    """An offset before the log start is answered with the offsets that can be read."""
    session = await _session_with_topics()
    answer = await session.say(b"CONSUME old 3\n")
    assert answer == b"ERR OUT_OF_RANGE offset 3 is no longer kept: offsets 7 to 14 can be read\n"
    assert await session.say(b"CONSUME old earliest\n") == b"MESSAGE 7 3 two\n"


async def test_reason_is_one_line() -> None:
    """Whatever a client sends, an error stays one line of bounded length."""
    session = Session()
    answer = await session.say(b"CREATE new " + b"\x0b\x0c=\xe2\x80\xa8" + b"y" * 3000 + b"\n")
    assert answer.count(b"\n") == 1 and b"\r" not in answer and len(answer) < 600


async def test_errors_of_the_broker_while_appending() -> None:
    """What becomes of an append is answered for each of its lines, and later ones are tried again."""
    session = Session()
    await session.say(b"CREATE t\n")
    for error in (DiskFull("/data"), Throttled("too much"), Unavailable("the disk failed; the broker is stopping")):
        session.broker.failure = error
        assert await session.say(b"PRODUCE t a\nPRODUCE t b\n") == 2 * error_line(error)
    session.broker.failure = None
    assert await session.say(b"PRODUCE t c\n") == b"OK 0\n"


async def test_damage() -> None:
    """A damaged record is an error for its line; the next one is served."""
    session = Session()
    await session.say(b"PRODUCE t one\nPRODUCE t two\n")
    session.broker.damaged[0] = error = Damaged("t/0", 0, 7)
    assert await session.say(b"CONSUME t 0\nCONSUME t 7\n") == error_line(error) + b"MESSAGE 7 3 two\n"
    assert await session.say(b"CONSUME t 0 5\n") == error_line(error)


async def test_unexpected_failure(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in the broker is an ERR INTERNAL and a line in the log, not the end of the connection."""
    session = Session()

    async def fail(*_args: object, **_settings: object) -> None:
        raise ZeroDivisionError

    session.broker.create_topic = fail  # type: ignore[assignment]
    assert (await session.say(b"CREATE t\nPING\n")).startswith(b"ERR INTERNAL ")
    assert "ZeroDivisionError" in caplog.text


# -- producing ---------------------------------------------------------------------------------------------------------


async def test_mixed_topics_are_one_append() -> None:
    """PRODUCE lines of several topics go to the broker in one call, and are answered in the order of the lines."""
    session = Session()
    await session.say(b"CREATE a\nCREATE b 2\n")
    said = b"PRODUCE a 1\nPRODUCE b/1 22\nPRODUCE a/0 333\nproduce b/1 4\nPRODUCE a 5\n"
    assert await session.say(said) == b"OK 0\nOK 0\nOK 5\nOK 6\nOK 12\n"
    assert session.broker.calls == [2]
    assert bytes(session.broker.logs[TopicPartition("a", 0)].data) == b"\0\0\0\x011\0\0\0\x03333\0\0\0\x015"


async def test_bad_lines_between_good_ones() -> None:
    """Of lines for several partitions only those that cannot be stored are refused."""
    session = await _session_with_topics()
    said = b"PRODUCE t a\nPRODUCE t/3 b\nPRODUCE __offsets c\nPRODUCE t d\n"
    answers = (await session.say(said)).splitlines()
    assert [line.split()[:2] for line in answers] == [
        [b"OK", b"0"],
        [b"ERR", b"UNKNOWN_PARTITION"],
        [b"ERR", b"INTERNAL_TOPIC"],
        [b"OK", b"5"],
    ]


async def test_topic_limit() -> None:
    """A topic's own max.message.bytes holds, below and above what is usual, in runs and alone."""
    session = Session()
    await session.say(b"CREATE small max.message.bytes=3\nCREATE large max.message.bytes=3MiB\n")
    answers = await session.say(b"PRODUCE small abc\nPRODUCE small abcd\nPRODUCE small ab\n")
    assert [line.split()[1] for line in answers.splitlines()] == [b"0", b"MESSAGE_TOO_LARGE", b"7"]
    answers = await session.say(b"PRODUCE small abcd\nPRODUCE small abcde\n")
    assert [line.split()[1] for line in answers.splitlines()] == [b"MESSAGE_TOO_LARGE"] * 2
    assert (await session.say(b"WRITE small 4\nabcd\n")).startswith(b"ERR MESSAGE_TOO_LARGE")
    message = b"x" * (2 << 20)
    assert await session.say(b"PRODUCE large " + message + b"\n") == b"OK 0\n"
    for piece in (b"WRITE large %d\n" % len(message), message[:1000], message[1000:]):
        assert await session.say(piece) == b""
    assert await session.say(b"\n") == b"OK %d\n" % (4 + len(message))


async def test_first_message_creates_the_topic() -> None:
    """Runs for topics that do not exist wait for them, in order, while a second client does the same."""
    broker = FakeBroker()
    broker.creating = asyncio.Event()
    one, two = Session(broker), Session(broker)
    assert await one.say(b"PRODUCE new a\nPRODUCE newer b\nPING\n") == b""
    assert await two.say(b"WRITE new 1\nc\nPRODUCE new d\n") == b""
    broker.creating.set()
    assert await one.hear() == b"OK 0\nOK 0\nPONG\n"
    assert await two.hear() == b"OK 5\nOK 10\n"


async def test_topics_are_not_made_when_not_wanted() -> None:
    """Without auto_create_topics a PRODUCE to an unknown topic is refused."""
    session = Session(FakeBroker(Config(auto_create_topics=False)))
    answers = await session.say(b"PRODUCE new a\nPRODUCE new b\nPING\n")
    assert [line.split()[1] for line in answers.splitlines()[:2]] == [b"UNKNOWN_TOPIC"] * 2
    assert answers.endswith(b"PONG\n")


async def test_a_client_reads_its_own_writes() -> None:
    """Appends overlap, but whatever comes behind them waits until they are answered."""
    session = Session()
    await session.say(b"CREATE t\n")
    session.broker.held = True
    assert await session.say(b"PRODUCE t a\n") == b""
    assert await session.say(b"PRODUCE t b\n") == b""
    assert session.broker.calls == [1, 1]
    assert await session.say(b"CONSUME t 5\nWHAT\nPRODUCE t c\n") == b""
    assert session.broker.commit(1) == 1
    assert await session.hear() == b"OK 0\n"
    session.broker.commit()
    answers = (await session.hear()).splitlines()
    assert answers[:2] == [b"OK 5", b"MESSAGE 5 1 b"] and answers[2].startswith(b"ERR UNKNOWN_COMMAND")
    session.broker.commit()
    assert await session.hear() == b"OK 10\n"


async def test_answers_in_order_whatever_completes_first() -> None:
    """An append that fails at once does not overtake those before it."""
    session = Session()
    await session.say(b"CREATE t\n")
    session.broker.held = True
    await session.say(b"PRODUCE t a\n")
    session.broker.held, session.broker.failure = False, Throttled("too much")
    assert await session.say(b"PRODUCE t b\n") == b""
    assert await session.say(b"PRODUCE t/9 c\n") == b""
    session.broker.failure = None
    session.broker.commit()
    assert [line.split()[0] for line in (await session.hear()).splitlines()] == [b"OK", b"ERR", b"ERR"]


async def test_answers_of_one_commit_are_one_write() -> None:
    """Answers that become known together travel together: a write costs more than many of them."""
    session = Session()
    await session.say(b"CREATE t\n")
    session.broker.held = True
    for _ in range(10):
        await session.say(b"PRODUCE t a\n")
    before = session.transport.write_count
    session.broker.commit()
    assert (await session.hear()).count(b"OK ") == 10
    assert session.transport.write_count == before + 1


# -- reading -----------------------------------------------------------------------------------------------------------


async def test_pipelined_consume_is_bulk() -> None:
    """Lines for successive offsets are answered from one read."""
    session = Session()
    session.broker.add_topic("t")
    payloads = [b"m%d" % number for number in range(1000)]
    await session.broker.put(T0, *payloads)
    offsets = session.broker.logs[T0].starts
    said = b"".join(b"CONSUME t %d\n" % offset for offset in offsets)
    expected = b"".join(
        b"MESSAGE %d %d %b\n" % (offset, len(payload), payload)
        for offset, payload in zip(offsets, payloads, strict=True)
    )
    assert await session.say(said) == expected
    assert session.broker.reads == 1
    assert await session.say(said) == expected
    assert session.broker.reads == 1


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    asked=st.lists(st.integers(0, 70), min_size=1, max_size=80),
    jitter=st.booleans(),
    cold=st.booleans(),
)
def test_pipelined_consume_equals_single(sizes: list[int], asked: list[int], jitter: bool, cold: bool) -> None:
    """Whatever offsets a run of CONSUME lines asks for, it is answered like the same lines one by one."""

    async def compare() -> None:
        broker = FakeBroker()
        broker.add_topic("t")
        await broker.put(T0, *[b"x" * size for size in sizes])
        broker.cold = cold
        starts = [*broker.logs[T0].starts, len(broker.logs[T0].data)]
        offsets = [starts[each % len(starts)] + (each % 3 if jitter else 0) for each in asked]
        lines = [b"CONSUME t %d\n" % offset for offset in offsets]
        singles = [await Session(broker).say(line) for line in lines]
        session = Session(broker)
        answers = await session.say(b"".join(lines))
        while more := await session.hear():
            answers += more
        assert answers == b"".join(singles)

    asyncio.run(compare())


async def test_cursor_never_shows_a_dropped_topic() -> None:
    """Messages that a connection holds decoded are gone with their topic, also when it is made anew."""
    session = Session()
    await session.say(b"PRODUCE t old\n")
    assert await session.say(b"CONSUME t 0\n") == b"MESSAGE 0 3 old\n"
    await session.say(b"DROP t\n")
    assert (await session.say(b"CONSUME t 0\n")).startswith(b"ERR UNKNOWN_TOPIC")
    await session.say(b"PRODUCE t new\n")
    assert await session.say(b"CONSUME t 0\n") == b"MESSAGE 0 3 new\n"


async def test_cursor_never_shows_what_was_trimmed() -> None:
    """Messages that a connection holds decoded are gone when the log no longer begins before them."""
    session = Session()
    await session.say(b"PRODUCE t one\nPRODUCE t two\n")
    assert await session.say(b"CONSUME t 0\n") == b"MESSAGE 0 3 one\n"
    session.broker.logs[T0].log_start_offset = 7
    assert (await session.say(b"CONSUME t 0\n")).startswith(b"ERR OUT_OF_RANGE")
    assert await session.say(b"CONSUME t 7\n") == b"MESSAGE 7 3 two\n"


async def test_cursor_sees_what_comes_later() -> None:
    """A message behind the decoded ones is found as soon as it is there."""
    session = Session()
    await session.say(b"PRODUCE t one\n")
    assert await session.say(b"CONSUME t 0\nCONSUME t 7\n") == b"MESSAGE 0 3 one\nEOF\n"
    await session.say(b"PRODUCE t two\n")
    assert await session.say(b"CONSUME t 7\n") == b"MESSAGE 7 3 two\n"
    assert await session.say(b"CONSUME t 1\n") == b"MESSAGE 7 3 two\n"


@pytest.mark.parametrize("cold", [False, True])
async def test_long_count(cold: bool) -> None:
    """A count larger than a chunk is streamed chunk by chunk, and ends where it says."""
    session = Session()
    session.broker.add_topic("t")
    await session.broker.put(T0, *[b"x" * 1000] * 2000)
    session.broker.cold = cold
    answer = await session.say(b"CONSUME t 0 1500\n")
    assert answer.count(b"MESSAGE ") == 1500
    assert answer.endswith(b"x\nEND %d\n" % (1500 * 1004))
    assert await session.say(b"PING\n") == b"PONG\n"


# -- FOLLOW ------------------------------------------------------------------------------------------------------------


async def test_follow() -> None:
    """FOLLOW sends what is there and then what comes; an empty line ends it, and the next command is answered."""
    session = Session()
    await session.say(b"PRODUCE t one\n")
    assert await session.say(b"FOLLOW t earliest\n") == b"MESSAGE 0 3 one\n"
    await session.broker.put(T0, b"two")
    assert await session.hear() == b"MESSAGE 7 3 two\n"
    assert await session.say(b"\n") == b"END 14\n"
    assert await session.say(b"PING\n") == b"PONG\n"


async def test_follow_latest() -> None:
    """FOLLOW latest sends only what comes."""
    session = Session()
    await session.say(b"PRODUCE t one\n")
    assert await session.say(b"FOLLOW t latest\n") == b""
    await session.broker.put(T0, b"two")
    assert await session.hear() == b"MESSAGE 7 3 two\n"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"PING\n", b"PONG\n"),
        (b"PRODUCE t two\n", b"OK 7\n"),
        (b"QUIT\n", b"BYE\n"),
        (b"WRITE t 2\nhi\n", b"OK 7\n"),
        (b"\r\n", b""),
    ],
)
async def test_follow_ends_with_a_command(line: bytes, answer: bytes) -> None:
    """The line that ends a FOLLOW is executed, wherever it is cut."""
    for cut in range(len(line)):
        session = Session()
        await session.say(b"PRODUCE t one\n")
        assert await session.say(b"FOLLOW t 0\n") == b"MESSAGE 0 3 one\n"
        heard = await session.say(line[:cut]) if cut else b""
        assert heard + await session.say(line[cut:]) == b"END 7\n" + answer


async def test_follow_of_a_topic_that_is_dropped() -> None:
    """A FOLLOW ends with an error when its topic goes."""
    session, other = sessions(2)
    await other.say(b"PRODUCE t one\n")
    assert await session.say(b"FOLLOW t 0\n") == b"MESSAGE 0 3 one\n"
    await other.say(b"DROP t\n")
    assert (await session.hear()).startswith(b"ERR UNKNOWN_TOPIC")
    assert await session.say(b"\nPING\n") == b"PONG\n"


async def test_follow_of_a_topic_that_is_replaced() -> None:
    """A FOLLOW does not go on in another topic of the same name, whose offsets mean something else."""
    session, other = sessions(2)
    await other.say(b"CREATE t\n")
    await other.broker.put(T0, *[b"x" * 1000] * 1000)
    session.transport.room = 1000
    assert (await session.say(b"FOLLOW t 0\n")).startswith(b"MESSAGE 0 1000 xxx")
    await other.say(b"DROP t\nCREATE t\n")
    await other.broker.put(T0, *[b"y" * 1000] * 1000)
    session.transport.read()
    assert (await session.hear()).startswith(b"ERR UNKNOWN_TOPIC topic 't' was dropped")


# -- the end of a connection -------------------------------------------------------------------------------------------


async def test_eof_answers_everything() -> None:
    """A client that closes its side (nc < file) gets the answers to all it sent, then the connection closes."""
    session = Session()
    await session.say(b"CREATE t\n")
    session.broker.held = True
    session.connection.data_received(b"PRODUCE t a\nPRODUCE t b\nPING\n")
    assert session.connection.eof_received() is True
    assert await session.hear() == b"" and not session.transport.closed
    session.broker.commit()
    assert await session.hear() == b"OK 0\nOK 5\nPONG\n"
    assert session.transport.closed


@pytest.mark.parametrize("rest", [b"PRODUCE t half", b"WRITE t 10\nhalf", b"WRITE t 4\nhalf", b"P"])
async def test_eof_in_the_middle(rest: bytes) -> None:
    """What was not sent whole is not executed; the client is told before the connection closes."""
    session = Session()
    await session.say(b"CREATE t\n")
    session.connection.data_received(rest)
    session.connection.eof_received()
    assert (await session.hear()).startswith(b"ERR UNFINISHED_LINE ")
    assert session.transport.closed and not session.broker.logs[T0].data


async def test_eof_lets_follow_finish() -> None:
    """A FOLLOW whose client closed its side sends what is there and ends."""
    session = Session()
    await session.say(b"PRODUCE t one\nPRODUCE t two\n")
    session.connection.data_received(b"FOLLOW t 0\n")
    session.connection.eof_received()
    assert await session.hear() == b"MESSAGE 0 3 one\nMESSAGE 7 3 two\nEND 14\n"
    assert session.transport.closed
    session = Session(session.broker)
    assert await session.say(b"FOLLOW t 14\n") == b""
    session.connection.eof_received()
    assert await session.hear() == b"END 14\n"
    assert session.transport.closed


async def test_lost_in_the_middle() -> None:
    """A connection that breaks in the middle leaves nothing running and does not execute what it had not begun."""
    session = Session()
    await session.say(b"CREATE t\n")
    session.broker.held = True
    await session.say(b"PRODUCE t a\nDROP t\n")
    session.connection.connection_lost(ConnectionResetError())
    session.broker.commit()
    await settle()
    assert session.broker.topic("t") and bytes(session.broker.logs[T0].data) == b"\0\0\0\x01a"
    assert session.lost == [session.connection] and session.time.timer_count == 0


LOST_DURING: list[Callable[[Session], object]] = [
    lambda session: session.connection.data_received(b"FOLLOW t latest\n"),
    lambda session: session.connection.data_received(b"CONSUME t 0 100000\n"),
]


@pytest.mark.parametrize("number", range(len(LOST_DURING)))
async def test_lost_while_reading(number: int) -> None:
    """A reading ends with its connection."""
    session = Session()
    await session.say(b"CREATE t\n")
    await session.broker.put(T0, *[b"x" * 1000] * 3000)
    session.transport.room = 10_000
    LOST_DURING[number](session)
    await settle()
    session.transport.written.clear()
    session.connection.connection_lost(None)
    await settle()
    assert session.connection._task is None
    assert not session.transport.written


async def test_drain_finishes_what_was_begun() -> None:
    """Draining answers appends that are on their way, takes nothing more, and closes."""
    session = Session()
    await session.say(b"CREATE t\n")
    session.broker.held = True
    await session.say(b"PRODUCE t a\nPING\n")
    drained = asyncio.create_task(session.connection.drain())
    await settle()
    session.connection.data_received(b"PRODUCE t b\n")
    assert not drained.done()
    session.broker.commit()
    assert await session.hear() == b"OK 0\n"
    await drained
    assert session.transport.closed and session.lost


async def test_drain_idle_and_following() -> None:
    """Draining closes an idle connection at once, and ends a FOLLOW with END."""
    session = Session()
    await session.connection.drain()
    assert session.transport.closed
    await session.connection.drain()
    session = Session()
    await session.say(b"CREATE t\n")
    await session.say(b"FOLLOW t 0\n")
    await session.connection.drain()
    assert await session.hear() == b"END 0\n"


async def test_a_connection_is_small() -> None:
    """An idle connection holds under 10 KB, so that 1,000 of them stay far below 20 MB."""
    broker = FakeBroker()
    loop, session = asyncio.get_running_loop(), Session(broker)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    connections = [TextConnection(broker.face, LIMITS, loop=loop, clock=session.time) for _ in range(100)]
    for connection in connections:
        connection.connection_made(session.transport)
    size = (tracemalloc.get_traced_memory()[0] - before) / len(connections)
    tracemalloc.stop()
    for connection in connections:
        connection.connection_lost(None)
    assert size < 10_000, size
