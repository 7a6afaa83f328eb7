"""Answering CONSUME and FOLLOW step by step, without waiting: what must wait is said, and done by the caller.

    while (step := reading.step()) is not Step.DONE:
        bytes          write them; come back when the client has room for more
        Step.READ      `await broker.read(reading.partition, reading.offset, reading.size)`, then `take` or `fail`
        Step.WAIT      `await broker.wait(reading.partition, reading.offset, None)`, then come back, or `fail`

Lines of successive offsets are answered from decoded chunks, many with one operation.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol, TypeAlias

from logmq.broker.broker import Broker
from logmq.errors import LogMQError, UnknownPartition
from logmq.limits import KIB, READ_SIZE
from logmq.model import Topic, TopicPartition
from logmq.protocols.text.answers import EOF, code_of, end, error_line, messages
from logmq.protocols.text.errors import TopicReplaced
from logmq.protocols.text.formats import Messages, format_of
from logmq.protocols.text.requests import Edge, Start
from logmq.storage.engine import Chunk


class Step(Enum):
    """What a reading needs next."""

    READ = "read"
    WAIT = "wait"
    DONE = "done"


Progress: TypeAlias = bytes | Step

_FEW = 8
"""For up to this many messages a small read is enough."""

_SMALL_READ_SIZE = 4 * KIB
_RUN_MIN = 8
"""Messages compared at first to see whether lines ask for successive ones."""


class Reading(Protocol):
    """A request that reads, as far as it has come."""

    @property
    def partition(self) -> TopicPartition:
        """What it reads."""
        ...

    @property
    def offset(self) -> int:
        """Where it reads next."""
        ...

    @property
    def size(self) -> int:
        """How many bytes it would like to be read."""
        ...

    def step(self) -> Progress:
        """The next lines of the answer, or what is needed to go on."""
        ...

    def take(self, chunk: Chunk) -> None:
        """Here is what `Step.READ` asked for."""
        ...

    def fail(self, error: LogMQError) -> None:
        """What `Step.READ` or `Step.WAIT` asked for failed."""
        ...


class Cursor:
    """The chunk that a connection decoded last: the next CONSUME lines most often ask for what follows in it.

    What is committed never changes, so a chunk stays true for as long as its log does: it is dropped when the
    partition has another log (the topic was dropped and made anew) or no longer begins before the chunk (trimmed).
    """

    __slots__ = ("_log_id", "_messages", "_partition", "broker")

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._partition: TopicPartition | None = None
        self._log_id = -1
        self._messages: Messages | None = None

    def messages(self, partition: TopicPartition, offset: int, size: int) -> Messages | None:
        """Messages from the first one at or after `offset` on; None if they would have to be waited for.

        Raises: LogMQError, as `Broker.read`.
        """
        held = self._held(partition, offset)
        if held is not None:
            return held
        chunk = self.broker.read_nowait(partition, offset, size)
        return None if chunk is None else self.hold(partition, chunk)

    def hold(self, partition: TopicPartition, chunk: Chunk) -> Messages:
        """Decode a chunk that was just read. Raises: LogMQError, if the topic is gone or cannot be read as text."""
        topic = self.broker.topic(partition.topic)
        decoded = format_of(topic).decode(chunk)
        if chunk.data:
            self._partition = partition
            self._log_id = log_id(topic, partition)
            self._messages = decoded
        return decoded

    def _held(self, partition: TopicPartition, offset: int) -> Messages | None:
        held = self._messages
        if held is None or partition != self._partition or not held.first_offset <= offset < held.next_offset:
            return None
        if log_id(self.broker.topic(partition.topic), partition) != self._log_id:
            return None
        if self.broker.bounds(partition).log_start_offset > held.first_offset:
            return None
        # Behind the start of the last message: the one that is meant lies in the next chunk.
        return held if held.find(offset, 1) < len(held.offsets) else None


def log_id(topic: Topic, partition: TopicPartition) -> int:
    """Which log the partition has now. Raises: UnknownPartition."""
    if partition.index >= topic.partition_count:
        raise UnknownPartition(topic.name, partition.index, topic.partition_count)
    return topic.log_ids[partition.index]


def resolve(broker: Broker, partition: TopicPartition, start: Start) -> int:
    """The offset that is meant. Raises: UnknownTopic, UnknownPartition."""
    if not isinstance(start, Edge):
        return start
    bounds = broker.bounds(partition)
    return bounds.log_start_offset if start is Edge.EARLIEST else bounds.high_watermark


class ConsumeRun:
    """CONSUME lines without a count: one MESSAGE, EOF or ERR for each offset."""

    __slots__ = ("_cursor", "_index", "_offsets", "_passed", "_taken", "partition")

    def __init__(self, cursor: Cursor, partition: TopicPartition, offsets: list[int]) -> None:
        self._cursor = cursor
        self.partition = partition
        self._offsets = offsets
        self._index = 0
        """How many of them are answered."""
        self._passed = 0
        """What was read up to here holds no message for the offset asked for next."""
        self._taken: Messages | LogMQError | None = None
        """What was waited for."""

    @property
    def offset(self) -> int:
        """The offset asked for next."""
        return max(self._offsets[self._index], self._passed)

    @property
    def size(self) -> int:
        """Few lines are answered from a small read."""
        return _SMALL_READ_SIZE if len(self._offsets) - self._index <= _FEW else READ_SIZE

    def step(self) -> Progress:
        """See `Reading.step`."""
        if self._index == len(self._offsets):
            return Step.DONE
        try:
            held = self._next_messages()
            return Step.READ if held is None else self._answer(held)
        except LogMQError as error:
            self._next_line(1)
            self._cursor.broker.metrics.text["CONSUME"].failed(code_of(error))
            return error_line(error)

    def take(self, chunk: Chunk) -> None:
        """See `Reading.take`."""
        try:
            self._taken = self._cursor.hold(self.partition, chunk)
        except LogMQError as error:
            self._taken = error

    def fail(self, error: LogMQError) -> None:
        """See `Reading.fail`."""
        self._taken = error

    def _next_messages(self) -> Messages | None:
        taken, self._taken = self._taken, None
        if isinstance(taken, LogMQError):
            raise taken
        return taken or self._cursor.messages(self.partition, self.offset, self.size)

    def _answer(self, held: Messages) -> bytes:
        first = self._index
        if held.first_offset == held.next_offset:
            self._next_line(1)
            return EOF
        index = held.find(self.offset, len(self._offsets) - first)
        if index == len(held.offsets):  # all that was read are the broker's own marks, which are not shown
            self._passed = held.next_offset
            return b""
        count = _matching(self._offsets, first, held.offsets, index)
        self._next_line(count)
        return messages(held.offsets[index : index + count], held.payloads(index, index + count))

    def _next_line(self, count: int) -> None:
        self._index += count
        self._passed = 0


def _matching(asked: list[int], i: int, found: list[int], j: int) -> int:
    """How many of the messages from `found[j]` on are those asked for from `asked[i]` on; the first one is.

    Compares slices that grow as long as they are equal and shrink when not, so that lines which jump about in the
    log cost no more than a few comparisons each.
    """
    limit = min(len(asked) - i, len(found) - j)
    count, width, grows = 1, _RUN_MIN, True
    while count < limit and width:
        stop = min(count + width, limit)
        if asked[i + count : i + stop] == found[j + count : j + stop]:
            count = stop
            width *= 4 if grows else 1
        else:
            grows = False
            width //= 4
    return count


class Stream:
    """CONSUME with a count, or FOLLOW (a count of None): MESSAGE lines, then END, or ERR when it cannot go on."""

    __slots__ = ("_broker", "_done", "_left", "_log_id", "_taken", "_until", "offset", "partition")

    def __init__(self, broker: Broker, partition: TopicPartition, start: Start, count: int | None) -> None:
        """Raises: UnknownTopic, UnknownPartition."""
        self._broker = broker
        self._log_id = log_id(broker.topic(partition.topic), partition)
        self.partition = partition
        self.offset = resolve(broker, partition, start)
        self._left = count
        self._until: int | None = None
        """Where a FOLLOW ends whose client will send nothing more."""
        self._taken: Chunk | LogMQError | None = None
        self._done = False

    @property
    def size(self) -> int:
        """Few messages are answered from a small read."""
        return READ_SIZE if self._left is None or self._left > _FEW else _SMALL_READ_SIZE

    def step(self) -> Progress:
        """See `Reading.step`."""
        if self._done:
            return Step.DONE
        try:
            return self._advance()
        except LogMQError as error:
            self._done = True
            self._broker.metrics.text["FOLLOW" if self._left is None else "CONSUME"].failed(code_of(error))
            return error_line(error)

    def take(self, chunk: Chunk) -> None:
        """See `Reading.take`."""
        self._taken = chunk

    def fail(self, error: LogMQError) -> None:
        """See `Reading.fail`."""
        self._taken = error

    def finish(self) -> bytes:
        """The line that ends it here; nothing if it has ended already."""
        if self._done:
            return b""
        self._done = True
        return end(self.offset)

    def finish_at_end(self) -> None:
        """Let it end where the partition ends now: the client has closed its side and still wants the rest."""
        try:
            self._until = self._broker.bounds(self.partition).high_watermark
        except LogMQError:
            self._until = self.offset

    def _advance(self) -> Progress:
        topic = self._broker.topic(self.partition.topic)
        if log_id(topic, self.partition) != self._log_id:
            raise TopicReplaced(topic.name)
        if self._left == 0 or (self._until is not None and self.offset >= self._until):
            return self.finish()
        chunk = self._next_chunk()
        if chunk is None:
            return Step.READ
        if not chunk.data:
            return Step.WAIT if self._left is None and self._until is None else self.finish()
        return self._answer(format_of(topic).decode(chunk))

    def _next_chunk(self) -> Chunk | None:
        taken, self._taken = self._taken, None
        if isinstance(taken, LogMQError):
            raise taken
        return taken or self._broker.read_nowait(self.partition, self.offset, self.size)

    def _answer(self, found: Messages) -> bytes:
        wanted = READ_SIZE if self._left is None else self._left
        index = found.find(self.offset, wanted + 1)
        stop = min(len(found.offsets), index + wanted)
        self.offset = found.offsets[stop] if stop < len(found.offsets) else found.next_offset
        if self._left is not None:
            self._left -= stop - index
        return messages(found.offsets[index:stop], found.payloads(index, stop))
