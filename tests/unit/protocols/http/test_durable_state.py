"""Durable streams: what headers say, offsets and cursors, and how producers are judged. No broker."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from logmq.protocols.http.durable import headers
from logmq.protocols.http.durable.content import joined, messages_of
from logmq.protocols.http.durable.offsets import next_cursor, offset_text, parse_offset
from logmq.protocols.http.durable.state import Producer, Row, Stream, Verdict, judge
from logmq.protocols.http.problems import InvalidInput


def test_offsets_are_in_the_order_of_their_texts() -> None:
    """As long as any log can grow."""
    offsets = [0, 1, 9, 10, 99, 12_345, 10**15, 10**16 - 1]
    texts = [offset_text(offset) for offset in offsets]
    assert sorted(texts) == texts
    assert [parse_offset(text) for text in texts] == offsets


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "now", "0000000000000001_0000000000000000", "x" * 33, "٠" * 16 + "_" + "٠" * 16]
)
def test_what_was_never_given_out_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_offset(text)


def test_cursors_never_go_back() -> None:
    """They count intervals of 20 s; one that a client sends back is passed even if no time has."""
    now_ms = 1_728_432_000_000 + 1000 * 20_000
    assert next_cursor(None, now_ms, 7) == "1000"
    assert next_cursor("900", now_ms, 7) == "1000"
    assert next_cursor("1000", now_ms, 7) == "1007"
    assert next_cursor("2000", now_ms, 7) == "2007"
    assert next_cursor("nonsense", now_ms, 7) == "1000"


@pytest.mark.parametrize(
    ("epoch", "seq", "last", "verdict"),
    [
        (0, 0, None, Verdict.NEW),
        (5, 0, None, Verdict.NEW),
        (0, 3, None, Verdict.GAP),
        (0, 1, (0, 0), Verdict.NEW),
        (0, 0, (0, 0), Verdict.DUPLICATE),
        (0, 2, (0, 0), Verdict.GAP),
        (1, 0, (0, 7), Verdict.NEW),
        (1, 1, (0, 7), Verdict.NOT_FROM_ZERO),
        (0, 8, (1, 0), Verdict.STALE_EPOCH),
    ],
)
def test_a_producer_is_judged_by_epoch_and_number(
    epoch: int, seq: int, last: tuple[int, int] | None, verdict: Verdict
) -> None:
    """PROTOCOL.md, 5.2.1."""
    assert judge(Producer("p", epoch, seq), last) is verdict


@pytest.mark.parametrize("text", ["01", "+1", "1.0", "1e3", "-1", " 1", "", "٣", str(2**53)])
def test_numbers_are_written_plainly(text: str) -> None:
    with pytest.raises(InvalidInput):
        headers.number(text, "Stream-TTL")


@pytest.mark.parametrize(
    "given", [{"producer-id": "p"}, {"producer-id": "", "producer-epoch": "0", "producer-seq": "0"}]
)
def test_half_a_producer_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        headers.producer_of(Headers(given))


@pytest.mark.parametrize(
    "text", ["2026-01-31", "2026-13-01T00:00:00Z", "tomorrow", "2026-01-31T00:00:00", "1769817600"]
)
def test_moments_are_rfc_3339(text: str) -> None:
    with pytest.raises(InvalidInput):
        headers.expiry_of(Headers({"stream-expires-at": text}))


def test_only_true_closes() -> None:
    """Other values are as if nothing were said."""
    assert headers.closes(Headers({"stream-closed": "TRUE"}))
    assert not any(headers.closes(Headers({"stream-closed": text})) for text in ("1", "yes", "", "false"))


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (b' {"a": 1} ', [b'{"a": 1}']),
        (b'[{"a":1}, [2, 3] ,"x"]', [b'{"a":1}', b"[2, 3]", b'"x"']),
        (b"[[1,2],[3,4]]", [b"[1,2]", b"[3,4]"]),
        (b"[]", []),
        (b"null", [b"null"]),
    ],
)
def test_one_level_of_an_array_is_taken_apart(body: bytes, messages: list[bytes]) -> None:
    """PROTOCOL.md, 9.1.2. Messages stay as they were written."""
    assert messages_of(body) == messages


@pytest.mark.parametrize("body", [b"{", b"1 2", b"[1,]", b'"\xff"', b"\xef\xbb\xbf1", b"[" * 100_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        messages_of(body)


def test_what_other_protocols_stored_is_json_all_the_same() -> None:
    """A reader of a JSON stream always gets an array with one element a record."""
    stream = Stream(Row("s", 1, "application/json"), 0)
    values = [b'{"a":1}', b"plain words", None, b"\xff", b"1,2", b"]["]
    assert joined(stream, values) == b'[{"a":1},"plain words",null,"\xef\xbf\xbd","1,2","]["]'
    assert joined(stream, []) == b"[]"


def test_idle_time_counts_while_nobody_reads() -> None:
    """A fixed moment does not wait for readers."""
    stream = Stream(Row("s", 1, ttl_s=10), touched_ms=1000)
    assert not stream.is_expired(10_999)
    assert stream.is_expired(11_000)
    stream.readers = 1
    assert not stream.is_expired(99_000)
    stream.row = Row("s", 1, expires_ms=50_000)
    assert not stream.is_expired(49_999)
    assert stream.is_expired(50_000)
