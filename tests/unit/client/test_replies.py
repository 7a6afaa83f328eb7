"""The reply parser: every kind of answer, any cut of the stream, and what is no answer of a broker."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmq.client.errors import ProtocolViolation
from logmq.client.replies import (
    LINE_SIZE_MAX,
    CommittedOffset,
    End,
    EndOfLog,
    Failure,
    Goodbye,
    GroupOffset,
    GroupSummary,
    MemberLine,
    Message,
    Ok,
    PartitionSummary,
    Pong,
    ReadsLine,
    Reply,
    ReplyParser,
    SettingValue,
    TopicSummary,
)

ANSWERS: list[tuple[bytes, list[Reply]]] = [
    (b"OK 42\n", [Ok(42)]),
    (b"OK\n", [Ok(None)]),
    (b"OK\r\n", [Ok(None)]),
    (b"OK 1\nOK 2\nOK 3\n", [Ok(1), Ok(2), Ok(3)]),
    (b"OK 1\nERR TOO_LARGE OK 5\nOK 2\n", [Ok(1), Failure("TOO_LARGE", "OK 5"), Ok(2)]),
    (b"MESSAGE 0 6 item-1\n", [Message(0, b"item-1")]),
    (b"MESSAGE 0 0 \n", [Message(0, b"")]),
    (b"MESSAGE 9 5 a\nb\n\n\n", [Message(9, b"a\nb\n\n")]),
    (b"MESSAGE 9 7  OK 1\n \n", [Message(9, b" OK 1\n ")]),
    (b"MESSAGE 1 1 a\nMESSAGE 6 1 b\nEND 11\n", [Message(1, b"a"), Message(6, b"b"), End(11)]),
    (b"EOF\n", [EndOfLog()]),
    (b"ERR UNKNOWN_TOPIC there is none\n", [Failure("UNKNOWN_TOPIC", "there is none")]),
    (b"ERR \xff\n", [Failure("\ufffd", "")]),
    (b"OFFSET 3\nNONE\n", [CommittedOffset(3), CommittedOffset(None)]),
    (b"PONG\nBYE\n", [Pong(), Goodbye()]),
    (b"TOPIC t 3 plain\nEND 1\n", [TopicSummary("t", 3, "plain"), End(1)]),
    (b"TOPIC t 3 batch more to come\n", [TopicSummary("t", 3, "batch")]),
    (b"SETTING retention.ms none default\n", [SettingValue("retention.ms", "none", "default")]),
    (b"PARTITION 2 10 900 890 3\n", [PartitionSummary(2, 10, 900, 890, 3)]),
    (b"GROUP Stable 1 a b\n", [GroupSummary("a b", "Stable", 1)]),
    (b"MEMBER 10.0.0.7 app app-1 x\nREADS t/2\n", [MemberLine("app-1 x", "app", "10.0.0.7"), ReadsLine("t", 2)]),
    (b"OFFSET t/2 5 7 2\n", [GroupOffset("t", 2, 5, 7, 2)]),
]


@pytest.mark.parametrize(("data", "replies"), ANSWERS)
def test_each_answer_is_understood_whole_and_byte_by_byte(data: bytes, replies: list[Reply]) -> None:
    """Every kind of answer parses to its value, in one chunk or in many."""
    assert ReplyParser().feed(data) == replies
    parser = ReplyParser()
    assert [reply for i in range(len(data)) for reply in parser.feed(data[i : i + 1])] == replies


@given(st.lists(st.sampled_from(ANSWERS), max_size=20), st.data())
def test_any_cut_of_a_stream_gives_the_same_replies(
    answers: list[tuple[bytes, list[Reply]]], data: st.DataObject
) -> None:
    """The network may cut the stream anywhere."""
    stream = b"".join(each for each, _ in answers)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    parser = ReplyParser()
    replies: list[Reply] = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        replies += parser.feed(stream[start:stop])
    assert replies == [reply for _, each in answers for reply in each]


@given(st.lists(st.binary(max_size=64), max_size=20), st.integers(1, 50))
def test_payloads_of_any_bytes_come_back(payloads: list[bytes], size: int) -> None:
    """A payload is cut out by its length, whatever it holds."""
    stream = b"".join(b"MESSAGE %d %d %b\n" % (i, len(each), each) for i, each in enumerate(payloads))
    parser = ReplyParser()
    replies = [reply for i in range(0, len(stream), size) for reply in parser.feed(stream[i : i + size])]
    assert replies == [Message(i, each) for i, each in enumerate(payloads)]


@given(st.binary(max_size=200))
def test_random_bytes_are_replies_or_a_violation(data: bytes) -> None:
    """No input raises anything but ProtocolViolation."""
    with suppress(ProtocolViolation):
        ReplyParser().feed(data)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"OK x\n",
        b"ERR\n",
        b"END\n",
        b"TOPIC t\n",
        b"PARTITION 1 2\n",
        b"\n",
        b"MESSAGE 0 3 abcd\n",
        b"MESSAGE 0 -1 \n",
        b"MESSAGE 0 x abc\n",
        b"MESSAGE 0 99999999999 a",
        b"MESSAGE " + b"1" * 100,
        b"x" * (LINE_SIZE_MAX + 1),
    ],
)
def test_what_no_broker_says_is_a_violation(data: bytes) -> None:
    """Another protocol on the port, a wrong length or an endless line is found at once, and buffers stay bounded."""
    with pytest.raises(ProtocolViolation):
        ReplyParser().feed(data)


def test_a_large_message_is_put_together_once() -> None:
    """A message that comes in many chunks is joined when it is complete, not copied again for each chunk."""
    payload = bytes(range(256)) * 4096
    stream = b"MESSAGE 7 %d %b\n" % (len(payload), payload)
    parser = ReplyParser()
    for position in range(0, len(stream) - 1, 1000):
        assert parser.feed(stream[position : min(position + 1000, len(stream) - 1)]) == []
    assert len(parser._pieces) > 1000
    assert parser.feed(b"\n") == [Message(7, payload)]
    assert parser._pieces == []
