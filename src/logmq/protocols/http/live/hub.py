"""The live streams of the broker: its feeds, and who has subscribed."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, cast

from starlette.requests import HTTPConnection

from logmq.broker.broker import Broker
from logmq.model import Topic, TopicPartition
from logmq.protocols.http.context import Context, context_of
from logmq.protocols.http.live.events import EventFormat
from logmq.protocols.http.live.feed import Feed
from logmq.protocols.http.live.positions import Positions
from logmq.protocols.http.live.reader import Reader
from logmq.protocols.http.stored_records import Values


class Wanted(NamedTuple):
    """What a subscriber wants to see; those who want the same share a feed."""

    topic: Topic
    partition: int | None
    """None for all."""
    values: Values
    rate_max: int | None
    format: EventFormat

    def reader(self, broker: Broker, positions: Positions) -> Reader:
        """A reader for this alone."""
        return Reader(broker, self.topic, positions, values=self.values, format=self.format, rate_max=self.rate_max)


_Key = tuple[int, int | None, str, int | None, str]


class Hub:
    """Made for the first subscriber."""

    def __init__(self, context: Context) -> None:
        self._broker = context.broker
        self.stopping = asyncio.ensure_future(context.stopping.wait())
        """Done when the broker stops."""
        self._feeds: dict[_Key, Feed] = {}
        self._users: dict[_Key, int] = {}

    def __len__(self) -> int:
        """Feeds that are shared."""
        return len(self._feeds)

    def tail(self, wanted: Wanted) -> Positions:
        """Where who wants only what is new begins: with the others who are there. Raises: as `ends`."""
        feed = self._feeds.get(_key(wanted))
        return feed.positions.copy() if feed is not None and len(feed) else self.ends(wanted)

    def claim(self, wanted: Wanted) -> Feed:
        """The feed of those who want this; it stays until all who claimed it have called `release`."""
        key = _key(wanted)
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = self.new_feed(wanted, self.ends(wanted))
            self._users[key] = 0
        self._users[key] += 1
        return feed

    def release(self, wanted: Wanted) -> None:
        """See `claim`."""
        key = _key(wanted)
        self._users[key] -= 1
        if not self._users[key]:
            del self._users[key], self._feeds[key]

    def new_feed(self, wanted: Wanted, positions: Positions) -> Feed:
        """A feed that is not shared, for one who is ahead of the others."""
        return Feed(self._broker, wanted.reader(self._broker, positions), sampled=wanted.rate_max is not None)

    def ends(self, wanted: Wanted) -> Positions:
        """Where the partitions end now. Raises: UnknownTopic, UnknownPartition."""
        topic = self._broker.topic(wanted.topic.name)
        chosen = topic.partitions() if wanted.partition is None else [TopicPartition(topic.name, wanted.partition)]
        ends = {partition.index: self._broker.bounds(partition).high_watermark for partition in chosen}
        return Positions(ends, follows_all=wanted.partition is None)


def _key(wanted: Wanted) -> _Key:
    """A topic that was dropped and made anew is another one."""
    return wanted.topic.log_ids[0], wanted.partition, wanted.values, wanted.rate_max, wanted.format.name


def hub_of(connection: HTTPConnection) -> Hub:
    """The hub of the broker that a request or WebSocket came to."""
    state = connection.app.state
    if not hasattr(state, "hub"):
        state.hub = Hub(context_of(connection))
    return cast(Hub, state.hub)
