"""Producing lines of JSON without end: a body that is taken slice by slice, each slice one append.

    body        |........|.....|..............|....         as it comes
    slices      |  a     |  b                 |             whole lines: what came while the one before was committed

A line that is wrong ends the request; what was stored before it stays, and the problem says how much that is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from starlette.requests import ClientDisconnect, Request

from logmq.errors import LogMQError
from logmq.limits import HTTP_SLICE_SIZE
from logmq.model import Format
from logmq.protocols.http.bodies import body_too_large, check_utf8, chunks_of
from logmq.protocols.http.context import Context
from logmq.protocols.http.new_records import Content, NewRecord, contents_of
from logmq.protocols.http.partitioner import Choice
from logmq.protocols.http.problems import Fault, InvalidInput, invalid_input, problem_of
from logmq.protocols.http.producing import Range, Sending, begin, choice_for, wait_for_room


class LinesAnswer(msgspec.Struct, frozen=True):
    """What was stored of a body of lines."""

    count: int
    partitions: list[Range]


class Lines:
    """The body of a request, read ahead by a task of its own: whole lines, up to about two slices of them."""

    def __init__(self, request: Request, line_size_max: int) -> None:
        self._request = request
        self._line_size_max = line_size_max
        self._pieces: list[bytes] = []
        self._size = 0
        self._whole: list[bytes] = []
        self._whole_size = 0
        self._error: Exception | None = None
        self._ended = False
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()

    async def read(self) -> None:
        """Take the body as it comes, until it ends or fails, which `next` will say."""
        try:
            async for chunk in chunks_of(self._request):
                self._add(chunk)
                while self._whole_size >= HTTP_SLICE_SIZE:
                    self._taken.clear()
                    await self._taken.wait()
        except (LogMQError, ClientDisconnect) as error:
            self._error = error
        else:
            self._end_line(b"")
        self._ended = True
        self._changed.set()

    def _add(self, chunk: bytes) -> None:
        line_end = chunk.rfind(b"\n") + 1
        if line_end:
            self._end_line(chunk[:line_end])
        self._pieces.append(chunk[line_end:])
        self._size += len(chunk) - line_end
        if self._size > self._line_size_max:
            raise body_too_large(self._line_size_max, "a line")

    def _end_line(self, data: bytes) -> None:
        self._whole += (*self._pieces, data)
        self._whole_size += self._size + len(data)
        self._pieces.clear()
        self._size = 0
        self._changed.set()

    async def next(self) -> bytes:
        """The lines that came since the last call, at least one; empty at the end of the body.

        Raises: BodyTooLarge, BodyTooSlow, ClientDisconnect, after all lines that came before.
        """
        while not self._whole and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        if not self._whole and self._error is not None:
            raise self._error
        lines = b"".join(self._whole)
        self._whole.clear()
        self._whole_size = 0
        self._taken.set()
        return lines


class LinesProducer:
    """Appends slices of one request, one after the other; the next is prepared while one is committed."""

    def __init__(self, context: Context, topic_name: str, partition: int | None) -> None:
        self._context = context
        self._topic_name = topic_name
        self._partition = partition
        self._choice: Choice | None = None
        self._sending: Sending | None = None
        self._ranges: dict[int, Range] = {}
        self._begun_count = 0
        """Records handed to the broker."""

    @property
    def stored_count(self) -> int:
        """Records that are durable."""
        return sum(each.count for each in self._ranges.values())

    async def add(self, lines: bytes) -> None:
        """Begin to store some whole lines. Raises: LogMQError: these are not stored."""
        contents = self._contents_of(lines)
        if not contents:
            return
        topic = await self._context.broker.ensure_topic(self._topic_name, format=Format.BATCH)
        if self._choice is None:
            self._choice = choice_for(self._context, topic, self._partition)
        await self.finish()
        await wait_for_room(self._context)
        self._sending = begin(self._context, topic, contents, self._choice, self._name)
        self._begun_count += len(contents)

    async def finish(self) -> LinesAnswer:
        """Wait until all is durable. Raises: LogMQError."""
        if self._sending is not None:
            sending, self._sending = self._sending, None
            await sending.appending
            for added in sending.ranges():
                known = self._ranges.get(added.partition)
                first, count = (added.first_offset, 0) if known is None else (known.first_offset, known.count)
                self._ranges[added.partition] = Range(added.partition, first, added.last_offset, count + added.count)
        return LinesAnswer(self.stored_count, [self._ranges[index] for index in sorted(self._ranges)])

    def _name(self, index: int) -> str:
        return f"records[{self._begun_count + index}]."

    def _contents_of(self, lines: bytes) -> Sequence[Content]:
        try:
            check_utf8(lines)
            records = _RECORD.decode_lines(lines)
        except (msgspec.DecodeError, RecursionError, InvalidInput):
            records = []
        if len(records) != lines.count(b"\n") + (not lines.endswith(b"\n")):
            records = self._one_by_one(lines)
        return contents_of(records, self._name)

    def _one_by_one(self, lines: bytes) -> list[NewRecord]:
        """The records of lines of which some are empty or wrong. Raises: InvalidInput, for the first wrong one."""
        records: list[NewRecord] = []
        for line in lines.split(b"\n"):
            if not line.strip():
                continue
            name = self._name(len(records))
            try:
                check_utf8(line)
                records.append(_RECORD.decode(line))
            except msgspec.ValidationError as error:
                found = invalid_input(error)
                raise InvalidInput(str(found), f"{name}{found.field or ''}".rstrip(".")) from None
            except msgspec.DecodeError as error:
                raise InvalidInput(f"the line is not JSON: {error}", name.rstrip(".")) from None
            except RecursionError:
                raise InvalidInput("the line is nested too deeply", name.rstrip(".")) from None
            except InvalidInput as error:
                raise InvalidInput(str(error), name.rstrip(".")) from None
        return records


_RECORD = msgspec.json.Decoder(NewRecord)


async def produce_lines(request: Request, context: Context, topic_name: str, partition: int | None) -> LinesAnswer:
    """Store a record a line; a topic that is not there is made, where allowed.

    Durability: as `produce`, all of them when it returns; those that came before an error stay.
    Raises: Fault, which says how many those are; ClientDisconnect.
    """
    lines = Lines(request, context.config.http_body_size_max_bytes)
    reading = asyncio.create_task(lines.read())
    producer = LinesProducer(context, topic_name, partition)
    try:
        while slice_ := await lines.next():
            await producer.add(slice_)
        answer = await producer.finish()
    except (LogMQError, ClientDisconnect) as error:
        with suppress(LogMQError):
            await producer.finish()
        if isinstance(error, ClientDisconnect):
            raise
        raise Fault(error, problem_of(error).field, producer.stored_count) from error
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
    if not answer.count:
        raise InvalidInput("the body has no records")
    return answer
