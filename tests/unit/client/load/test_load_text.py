from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmq.client.load.text import STAMP_SIZE, TextConsume, TextFollow, TextProduce, payload
from logmq.client.load.wire import ERROR_KINDS_MAX, Exchange, WrongServer, count_error

CONSUME = TextConsume("t", 4, 0, 24, 8)


def test_produce_lines_are_what_the_protocol_wants() -> None:
    """Requests are whole PRODUCE lines, as many as asked for, each with a payload of the size asked for."""
    exchange = TextProduce("t", 5).connect(0, depth=3)
    assert bytes(exchange.requests(2, 0)) == b"PRODUCE t abcde\nPRODUCE t abcde\n"
    assert bytes(exchange.requests(3, 0)).count(b"\n") == 3


def test_a_payload_of_any_size_has_that_size() -> None:
    """Sizes from nothing to more than the alphabet come out exactly, without newline."""
    for size in (0, 1, 36, 37, 100, 5000):
        assert len(payload(size)) == size
        assert b"\n" not in payload(size)


def test_consume_goes_through_the_log_and_begins_again() -> None:
    """Offsets go up by frame and wrap at the end."""
    exchange = CONSUME.connect(0, 10)
    assert bytes(exchange.requests(2, 0)) == b"CONSUME t 0\nCONSUME t 8\n"
    assert bytes(exchange.requests(4, 0)) == b"CONSUME t 16\nCONSUME t 0\nCONSUME t 8\nCONSUME t 16\n"


def test_consume_of_many_steps_by_batches() -> None:
    """With a count the next request starts where the last one ended, and a short last batch is asked for too."""
    exchange = CONSUME.by(2).connect(0, 10)
    assert bytes(exchange.requests(3, 0)) == b"CONSUME t 0 2\nCONSUME t 16 2\nCONSUME t 0 2\n"


def test_a_batch_is_one_answer_and_many_messages() -> None:
    """Latency is per request, throughput per message."""
    exchange = CONSUME.by(2).connect(0, 10)
    assert exchange.receive(b"MESSAGE 0 4 abcd\nMESSAGE 8 4 abcd\nEND 16\nMESSAGE 16 4 ab") == 1
    assert exchange.message_count == 2
    assert exchange.receive(b"cd\nEND 24\nERR X y\n") == 2
    assert exchange.message_count == 3
    assert exchange.errors == {"ERR X y": 1}


ANSWERS: list[tuple[Callable[[], Exchange], bytes, int, int]] = [
    (lambda: TextProduce("t", 4).connect(0, 1), b"OK 0\nOK 8\nERR NO OK here\nOK 16\n", 4, 3),
    (lambda: CONSUME.connect(0, 1), b"MESSAGE 0 4 OK x\nEOF\nMESSAGE 8 4 abcd\n", 3, 2),
    (lambda: TextFollow("t", 4).connect(0, 1), b"MESSAGE 0 4 abcd\nMESSAGE 8 4 abcd\nERR GONE x\n", 3, 2),
    (lambda: CONSUME.by(2).connect(0, 1), b"MESSAGE 0 4 abcd\nMESSAGE 8 4 abcd\nEND 16\nERR GONE x\n", 2, 2),
]


@pytest.mark.parametrize(("connect", "data", "answers", "messages"), ANSWERS)
@given(cuts=st.lists(st.integers(0, 60), max_size=6))
def test_answers_are_counted_wherever_they_are_cut(
    connect: Callable[[], Exchange], data: bytes, answers: int, messages: int, cuts: list[int]
) -> None:
    """Pieces of any size give the same counts, and what is not of the good kind is an error, whatever words it has."""
    exchange = connect()
    edges = [0, *sorted(cuts), len(data)]
    counted = sum(exchange.receive(data[a:b]) for a, b in pairwise(edges) if b > a)
    assert counted == answers
    assert exchange.message_count == messages
    assert exchange.errors.total() == 1


def test_stamps_say_when_first_and_last_message_were_sent() -> None:
    """A follower reads the stamps that a producer wrote, also across cuts."""
    producer = TextProduce("t", STAMP_SIZE + 5, stamped=True).connect(0, 8)
    first, last = bytes(producer.requests(1, 1234)), bytes(producer.requests(2, 999_999_999_999))
    lines = b"".join(
        b"MESSAGE 0 %d %s\n" % (STAMP_SIZE + 5, line.removeprefix(b"PRODUCE t "))
        for line in (first + last).splitlines()
    )
    follower = TextFollow("t", STAMP_SIZE + 5, stamped=True).connect(0, 1)
    assert follower.receive(lines[:20]) == 0
    assert follower.sent_range_ns is None
    assert follower.receive(lines[20:-3]) == 2
    assert follower.sent_range_ns == (1234, 999_999_999_999)
    assert follower.receive(lines[-3:]) == 1
    assert follower.sent_range_ns == (999_999_999_999, 999_999_999_999)


def test_the_opening_is_a_ping_that_an_old_broker_may_refuse() -> None:
    """PONG opens, an error opens as well, half an answer does not, and another protocol is named as such."""
    exchange = TextProduce("t", 4).connect(0, 1)
    assert exchange.opening == b"PING\n"
    assert not exchange.opened(b"")
    assert not exchange.opened(b"PON")
    assert exchange.opened(b"PONG\n")
    assert exchange.opened(b"ERR UNKNOWN_COMMAND PING\n")
    with pytest.raises(WrongServer, match="HTTP"):
        exchange.opened(b"HTTP/1.1 400 Bad Request\r\n")


def test_errors_are_bounded() -> None:
    """A server with ever new words for its refusals does not fill memory, and none goes uncounted."""
    exchange = TextProduce("t", 4).connect(0, 1)
    for number in range(1000):
        count_error(exchange.errors, f"ERR {number} " + "x" * 1000)
    assert exchange.errors.total() == 1000
    assert len(exchange.errors) == ERROR_KINDS_MAX + 1
    assert max(map(len, exchange.errors)) <= 200
