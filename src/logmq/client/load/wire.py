"""What the generator must know of a protocol, without any input or output.

A `Wire` is a description that can be sent to another process; it opens one `Exchange` a connection. Both sides of an
exchange work in bulk: the bytes of many requests at once, the answers counted in whatever was received.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from logmq.client.errors import ClientError

ERROR_KINDS_MAX = 20
"""Different error texts remembered for one connection; the rest is counted as `other errors`."""


class WrongServer(ClientError):
    """What listens there does not speak this protocol, or will not have us."""


class Exchange(Protocol):
    """One connection's talk with a server."""

    opening: bytes
    """Sent once, before anything is measured."""
    sent_range_ns: tuple[int, int] | None
    """For a stream of stamped messages: when the first and the last one of the latest `receive` were sent."""

    @property
    def message_count(self) -> int:
        """Messages stored or received without an error so far."""
        ...

    @property
    def errors(self) -> Counter[str]:
        """What the server refused so far, by its words."""
        ...

    def opened(self, data: bytes) -> bool:
        """Whether `data`, all that came so far, answers `opening`. Raises: WrongServer."""
        ...

    def requests(self, count: int, now_ns: int) -> bytes | memoryview:
        """The bytes of the next `count` requests; `count` is at most the depth given to `connect`."""
        ...

    def receive(self, data: bytes) -> int:
        """Take in received bytes, cut anywhere; returns how many answers became whole, errors included.

        Of a stream each message counts as an answer.
        """
        ...


class Wire(Protocol):
    """A protocol and what is to be done with it."""

    @property
    def message_size(self) -> int:
        """Payload bytes of one message."""
        ...

    @property
    def streams(self) -> bool:
        """Whether one request is answered without end, so that nothing is to be asked again or awaited."""
        ...

    def connect(self, client: int, depth: int) -> Exchange:
        """The exchange of client number `client`, which will have at most `depth` requests unanswered."""
        ...


def count_error(errors: Counter[str], words: str) -> None:
    """Count one refusal under its words, bounded in number and length."""
    key = words[:200]
    errors[key if key in errors or len(errors) < ERROR_KINDS_MAX else "other errors"] += 1
