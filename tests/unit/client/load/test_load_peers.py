from __future__ import annotations

from itertools import pairwise

import pytest
from bench.peers.jetstream import JetStreamPublish
from bench.peers.resp import RedisAdd, RedisRead, command
from hypothesis import given
from hypothesis import strategies as st

from logmq.client.load.wire import Exchange, WrongServer

CUTS = st.lists(st.integers(0, 300), max_size=8)
ENTRY = b"*2\r\n$15\r\n1690000000000-%d\r\n*2\r\n$1\r\nv\r\n$4\r\nabcd\r\n"
READ = b"*1\r\n*2\r\n$5\r\nbench\r\n*2\r\n" + ENTRY % 7 + ENTRY % 8


def feed(exchange: Exchange, data: bytes, cuts: list[int]) -> int:
    """Give it `data` in pieces; how many answers it counted."""
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return sum(exchange.receive(data[a:b]) for a, b in pairwise(edges) if b > a)


@given(CUTS)
def test_redis_acknowledgements_are_counted_wherever_they_are_cut(cuts: list[int]) -> None:
    """Each id is an answer and a message, an error only an answer."""
    exchange = RedisAdd("bench", 4).connect(0, 1)
    data = b"$15\r\n1690000000000-0\r\n" * 3 + b"-OOM command not allowed\r\n" + b"$15\r\n1690000000000-3\r\n"
    assert feed(exchange, data, cuts) == 5
    assert exchange.message_count == 4
    assert exchange.errors == {"-OOM command not allowed": 1}


@given(CUTS)
def test_redis_reads_are_whole_with_their_last_entry(cuts: list[int]) -> None:
    """The next request begins behind the last id, the empty answer leads back to the start."""
    exchange = RedisRead("bench", 4, 2).connect(0, 1)
    assert bytes(exchange.requests(1, 0)) == command(b"XREAD", b"COUNT", b"2", b"STREAMS", b"bench", b"0")
    assert feed(exchange, READ, cuts) == 1
    assert exchange.message_count == 2
    assert bytes(exchange.requests(1, 0)).endswith(b"$15\r\n1690000000000-8\r\n")
    assert exchange.receive(b"*-1\r\n") == 1
    assert bytes(exchange.requests(1, 0)).endswith(b"$1\r\n0\r\n")


@given(CUTS)
def test_jetstream_acknowledgements_are_counted_wherever_they_are_cut(cuts: list[int]) -> None:
    """A refusal carries a sequence number too and is no message all the same."""
    exchange = JetStreamPublish("bench", 4).connect(7, 1)
    good = b'MSG _INBOX.load7 1 28\r\n{"stream":"bench", "seq":12}\r\n'
    bad = b'MSG _INBOX.load7 1 60\r\n{"error":{"code":503,"description":"full"},"stream":"bench","seq":0}\r\n'
    assert feed(exchange, good * 2 + b"PING\r\n" + bad + good, cuts) == 4
    assert exchange.message_count == 3
    assert exchange.errors.total() == 1


def test_requests_are_what_the_servers_want() -> None:
    """Both protocols count the bytes of a payload, and these counts are right."""
    assert bytes(RedisAdd("k", 3).connect(0, 2).requests(1, 0)) == (
        b"*5\r\n$4\r\nXADD\r\n$1\r\nk\r\n$1\r\n*\r\n$1\r\nv\r\n$3\r\nabc\r\n"
    )
    assert bytes(JetStreamPublish("s", 3).connect(7, 2).requests(2, 0)) == b"PUB s _INBOX.load7 3\r\nabc\r\n" * 2


def test_openings_tell_a_stranger() -> None:
    """Only the expected greeting opens an exchange."""
    redis, nats = RedisAdd("k", 3).connect(0, 1), JetStreamPublish("s", 3).connect(0, 1)
    assert redis.opened(b"+PONG\r\n")
    assert not redis.opened(b"+PO")
    with pytest.raises(WrongServer):
        redis.opened(b"-NOAUTH\r\n")
    assert not nats.opened(b'INFO {"server_id":"x"}\r\n')
    assert nats.opened(b'INFO {"server_id":"x"}\r\nPONG\r\nPING\r\n')
    with pytest.raises(WrongServer):
        nats.opened(b"INFO {}\r\n-ERR 'Authorization Violation'\r\n")
