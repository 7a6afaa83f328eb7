"""Messages that come one at a time, from many clients in a few turns of the loop, become one append a partition.

    clients   3: PRODUCE t a     9: PRODUCE t b     4: PRODUCE u c
    appends   t: a b             u: c                                  one call of the broker, encoded in bulk
    answers   3: OK 0            9: OK 5            4: OK 0

A client that awaits each answer sends chunks that are exactly one PRODUCE line. A request, an append and a commit's
entry for each of them cost several times what storing them together does, so they skip all that: what is left for each
message is to find its topic and its payload. Everything out of the ordinary (no such topic yet, too large, no room) is
left to the parser and the usual way, which know all of the grammar and all errors.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from logmq.broker.broker import Broker
from logmq.errors import LogMQError
from logmq.limits import COMMAND_LINE_SIZE_MAX
from logmq.model import Topic, TopicPartition
from logmq.protocols.text.answers import code_of
from logmq.protocols.text.formats import format_of
from logmq.protocols.text.producing import outcome
from logmq.protocols.text.runs import PREFIX_SIZE_MAX, PRODUCE_SIZE, RETURN, target
from logmq.storage.engine import Append, Appending, AppendResult

_log = logging.getLogger(__name__)

GATHERED_COUNT_MAX = 256
"""Messages that become one append: together at most 1 MiB, as each came in a short line."""

LOOKS_MAX = 3
"""Further turns of the loop that are waited for while each brings more messages. A lone message waits for none."""


class Sender(Protocol):
    """Who sent a message that was gathered."""

    def answered(self, answer: bytes) -> None:
        """The message is stored, or not: this is the line that says so."""
        ...


class Gatherer:
    """Gathers for all connections of a broker. Belongs to the event loop's thread."""

    __slots__ = ("_broker", "_count", "_count_before", "_gathered", "_looks", "_loop")

    def __init__(self, broker: Broker, loop: asyncio.AbstractEventLoop) -> None:
        self._broker = broker
        self._loop = loop
        self._gathered: dict[bytes, _Gathered] = {}
        """By what stands before the payload."""
        self._count = 0
        """Messages in hand, and how many there were when it was last looked whether more had come."""
        self._count_before = 0
        self._looks = 0
        """How often that was."""

    def take(self, chunk: bytes, sender: Sender) -> bool:
        """Take the message if `chunk` is a PRODUCE line and nothing else; False leaves it to the parser.

        `sender` is answered later, in the order of the calls. Durability: as an append, when it is.
        """
        end = len(chunk) - 1
        if chunk[0] not in b"Pp" or end > COMMAND_LINE_SIZE_MAX or chunk.find(b"\n") != end:
            return False
        prefix = chunk[: chunk.find(b" ", PRODUCE_SIZE) + 1]
        gathered = self._gathered.get(prefix) or self._look_up(prefix)
        if gathered is None:
            return False
        payload = chunk[len(prefix) : end - (chunk[end - 1] == RETURN)]
        if len(payload) > gathered.size_max:
            return False
        if not gathered.senders:
            self._begin(prefix, gathered)
        gathered.payloads.append(payload)
        gathered.senders.append(sender)
        self._count += 1
        if len(gathered.senders) == GATHERED_COUNT_MAX:
            self.flush()
        return True

    def _look_up(self, prefix: bytes) -> _Gathered | None:
        """What to gather in for the partition that a prefix names; None if that needs a closer look."""
        partition = target(prefix, b"PRODUCE") if len(prefix) <= PREFIX_SIZE_MAX else None
        if partition is None or self._broker.room() is not None:
            return None
        try:
            topic = self._broker.check_producible(partition)
        except LogMQError:
            return None
        return _Gathered(partition, topic)

    def _begin(self, prefix: bytes, gathered: _Gathered) -> None:
        if not self._gathered:
            self._loop.call_soon(self._end_turn)
        self._gathered[prefix] = gathered

    def _end_turn(self) -> None:
        """Append, or look once more: those who were answered last are about to send, and a sync serves all."""
        if self._looks < LOOKS_MAX and self._count > max(self._count_before, 1):
            self._count_before = self._count
            self._looks += 1
            self._loop.call_soon(self._end_turn)
        elif self._gathered:
            gathered, appending = self._append(at_once=True)
            appending.add_done_callback(lambda done: self._answer(gathered, done))

    def flush(self) -> None:
        """Append what was gathered, before anything that must come behind it. Nobody is answered before it returns."""
        if self._gathered:
            gathered, appending = self._append(at_once=False)
            if appending.done():
                self._loop.call_soon(self._answer, gathered, appending)
            else:
                appending.add_done_callback(lambda done: self._answer(gathered, done))

    def _append(self, *, at_once: bool) -> tuple[list[_Gathered], Appending]:
        gathered, self._gathered = list(self._gathered.values()), {}
        self._count = self._count_before = self._looks = 0
        return gathered, self._broker.append([each.encode() for each in gathered], at_once=at_once)

    def _answer(self, gathered: list[_Gathered], appending: Appending) -> None:
        counted = self._broker.metrics.text["PRODUCE"]
        for each, result in zip(gathered, appending.result(), strict=True):
            counted.count += len(each.senders)
            if isinstance(result, LogMQError):
                counted.failed(code_of(result), len(each.senders))
            for sender, answer in zip(each.senders, each.answers(result), strict=True):
                try:
                    sender.answered(answer)
                except Exception:  # one connection's mistake must not keep the others from their answers
                    _log.exception("an answer could not be handed on")


class _Gathered:
    """The messages for one partition, and who sent each."""

    __slots__ = ("_append", "_partition", "_topic", "payloads", "senders", "size_max")

    def __init__(self, partition: TopicPartition, topic: Topic) -> None:
        self._partition = partition
        self._topic = topic
        self._append: Append | None = None
        self.size_max = topic.settings.message_size_max_bytes
        self.payloads: list[bytes] = []
        self.senders: list[Sender] = []

    def encode(self) -> Append:
        """All of them as one append."""
        self._append = format_of(self._topic).encode(self._partition, self.payloads)
        return self._append

    def answers(self, result: AppendResult) -> list[bytes]:
        """A line for each sender."""
        assert self._append is not None
        return outcome(result, format_of(self._topic).offsets_of(self._append)).splitlines(keepends=True)
