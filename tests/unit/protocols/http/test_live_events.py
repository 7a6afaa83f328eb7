"""Events as bytes: framed once for all, whatever is in them."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.unit.protocols.http.live_session import events_of, unchunked
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from logmq.protocols.http.live.events import SERVER_SENT_EVENTS, SOCKET_MESSAGES, problem_message
from logmq.protocols.http.problems import InvalidInput, problem_of
from logmq.protocols.http.stored_records import RecordAnswer, answer_of
from logmq.records.records import Record

NASTY = 'a\nid: 7\n\ndata: x\r\n\u2028"\\\x00'


def record(offset: int, value: bytes = b"v", values: str = "text") -> RecordAnswer:
    return answer_of(1, Record(offset, 5, b"k", value, (("h", b"\xff"),)), "json" if values == "json" else "text")


def frames_of(data: bytes) -> list[Frame]:
    """WebSocket frames, as a client's library reads them."""
    reader, found = StreamReader(), []
    reader.feed_data(data)
    reader.feed_eof()
    while reader.buffer:
        parsing = Frame.parse(reader.read_exact, mask=False)
        try:
            next(parsing)
        except StopIteration as end:
            found.append(end.value)
    return found


def test_records_are_events_with_their_position() -> None:
    """Each has its own id, and the record as one line of JSON."""
    events = events_of(unchunked(SERVER_SENT_EVENTS.records([record(7), record(9)], ("0=1,1=", ",2=3"))))
    assert [event.id for event in events] == ["0=1,1=7,2=3", "0=1,1=9,2=3"]
    assert events[0].data == {
        "partition": 1, "offset": 7, "timestamp_ms": 5, "key": "k", "value": "v",
        "headers": [{"name": "h", "value": {"base64": "/w=="}}], "size_bytes": 4,
    }  # fmt: skip


@pytest.mark.parametrize("values", ["text", "json"])
def test_a_record_cannot_speak_as_the_stream(values: str) -> None:
    """Line ends in a value stay in it: no event can be smuggled in, be it as text or as JSON over several lines."""
    value = NASTY if values == "text" else '{\n"a": [1,\r\n\n 2]\r}'
    (event,) = events_of(unchunked(SERVER_SENT_EVENTS.records([record(1, value.encode(), values)], ("", ""))))
    assert event.id == "1"
    assert event.data["value"] == (NASTY if values == "text" else {"a": [1, 2]})


def test_the_beginning_only_sets_the_id() -> None:
    """An EventSource that loses its connection before the first record goes on from where it began."""
    begin = unchunked(SERVER_SENT_EVENTS.begin("41"))
    assert events_of(begin) == []
    assert b"\nid: 41\n" in begin
    assert events_of(begin + unchunked(SERVER_SENT_EVENTS.problem(problem_of(InvalidInput("x")))))[0].id == "41"


def test_what_else_is_said_has_a_name() -> None:
    """Skipped records, problems, and a comment against silence."""
    (skipped,) = events_of(unchunked(SERVER_SENT_EVENTS.skipped(3, "9")))
    assert skipped == ("9", "skipped", {"count": 3})
    (problem,) = events_of(unchunked(SERVER_SENT_EVENTS.problem(problem_of(InvalidInput("no", "x")))))
    assert (problem.name, problem.data["code"], problem.data["field"]) == ("problem", "INVALID_INPUT", "x")
    assert unchunked(SERVER_SENT_EVENTS.keep_alive) == b":\n\n"


@pytest.mark.parametrize("size", [0, 10, 60_000, 70_000])
def test_websockets_get_a_text_frame_each(size: int) -> None:
    """Whatever its length, by the eyes of a client's library."""
    frames = frames_of(SOCKET_MESSAGES.records([record(7, b"x" * size), record(8)], ("", "")))
    assert [(frame.opcode, frame.fin) for frame in frames] == [(Opcode.TEXT, True)] * 2
    message = json.loads(bytes(frames[0].data))
    assert (message["type"], message["position"], message["record"]["value"]) == ("record", "7", "x" * size)


def test_an_answer_names_its_question() -> None:
    """The id of a message comes back as it was written, be it no number at all."""
    answer = json.loads(problem_message(problem_of(InvalidInput("no")), msgspec.Raw(b'{"a": 1}')))
    assert (answer["type"], answer["id"], answer["code"]) == ("problem", {"a": 1}, "INVALID_INPUT")
    assert "id" not in json.loads(problem_message(problem_of(InvalidInput("no"))))
