"""Records, and what is to be said beside them, as the bytes that subscribers get.

    Server-Sent Events (WHATWG HTML, 9.2), in chunks of HTTP/1.1:      id: 41
                                                                       data: {"partition": 0, "offset": 41, ...}

    WebSocket (RFC 6455), each a text frame:   {"type": "record", "position": "41", "record": {"partition": 0, ...}}

All is framed here, once, so that the same bytes go to each subscriber as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Protocol

import msgspec

from logmq.protocols.http.problems import Problem
from logmq.protocols.http.stored_records import RecordAnswer

_RETRY_MS = 2000
"""After how long EventSource connects anew. A restart takes a fraction of a second."""


class EventFormat(Protocol):
    """How one kind of subscriber is spoken to."""

    name: str
    keep_alive: bytes
    """What is sent when nothing else was for a while; empty if the connection sees to it itself."""

    def begin(self, position: str) -> bytes:
        """The beginning: a client that loses the connection before the first record goes on from here."""
        ...

    def records(self, records: Sequence[RecordAnswer], around: tuple[str, str]) -> bytes:
        """Records of one partition; `around` is what their offsets have before and behind them in positions."""
        ...

    def skipped(self, count: int, position: str) -> bytes:
        """So many records were left out; all before `position` are accounted for."""
        ...

    def problem(self, problem: Problem) -> bytes:
        """Something that the subscriber must know of, as a rule before the end."""
        ...


class ServerSentEvents:
    """For EventSource."""

    name = "sse"
    keep_alive = b"3\r\n:\n\n\r\n"

    def begin(self, position: str) -> bytes:
        """An event without data only sets the id."""
        return _chunk(f"retry: {_RETRY_MS}\nid: {position}\n\n".encode())

    def records(self, records: Sequence[RecordAnswer], around: tuple[str, str]) -> bytes:
        """One event each."""
        before, behind = f"id: {around[0]}".encode(), f"{around[1]}\ndata: ".encode()
        pieces: list[bytes] = []
        for record in records:
            pieces += (before, b"%d" % record.offset, behind, _encode(record), b"\n\n")
        return _chunk(b"".join(pieces))

    def skipped(self, count: int, position: str) -> bytes:
        """An event of its own name."""
        return _chunk(f'event: skipped\nid: {position}\ndata: {{"count":{count}}}\n\n'.encode())

    def problem(self, problem: Problem) -> bytes:
        """An event of its own name."""
        return _chunk(b"event: problem\ndata: " + _encode(problem) + b"\n\n")


class SocketMessages:
    """For WebSockets."""

    name = "socket"
    keep_alive = b""  # pings do that

    def begin(self, position: str) -> bytes:
        """Where the stream begins."""
        return _frame(_encode({"type": "begin", "position": position}))

    def records(self, records: Sequence[RecordAnswer], around: tuple[str, str]) -> bytes:
        """One message each."""
        before = f'{{"type":"record","position":"{around[0]}'.encode()
        behind = f'{around[1]}","record":'.encode()
        return b"".join([_frame(b"%b%d%b%b}" % (before, record.offset, behind, _encode(record))) for record in records])

    def skipped(self, count: int, position: str) -> bytes:
        """A message of its own type."""
        return _frame(_encode({"type": "skipped", "count": count, "position": position}))

    def problem(self, problem: Problem) -> bytes:
        """A message of its own type."""
        return _frame(problem_message(problem))


def problem_message(problem: Problem, id: msgspec.Raw | None = None) -> bytes:
    """A problem as a message; `id` is that of the message that it answers."""
    about = {} if id is None else {"id": id}
    return _encode({**msgspec.to_builtins(problem), **about, "type": "problem"})


_encode = msgspec.json.Encoder().encode


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_TEXT_FRAME = 0x81
_MEDIUM, _LARGE = struct.Struct(">BBH"), struct.Struct(">BBQ")


def _frame(data: bytes) -> bytes:
    """A whole text message of a server: neither masked nor compressed."""
    size = len(data)
    if size < 126:
        return bytes((_TEXT_FRAME, size)) + data
    if size < 1 << 16:
        return _MEDIUM.pack(_TEXT_FRAME, 126, size) + data
    return _LARGE.pack(_TEXT_FRAME, 127, size) + data


SERVER_SENT_EVENTS = ServerSentEvents()
SOCKET_MESSAGES = SocketMessages()
