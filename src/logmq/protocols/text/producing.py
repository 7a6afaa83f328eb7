"""From a run of PRODUCE lines to appends, and from their results to the answers, line by line. Nothing here waits.

    lines    a: 1    b: 2    a: 3                order   0 1 0
    appends  [a: 1, 3]  [b: 2]                   one call of the broker, one commit
    answers  OK 0    OK 0    OK 5                each partition's answers in order, dealt out by `order`

Lines that cannot be stored (no such partition, too large) take part with their error instead of an append.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import TypeAlias

from logmq.broker.broker import Broker
from logmq.errors import LogMQError, MessageTooLarge, UnknownTopic
from logmq.model import Topic, TopicPartition
from logmq.protocols.text.answers import acks, error_line
from logmq.protocols.text.formats import TextFormat, format_of
from logmq.protocols.text.requests import Produce
from logmq.storage.engine import Append, Appended, Appending, AppendResult

_log = logging.getLogger(__name__)

Verdict: TypeAlias = Topic | LogMQError
"""Where the messages for a partition go, or why they cannot."""


def examine(broker: Broker, request: Produce, failures: Mapping[str, LogMQError]) -> list[Verdict]:
    """A verdict for each partition. `failures` has topics that could not be created, and why."""
    verdicts: list[Verdict] = []
    for partition in request.partitions:
        try:
            verdicts.append(broker.check_producible(partition))
        except UnknownTopic as error:
            verdicts.append(failures.get(partition.topic, error))
        except LogMQError as error:
            verdicts.append(error)
    return verdicts


class Sending:
    """A request whose records are on their way."""

    __slots__ = ("_order", "_parts", "future", "size")

    def __init__(self, parts: list[_Part], request: Produce, future: Appending | None) -> None:
        self._parts = parts
        self._order = request.order
        self.size = request.size
        """Bytes of the request's lines."""
        self.future = future
        """None if there was nothing to append."""

    @property
    def done(self) -> bool:
        """Whether the answers are known."""
        return self.future is None or self.future.done()

    def answers(self) -> bytes:
        """The answer to each line, in order. Call it once it is `done`."""
        results = iter(_results(self.future))
        answers = [part.answers(results) for part in self._parts]
        if self._order is None:
            return answers[0]
        deal = [iter(each.splitlines(keepends=True)).__next__ for each in answers]
        return b"".join([deal[slot]() for slot in self._order])


class Row:
    """A client's appends that are not answered, in order."""

    __slots__ = ("_sendings", "gathered", "size")

    def __init__(self) -> None:
        self._sendings: deque[Sending] = deque()
        self.size = 0
        """Bytes of their lines."""
        self.gathered = False
        """Whether there is one before them all that others have in hand: a message that was gathered."""

    def __bool__(self) -> bool:
        return self.gathered or bool(self._sendings)

    def add(self, sending: Sending) -> None:
        """Put one behind all others."""
        self._sendings.append(sending)
        self.size += sending.size

    def take_answers(self) -> Iterator[bytes]:
        """Take out those that are done, up to the first one that is not."""
        sendings = self._sendings
        while sendings and sendings[0].done and not self.gathered:
            sending = sendings.popleft()
            self.size -= sending.size
            yield sending.answers()

    def clear(self) -> None:
        """Forget them: nobody will hear the answers."""
        self._sendings.clear()


class _Part:
    """The lines for one partition: those that are being appended, and what is wrong with the others."""

    __slots__ = ("_count", "_error", "_offsets", "_refused")

    def __init__(
        self,
        count: int,
        offsets: Sequence[int] | None,
        error: LogMQError | None = None,
        refused: Mapping[int, LogMQError] | None = None,
    ) -> None:
        self._count = count
        self._offsets = offsets
        """Of the records, counted from the first one; None if there are none."""
        self._error = error
        """What is wrong with all lines."""
        self._refused = refused
        """What is wrong with some lines, by their number."""

    def answers(self, results: Iterator[AppendResult]) -> bytes:
        """A line for each line; takes the next result if there was an append."""
        if self._error is not None:
            return error_line(self._error) * self._count
        good = b"" if self._offsets is None else outcome(next(results), self._offsets)
        if self._refused is None:
            return good
        rest = iter(good.splitlines(keepends=True))
        refused = {number: error_line(error) for number, error in self._refused.items()}
        return b"".join([refused.get(number) or next(rest) for number in range(self._count)])


def send(broker: Broker, request: Produce, verdicts: Sequence[Verdict]) -> Sending:
    """Hand the messages to the broker, all in one call."""
    appends: list[Append] = []
    parts = list(map(_prepare, repeat(appends), request.partitions, request.payloads, verdicts, repeat(request.size)))
    if not appends:
        return Sending(parts, request, None)
    try:
        return Sending(parts, request, broker.append(appends))
    except LogMQError as error:
        return Sending([_Part(len(payloads), None, error) for payloads in request.payloads], request, None)


def _prepare(
    appends: list[Append], partition: TopicPartition, payloads: list[bytes], verdict: Verdict, size: int
) -> _Part:
    """Add the append for one partition's messages to `appends`, if there is one; together they have `size` bytes."""
    if isinstance(verdict, LogMQError):
        return _Part(len(payloads), None, verdict)
    stored = format_of(verdict)
    limit = verdict.settings.message_size_max_bytes
    if size > limit and max(map(len, payloads)) > limit:
        return _prepare_some(appends, partition, payloads, stored, limit)
    append = stored.encode(partition, payloads)
    appends.append(append)
    return _Part(len(payloads), stored.offsets_of(append))


def _prepare_some(
    appends: list[Append], partition: TopicPartition, payloads: list[bytes], stored: TextFormat, limit: int
) -> _Part:
    """Like `_prepare`, when some of the messages are too large."""
    refused: dict[int, LogMQError] = {
        number: MessageTooLarge(len(payload), limit) for number, payload in enumerate(payloads) if len(payload) > limit
    }
    good = [payload for payload in payloads if len(payload) <= limit]
    if not good:
        return _Part(len(payloads), None, None, refused)
    append = stored.encode(partition, good)
    appends.append(append)
    return _Part(len(payloads), stored.offsets_of(append), None, refused)


def outcome(result: AppendResult, offsets: Sequence[int]) -> bytes:
    """A line for each of the messages of one append, whose offsets count from the first one."""
    if isinstance(result, Appended):
        return acks(result.first_offset, offsets)
    return error_line(result) * len(offsets)


def _results(future: Appending | None) -> list[AppendResult]:
    return [] if future is None else future.result()
