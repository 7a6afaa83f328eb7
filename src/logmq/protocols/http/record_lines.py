"""Producing lines of JSON without end: the body is taken slice by slice (slices.py), each slice is one append.

A line that is wrong ends the request; what was stored before it stays, and the problem says how much that is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from starlette.requests import ClientDisconnect, Request

from logmq.errors import LogMQError
from logmq.limits import HTTP_RECORDS_AT_ONCE_MAX
from logmq.model import Format
from logmq.protocols.http.bodies import check_utf8
from logmq.protocols.http.context import Context
from logmq.protocols.http.new_records import Content, NewRecord, contents_of
from logmq.protocols.http.partitioner import Choice
from logmq.protocols.http.problems import Fault, InvalidInput, invalid_input, problem_of
from logmq.protocols.http.producing import Range, Sending, begin, choice_for, wait_for_room
from logmq.protocols.http.slices import LineSplitter, slices_of


class LinesAnswer(msgspec.Struct, frozen=True):
    """What was stored of a body of lines."""

    count: int
    partitions: list[Range]


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
        few = lines.count(b"\n") <= HTTP_RECORDS_AT_ONCE_MAX
        contents = self._contents_of(lines) if few else await asyncio.to_thread(self._contents_of, lines)
        if not contents:
            return
        topic = await self._context.broker.ensure_topic(self._topic_name, format=Format.BATCH)
        if self._choice is None:
            self._choice = choice_for(self._context, topic, self._partition)
        await self.finish()
        await wait_for_room(self._context)
        self._sending = await begin(self._context, topic, contents, self._choice, self._name)
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
    producer = LinesProducer(context, topic_name, partition)
    async with slices_of(request, LineSplitter(), context.config.http_body_size_max_bytes) as slices:
        try:
            while lines := await slices.next():
                await producer.add(b"".join(lines))
            answer = await producer.finish()
        except (LogMQError, ClientDisconnect) as error:
            with suppress(LogMQError):
                await producer.finish()
            if isinstance(error, ClientDisconnect):
                raise
            raise Fault(error, problem_of(error).field, producer.stored_count) from error
    if not answer.count:
        raise InvalidInput("the body has no records")
    return answer
