"""The parser: chunks cut anywhere, lines of any length, bytes of any kind."""

from __future__ import annotations

import gc
import random
import time
import tracemalloc
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from logmq.errors import LogMQError
from logmq.limits import COMMAND_LINE_SIZE_MAX
from logmq.model import TopicPartition
from logmq.protocols.text.commands import parse_line
from logmq.protocols.text.parser import Parser
from logmq.protocols.text.requests import Blank, Consume, Invalid, Ping, Produce, Request

MESSAGE_SIZE_MAX = 50
"""Small, so that lines that are too long are easily found; `COMMAND_LINE_SIZE_MAX` is room on top."""


def parser(message_size_max: int = MESSAGE_SIZE_MAX) -> Parser:
    return Parser(lambda _topic: message_size_max)


def take(parsing: Parser) -> list[Request]:
    """All requests that are whole."""
    requests = []
    while (request := parsing.next_request()) is not None:
        requests.append(request)
    return requests


def flat(requests: Iterable[Request]) -> list[object]:
    """The same requests, one for each line, so that runs of any length compare."""
    lines: list[object] = []
    for request in requests:
        if isinstance(request, Produce):
            rest = [iter(payloads) for payloads in request.payloads]
            order = [0] * len(request.payloads[0]) if request.order is None else request.order
            lines += [("PRODUCE", request.partitions[slot], next(rest[slot])) for slot in order]
            assert not any(list(each) for each in rest)
            assert len(set(request.partitions)) == len(request.partitions)
        elif isinstance(request, Consume):
            lines += [("CONSUME", request.partition, offset) for offset in request.offsets]
        elif isinstance(request, Invalid):
            lines.append((type(request.error), str(request.error)))
        else:
            lines.append(request)
    return lines


def parse_whole(data: bytes) -> list[object]:
    parsing = parser()
    parsing.feed(data)
    return flat(take(parsing))


def parse_pieces(data: bytes, cuts: Iterable[int]) -> list[object]:
    parsing = parser()
    requests: list[Request] = []
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, stop in pairwise(bounds):
        parsing.feed(data[start:stop])
        requests += take(parsing)
    return flat(requests)


_TOPICS = st.sampled_from([b"t", b"u", b"t/0", b"t/1", b"longer.topic-name_1", b"../x", b"", b"t/x", b"t\x00"])
_PAYLOADS = st.binary(max_size=60) | st.sampled_from([b"", b"\r", b"a", b"PRODUCE t x"])
_NEWLINES = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n"])
_OFFSETS = st.sampled_from(
    [b"0", b"17", b"1234567890123456789", b"99999999999999999999", b"-1", b"earliest", b"x", b""]
)
_LONG = st.sampled_from([COMMAND_LINE_SIZE_MAX - 20, COMMAND_LINE_SIZE_MAX + 1, 4200, 9000]).map(
    lambda size: b"x" * size
)


def _join(*parts: object) -> st.SearchStrategy[bytes]:
    return st.tuples(*[part if isinstance(part, st.SearchStrategy) else st.just(part) for part in parts]).map(b"".join)


_COMMANDS = st.sampled_from([b"PRODUCE ", b"PRODUCE ", b"produce ", b"PRODUCE  ", b"PRODUCE"])
_LINES = st.one_of(
    _join(_COMMANDS, _TOPICS, b" ", _PAYLOADS, _NEWLINES),
    _join(_COMMANDS, _TOPICS, b" ", _LONG, _NEWLINES),
    _join(_COMMANDS, _LONG, b" x", _NEWLINES),
    _join(b"CONSUME ", _TOPICS, b" ", _OFFSETS, _NEWLINES),
    _join(b"CONSUME ", _TOPICS, b" ", _OFFSETS, b" 10", _NEWLINES),
    st.binary(max_size=60).flatmap(
        lambda body: _join(b"WRITE ", _TOPICS, b" %d" % len(body), _NEWLINES, body, _NEWLINES)
    ),
    _join(b"WRITE t ", st.sampled_from([b"5", b"x", b"51", b"4000", b"0"]), _NEWLINES, st.binary(max_size=8), b"\n"),
    st.sampled_from([b"PING\n", b"ping\r\n", b"\n", b"\r\n", b"TOPICS\n", b"FOLLOW t 0\n", b"WHAT is this\n", b" \n"]),
    _join(st.binary(max_size=30), _NEWLINES),
    _join(_LONG, _NEWLINES),
)
_RUNS = st.tuples(_LINES, st.sampled_from([1, 1, 1, 2, 3, 12, 40])).map(lambda run: run[0] * run[1])
_INPUTS = st.lists(_RUNS, max_size=12).map(b"".join)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=_INPUTS, cuts=st.lists(st.integers(0, 100_000), max_size=20))
@example(data=b"WRITE t 2\r\nhi\r\nPING\n", cuts=[11, 12, 13, 14, 15])
@example(data=b"PRODUCE t " + b"x" * 4200 + b"\nPING\n", cuts=[4146, 4147])
@example(data=b"PRODUCE t a\n" * 40 + b"PRODUCE t " + b"x" * 4200 + b"\n" + b"PRODUCE t a\n" * 40, cuts=[480])
def test_chunks_make_no_difference(data: bytes, cuts: list[int]) -> None:
    """However the input is cut into chunks, the same requests come out."""
    assert parse_pieces(data, cuts) == parse_whole(data)


@settings(max_examples=40, deadline=None)
@given(data=_INPUTS.map(lambda data: data[:6000]))
def test_byte_by_byte(data: bytes) -> None:
    """The smallest chunks give the same requests, too."""
    assert parse_pieces(data, range(len(data))) == parse_whole(data)


def by_grammar(line: bytes) -> object:
    """A line without newline as the grammar alone has it."""
    line = line.removesuffix(b"\r")
    if not line.strip():
        return Blank()
    try:
        parsed = parse_line(line)
    except LogMQError as error:
        return type(error), str(error)
    assert not isinstance(parsed, str)
    return flat([parsed])[0]  # type: ignore[list-item]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(
                _join(_COMMANDS, _TOPICS, b" ", _PAYLOADS.map(lambda payload: payload.replace(b"\n", b""))),
                _join(b"CONSUME ", _TOPICS, b" ", _OFFSETS),
                st.integers(0, 2**63 - 1).map(lambda offset: b"CONSUME t %d" % offset),
                st.sampled_from([b"PING", b"PRODUCE t", b"CONSUME t", b"", b"CONSUME t 1 2"]),
            ),
            st.sampled_from([1, 1, 2, 9, 30]),
        ).map(lambda run: [run[0]] * run[1]),
        max_size=15,
    )
)
def test_bulk_equals_line_by_line(runs: list[list[bytes]]) -> None:
    """Runs that are taken apart in one go give what the grammar says of each of their lines."""
    lines = [line for run in runs for line in run]
    parsing = parser(100)
    parsing.feed(b"".join(line + b"\n" for line in lines))
    assert flat(take(parsing)) == [by_grammar(line) for line in lines]


@settings(max_examples=300, deadline=None)
@given(chunks=st.lists(st.binary(max_size=300), max_size=30))
def test_random_bytes(chunks: list[bytes]) -> None:
    """No input raises anything, and what is kept of it is bounded."""
    parsing = parser()
    for chunk in chunks:
        parsing.feed(chunk)
        take(parsing)
        assert parsing.pending_size <= COMMAND_LINE_SIZE_MAX + MESSAGE_SIZE_MAX + 300
    parsing.end()


@pytest.mark.parametrize("rounds", [100, pytest.param(20_000, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
def test_random_bytes_at_length(rounds: int) -> None:
    """The same with megabytes of bytes that resemble commands: nothing raises, memory stays flat."""
    seed = 20240601 + rounds
    print("seed", seed)
    rng = random.Random(seed)
    words = [b"PRODUCE ", b"CONSUME ", b"WRITE ", b"t ", b"u/1 ", b"\n", b"\n", b"\r\n", b"12", b" ", b"x" * 50, b"\0"]
    parsing = parser()
    for _ in range(rounds):
        chunk = b"".join(rng.choices(words, k=rng.randrange(1, 3000)))
        parsing.feed(chunk)
        while parsing.next_request() is not None:
            pass
        assert parsing.pending_size <= COMMAND_LINE_SIZE_MAX + MESSAGE_SIZE_MAX + len(chunk)


def test_a_run_is_one_request() -> None:
    """Lines of one topic become one request; so do lines of several topics, whatever their order."""
    parsing = parser()
    parsing.feed(b"PRODUCE t a\n" * 100)
    assert take(parsing) == [Produce([TopicPartition("t", 0)], [[b"a"] * 100], None, 1200)]
    parsing.feed(b"PRODUCE t a\nPRODUCE u/2 b\n" * 50)
    (request,) = take(parsing)
    assert request == Produce(
        [TopicPartition("t", 0), TopicPartition("u", 2)], [[b"a"] * 50, [b"b"] * 50], [0, 1] * 50, 1300
    )
    parsing.feed(b"CONSUME t 1\nCONSUME t 2\nCONSUME u 3\n")
    assert take(parsing) == [
        Consume(TopicPartition("t", 0), [1, 2]),
        Consume(TopicPartition("u", 0), [3]),
    ]


def test_order_within_a_partition() -> None:
    """Several spellings of one partition are one: its messages keep their order."""
    parsing = parser()
    parsing.feed(b"PRODUCE t a\nPRODUCE t/0 b\nproduce t c\n")
    assert take(parsing) == [Produce([TopicPartition("t", 0)], [[b"a", b"b", b"c"]], None, 38)]


def test_requests_come_one_by_one() -> None:
    """What was not asked for yet stays bytes, and more bytes can come before it is."""
    parsing = parser()
    parsing.feed(b"PING\nPING\nPI")
    assert parsing.next_request() == Ping()
    assert parsing.has_input
    parsing.feed(b"NG\n")
    assert take(parsing) == [Ping(), Ping()]
    assert not parsing.has_input


@pytest.mark.parametrize(
    ("head", "size"),
    [(b"PRODUCE t ", 3 << 20), (b"WHAT ", 3 << 20), (b"PRODUCE " + b"t" * 300, 3 << 20), (b"", 3 << 20)],
)
def test_a_line_too_long_is_not_kept(head: bytes, size: int) -> None:
    """A line that is too long is refused once, as soon as that is known, and skipped without being stored."""
    parsing = parser()
    parsing.feed(head)
    requests: list[Request] = []
    tracemalloc.start()
    for _ in range(size // 65536):
        parsing.feed(b"x" * 65536)
        requests += take(parsing)
        assert parsing.pending_size == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(requests) == 1 and isinstance(requests[0], Invalid)
    assert peak < 500_000
    parsing.feed(b"\nPING\n")
    assert take(parsing) == [Ping()]


def test_a_body_too_long_is_not_kept() -> None:
    """The bytes of a WRITE that is refused are skipped exactly, without being stored."""
    parsing = parser()
    parsing.feed(b"WRITE t 3000000\r\n")
    (refusal,) = take(parsing)
    assert isinstance(refusal, Invalid)
    for _ in range(3):
        parsing.feed(b"PING\n" * 200_000)
        assert take(parsing) == [] and parsing.pending_size == 0
    parsing.feed(b"\nPING\n")
    assert take(parsing) == [Ping()]


def test_a_huge_length_is_only_counted() -> None:
    """A WRITE may announce what no memory holds."""
    parsing = parser(1 << 40)
    parsing.feed(b"WRITE t 1000000000000\nabc")
    assert take(parsing) == [] and parsing.awaits_body
    assert parsing.pending_size == 3


def test_long_names_are_not_remembered() -> None:
    """Prefixes are kept parsed for all connections; what is too long to be one is not."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(40):
        for command in (b"PRODUCE", b"CONSUME"):
            parsing = parser(1 << 20)
            parsing.feed(b"%b %d%b x\n" % (command, number, b"x" * 50_000))
            assert isinstance(parsing.next_request(), Invalid)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 200_000


def test_limits_are_exact() -> None:
    """A message of exactly the limit's size is for the topic to judge, a line of the limit plus the room is read."""
    longest = COMMAND_LINE_SIZE_MAX + MESSAGE_SIZE_MAX
    for size, fits in ((longest, True), (longest + 1, False)):
        line = b"PRODUCE t " + b"x" * (size - 10)
        for chunks in ([line + b"\n"], [line, b"\n"], [line[:4097], line[4097:] + b"\n"]):
            parsing = parser()
            requests = []
            for chunk in chunks:
                parsing.feed(chunk)
                requests += take(parsing)
            assert [isinstance(request, Produce) for request in requests] == [fits]
    for size, fits in ((COMMAND_LINE_SIZE_MAX, True), (COMMAND_LINE_SIZE_MAX + 1, False)):
        parsing = parser()
        parsing.feed(b"CREATE t a=" + b"x" * (size - 11) + b"\n")
        assert [isinstance(request, Invalid) for request in take(parsing)] == [not fits]


ATTACKS = {
    "alternating topics": b"PRODUCE t x\nPRODUCE u x\n",
    "runs just too short to be runs": b"PRODUCE t x\n" * 5 + b"PRODUCE u x\n",
    "runs cut by another command": b"PRODUCE t x\n" * 20 + b"PING\n",
    "consume runs with a spoiler": b"CONSUME t 1\n" * 10 + b"CONSUME t x\n",
    "consume with a count": b"CONSUME t 1 1\n",
    "alternating consumes": b"CONSUME t 1\nCONSUME u 1\n",
    "bodies": b"WRITE t 1\nx\n",
    "nothing": b"\n",
    "errors": b"x\n",
    "produce and ping": b"PRODUCE t x\nPING\n",
    "produce and no space": b"PRODUCE\n",
    "many topics": b"".join(b"PRODUCE topic%d x\n" % number for number in range(6000)),
    "many short runs": b"".join(b"PRODUCE topic%d x\n" % number * 6 for number in range(1000)),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_time_grows_with_the_input_only(name: str) -> None:
    """No pattern of lines makes the time grow faster than the input: 12 times as much takes less than 12 squared."""

    def measure(size: int) -> float:
        data = (ATTACKS[name] * (size // len(ATTACKS[name]) + 1))[:size]

        def run() -> None:
            parsing = parser(1 << 20)
            parsing.feed(b"PRODUCE t x\n" * 5000)  # now it expects long runs
            assert parsing.next_request() is not None
            parsing.feed(data)
            while parsing.next_request() is not None:
                pass

        return cpu_seconds(run)

    assert measure(12 * 10_000) < 60 * max(measure(10_000), 0.0005)


def cpu_seconds(run: Callable[[], object]) -> float:
    """What it costs this process, without what other processes and the garbage of other tests cost."""
    gc.collect()
    gc.disable()
    try:
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            run()
            best = min(best, time.process_time() - started)
        return best
    finally:
        gc.enable()


def test_small_pieces_of_a_large_line() -> None:
    """A large message in small chunks is not gone through again with each of them."""

    def run(count: int) -> None:
        parsing = parser(4 << 20)
        parsing.feed(b"PRODUCE t ")
        for _ in range(count):
            parsing.feed(b"x" * 50)
            assert parsing.next_request() is None
        parsing.feed(b"\n")
        (request,) = take(parsing)
        assert isinstance(request, Produce) and len(request.payloads[0][0]) == 50 * count

    assert cpu_seconds(lambda: run(30_000)) < 60 * max(cpu_seconds(lambda: run(2_500)), 0.0005)
