"""Load on a broker that is about to be killed: connections driven by one loop, each noting all that it is told.

Every payload is told by three numbers (round, client, how manieth of that client in its topic), so that whoever finds
one in a file can make it again and compare it to the byte.
"""

from __future__ import annotations

import re
import selectors
import socket
from collections import Counter
from random import Random
from time import monotonic
from typing import NamedTuple, Protocol
from zlib import crc32

_RECEIVE_SIZE = 1 << 18
_IDENTITY = re.compile(rb"r(\d+) c(\d+) n(\d+) ")
_SIZES = (0, 40, 100, 100, 300, 1_000, 4_000)
"""What a payload is filled up to."""
_LARGE_SIZE = 300_000
_LARGE_ONE_IN = 800
"""Few are so large that their bytes stand in the log only and not in the journal as well (a span)."""


class Identity(NamedTuple):
    """Which message of which client in which round."""

    round: int
    client: int
    number: int


def payload_of(identity: Identity) -> bytes:
    """The bytes of a message."""
    head = b"r%d c%d n%d " % identity
    check = crc32(head)
    size = _LARGE_SIZE if check % _LARGE_ONE_IN == 0 else _SIZES[check // _LARGE_ONE_IN % len(_SIZES)]
    return head * max(1, size // len(head))


def identity_of(payload: bytes) -> Identity:
    """Which message these bytes are. Raises: AssertionError if nobody sent them."""
    match = _IDENTITY.match(payload)
    assert match is not None, f"nobody sent {payload[:80]!r}"
    identity = Identity(*map(int, match.groups()))
    assert payload == payload_of(identity), f"{identity} is stored, but not as it was sent"
    return identity


class Peer(Protocol):
    """One connection of the load."""

    socket: socket.socket

    def write(self) -> None:
        """Send what there is room for."""
        ...

    def read(self) -> bool:
        """Take what has come; False when the connection is gone."""
        ...


def connect(port: int) -> socket.socket:
    """A connection that never waits."""
    connected = socket.create_connection(("127.0.0.1", port), 30)
    connected.setblocking(False)
    return connected


class _Pipe:
    """A connection with a window: a chunk of lines is sent when less than a chunk is unanswered."""

    def __init__(self, port: int) -> None:
        self.socket = connect(port)
        self._unsent = memoryview(b"")
        self._half = b""
        self.sent_count = 0
        self.answered_count = 0

    def _next_chunk(self) -> bytes:
        raise NotImplementedError

    def _take(self, line: bytes) -> None:
        raise NotImplementedError

    def write(self) -> None:
        """Send what there is room for."""
        if not self._unsent:
            self._unsent = memoryview(self._next_chunk())
        if self._unsent:
            self._unsent = self._unsent[self.socket.send(self._unsent) :]

    def read(self) -> bool:
        """Take the answers that have come."""
        chunk = self.socket.recv(_RECEIVE_SIZE)
        *lines, self._half = (self._half + chunk).split(b"\n")
        for line in lines:
            self._take(line)
            self.answered_count += 1
        return bool(chunk)


class Sender(_Pipe):
    """A client that produces to some topics, many lines at a time."""

    def __init__(self, port: int, round: int, client: int, topics: list[str], rng: Random) -> None:
        super().__init__(port)
        self._round = round
        self._client = client
        self._topics = topics
        self._rng = rng
        self._numbers: Counter[str] = Counter()
        self.sent: list[tuple[str, Identity]] = []
        self.offsets: list[int] = []
        """What the first so many of `sent` were answered with."""

    def _next_chunk(self) -> bytes:
        if len(self.sent) - self.answered_count > 100:
            return b""
        lines = []
        for _ in range(self._rng.choice((1, 5, 60, 200))):
            topic = self._rng.choice(self._topics)
            identity = Identity(self._round, self._client, self._numbers[topic])
            self._numbers[topic] += 1
            self.sent.append((topic, identity))
            lines.append(b"PRODUCE %b %b\n" % (topic.encode(), payload_of(identity)))
        return b"".join(lines)

    def _take(self, line: bytes) -> None:
        assert line.startswith(b"OK "), line
        self.offsets.append(int(line[3:]))


class Committer(_Pipe):
    """A client that commits ever larger offsets for a group, from where the one before it had come to."""

    def __init__(self, port: int, topic: str, before: Committer | None) -> None:
        super().__init__(port)
        self._topic = topic
        self._first = 1 if before is None else before.sent + 1
        self.sent: int = self._first - 1
        self.acknowledged: int = 0 if before is None else before.acknowledged

    def _next_chunk(self) -> bytes:
        if self.sent - self._first - self.answered_count > 10:
            return b""
        first, self.sent = self.sent + 1, self.sent + 5
        return b"".join(b"COMMIT g %b %d\n" % (self._topic.encode(), n) for n in range(first, self.sent + 1))

    def _take(self, line: bytes) -> None:
        assert line == b"OK", line
        self.acknowledged = self._first + self.answered_count


class Follower:
    """A client that is shown messages as they become readable."""

    def __init__(self, port: int, topic: str, offset: int) -> None:
        self.socket = connect(port)
        self.topic = topic
        self.received = bytearray()
        self._unsent = b"FOLLOW %b %d\n" % (topic.encode(), offset)

    def write(self) -> None:
        """Say once what to follow."""
        self._unsent = self._unsent[self.socket.send(self._unsent) :] if self._unsent else b""

    def read(self) -> bool:
        """Keep what has come."""
        chunk = self.socket.recv(_RECEIVE_SIZE)
        self.received += chunk
        return bool(chunk)


def drive(peers: list[Peer], duration_s: float) -> None:
    """Let all of them send and receive for so long. Raises: AssertionError when the broker drops one."""
    stop = monotonic() + duration_s
    with selectors.DefaultSelector() as selector:
        for peer in peers:
            selector.register(peer.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, peer)
        while (left := stop - monotonic()) > 0:
            for key, events in selector.select(left):
                if events & selectors.EVENT_READ:
                    assert key.data.read(), "the broker closed a connection"
                if events & selectors.EVENT_WRITE:
                    key.data.write()


def take_the_last(peers: list[Peer]) -> None:
    """Read what had left the broker before it was killed, and close."""
    for peer in peers:
        peer.socket.setblocking(True)
        try:
            while peer.read():
                pass
        except ConnectionResetError:
            pass
        peer.socket.close()
