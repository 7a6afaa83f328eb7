"""Request bytes: the grammar of the text protocol, and that nothing can break out of its line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmq.client import requests
from logmq.errors import InvalidGroupName, InvalidPartitionCount, InvalidSetting, InvalidTopicName


@pytest.mark.parametrize(
    ("request_bytes", "line"),
    [
        (requests.produce("t", 0, [b"x"]), b"PRODUCE t x\n"),
        (requests.produce("t", 3, [b"x y "]), b"PRODUCE t/3 x y \n"),
        (requests.produce("t", 0, [b""]), b"PRODUCE t \n"),
        (requests.produce("t", 0, [b"a", b"b"]), b"PRODUCE t a\nPRODUCE t b\n"),
        (requests.produce("t", 0, []), b""),
        (requests.produce("t", 1, [b"a\nb"]), b"WRITE t/1 3\na\nb\n"),
        (requests.produce("t", 0, [b"a\r"]), b"WRITE t 2\na\r\n"),
        (requests.produce("t", 0, [b"a", b"\n", b"c\rd"]), b"PRODUCE t a\nWRITE t 1\n\n\nPRODUCE t c\rd\n"),
        (requests.consume("t", 0, 5), b"CONSUME t 5\n"),
        (requests.consume("t", 2, "earliest", 10), b"CONSUME t/2 earliest 10\n"),
        (requests.follow("t", 0, "latest"), b"FOLLOW t latest\n"),
        (requests.create("t", None, {}), b"CREATE t\n"),
        (requests.create("t", 3, {"retention.ms": "7d"}), b"CREATE t 3 retention.ms=7d\n"),
        (requests.alter("t", 4, {"segment.bytes": 1024}), b"ALTER t partitions=4 segment.bytes=1024\n"),
        (requests.alter("t", None, {"retention.ms": "default"}), b"ALTER t retention.ms=default\n"),
        (requests.describe("t"), b"DESCRIBE t\n"),
        (requests.drop("t"), b"DROP t\n"),
        (requests.commit("g", "t", 1, 7), b"COMMIT g t/1 7\n"),
        (requests.committed("g", "t", 0), b"COMMITTED g t\n"),
    ],
)
def test_a_request_is_one_line_of_the_grammar(request_bytes: bytes, line: bytes) -> None:
    """Each command is written as docs/text-protocol.md says; what a line cannot hold travels as WRITE."""
    assert request_bytes == line


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: requests.produce("a b", 0, [b"x"]), InvalidTopicName),
        (lambda: requests.drop("t\nDROP u"), InvalidTopicName),
        (lambda: requests.create("", None, {}), InvalidTopicName),
        (lambda: requests.consume("t", -1, 0), ValueError),
        (lambda: requests.consume("t", 0, "0\nDROP t"), ValueError),
        (lambda: requests.create("t", 0, {}), InvalidPartitionCount),
        (lambda: requests.create("t", None, {"a": "b c"}), InvalidSetting),
        (lambda: requests.create("t", None, {"a=b": "c"}), InvalidSetting),
        (lambda: requests.alter("t", None, {"a\n": "c"}), InvalidSetting),
        (lambda: requests.commit("g h", "t", 0, 0), InvalidGroupName),
        (lambda: requests.committed("", "t", 0), InvalidGroupName),
        (lambda: requests.committed("g" * 250, "t", 0), InvalidGroupName),
    ],
)
def test_what_would_break_out_of_its_line_is_refused(make: Callable[[], bytes], error: type[Exception]) -> None:
    """Names and values with spaces or newlines never reach the wire."""
    with pytest.raises(error):
        make()


@given(st.lists(st.binary(max_size=20), max_size=50), st.integers(1, 40), st.integers(1, 10))
def test_batches_keep_every_payload_in_order(payloads: list[bytes], size_max: int, count_max: int) -> None:
    """Batches put together are the payloads; none is empty, none but by its last payload above its size."""
    batches = list(requests.batches(payloads, size_max, count_max))
    assert [payload for batch in batches for payload in batch] == payloads
    for batch in batches:
        assert 1 <= len(batch) <= count_max
        assert sum(map(len, batch[:-1])) < size_max
