"""Where records go: Kafka's hash, and turns."""

from __future__ import annotations

import random

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2

from logmq.protocols.http import partitioner
from logmq.protocols.http.partitioner import Choice, Partitioner, murmur2


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_kafkas(key: bytes, signed: int) -> None:
    """The values that Kafka's own tests expect of it."""
    assert murmur2(key) == signed & 0xFFFFFFFF


def test_keys_of_all_lengths_hash_as_in_aiokafka() -> None:
    """Lengths that fill the last word and those that do not, bytes of all values."""
    source = random.Random(4)
    for size in range(70):
        key = source.randbytes(size)
        assert murmur2(key) == aiokafka_murmur2(key) & 0xFFFFFFFF, key


def test_a_key_stays_where_it_is() -> None:
    """The partition is the hash without its sign, modulo their number."""
    assert [Partitioner().of_key(b"foobar", count) for count in (1, 2, 7, 100)] == [
        (-790332482 & 0x7FFFFFFF) % count for count in (1, 2, 7, 100)
    ]


def test_topics_take_turns_of_their_own() -> None:
    """Requests to another topic do not disturb the order; one request's records stay together."""
    chooser = Partitioner()
    seen = []
    for _ in range(4):
        choice = Choice(chooser, "a", 3)
        seen.append((choice.of(None), choice.of(None)))
        Choice(chooser, "b", 2).of(None)
    assert seen == [(0, 0), (1, 1), (2, 2), (0, 0)]


def test_turns_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The topic that was used longest ago begins anew."""
    monkeypatch.setattr(partitioner, "HTTP_TURNS_KEPT_MAX", 2)
    chooser = Partitioner()
    assert [chooser.next_turn(topic, 5) for topic in "abacab"] == [0, 0, 1, 0, 2, 0]
