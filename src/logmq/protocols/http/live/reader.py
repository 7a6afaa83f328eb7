"""The records of a topic from some positions on, as events: read, chosen, formatted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from logmq.broker.broker import Broker
from logmq.errors import Damaged, LogMQError, OffsetOutOfRange, UnknownTopic
from logmq.limits import LIVE_READ_SIZE
from logmq.model import Topic, TopicPartition
from logmq.protocols.http.live.events import EventFormat
from logmq.protocols.http.live.positions import Positions
from logmq.protocols.http.live.sampling import Sampler
from logmq.protocols.http.problems import UnreadableBatch, problem_of
from logmq.protocols.http.stored_records import Values, answer_of, records_in
from logmq.records.records import Record


class Reader:
    """Moves `positions` on; what it returns is for all subscribers who are there and want the same."""

    def __init__(
        self,
        broker: Broker,
        topic: Topic,
        positions: Positions,
        *,
        values: Values,
        format: EventFormat,
        rate_max: int | None,
    ) -> None:
        """`positions` are the reader's own. `rate_max` records a second are chosen, None for all."""
        self.positions = positions
        self.format = format
        self._broker = broker
        self._topic = topic
        self._values = values
        self._loop = asyncio.get_running_loop()
        self._sampler = None if rate_max is None else Sampler(rate_max, self._loop.time())

    def partition(self, index: int) -> TopicPartition:
        """The partition of this number."""
        return TopicPartition(self._topic.name, index)

    def look(self) -> None:
        """Take partitions in that the topic got meanwhile, if all are followed.

        Raises: UnknownTopic: the topic was dropped, even if another of its name is there by now.
        """
        topic = self._broker.topic(self._topic.name)
        if topic is self._topic:
            return
        if topic.log_ids[0] != self._topic.log_ids[0]:
            raise UnknownTopic(topic.name)
        if self.positions.follows_all:
            for index in range(len(self.positions), topic.partition_count):
                self.positions[index] = 0
        self._topic = topic

    def explain(self, error: LogMQError) -> LogMQError:
        """Why the stream cannot go on: who waits for a topic that is dropped only hears that its partition is gone."""
        try:
            self.look()
        except LogMQError as reason:
            return reason
        return error

    async def read(self, index: int, until: int | None = None) -> bytes:
        """Events of the next records of a partition, those before the offset `until`; empty if there are none.

        Records that cannot be read any more are passed over with an event that says so.
        Raises: LogMQError: the stream cannot go on.
        """
        self.look()
        offset = self.positions[index]
        try:
            chunk = self._broker.read_nowait(self.partition(index), offset, LIVE_READ_SIZE)
            if chunk is None:
                chunk = await self._broker.read(self.partition(index), offset, LIVE_READ_SIZE)
                self.look()
            records, next_offset = records_in(self._topic, chunk, offset, size_max=LIVE_READ_SIZE)
        except (Damaged, UnreadableBatch) as error:
            self.positions[index] = max(error.next_offset, offset + 1)
            return self.format.problem(problem_of(error))
        except OffsetOutOfRange as error:
            self.positions[index] = error.log_start_offset
            return self.format.problem(problem_of(error))
        if until is not None and next_offset > until:
            records, next_offset = [record for record in records if record.offset < until], until
        return self._events(index, records, next_offset)

    def _events(self, index: int, records: Sequence[Record], next_offset: int) -> bytes:
        chosen = records
        if self._sampler is not None:
            chosen = [records[number] for number in self._sampler.choose(len(records), self._loop.time())]
        answers = [answer_of(index, record, self._values) for record in chosen]
        events = self.format.records(answers, self.positions.around(index)) if answers else b""
        self.positions[index] = next_offset
        if len(chosen) < len(records):
            events += self.format.skipped(len(records) - len(chosen), self.positions.render())
        return events
