"""`Meta` on the cluster's keys: a topic is a key, and every change is a transaction that this broker must be alive for.

topics/<name>     JSON: format, log ids, overrides, created_ms, dropping
counters          JSON: the next log id and producer id, the cluster's own id, and who made the last change

Every change writes the counters too. So of one that is sent again because no answer came only one can be carried out,
however late the other arrives, and the counters tell whether one was.
"""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from uuid import uuid4

from logmq.clock import Clock
from logmq.config import Config, topic_settings
from logmq.errors import TopicExists, Unavailable, UnknownTopic
from logmq.model import Format, SettingValue, Topic
from logmq.storage.cluster.formats import COUNTERS, TOPICS
from logmq.storage.cluster.leadership import Leadership
from logmq.storage.cluster.services import RETRY_S, OutcomeUnknown, Stored

_log = logging.getLogger(__name__)

_TIME_MAX_S = 30.0
"""How long a change waits for the keys: clients are told something before they give up themselves."""

Fields = dict[str, Any]
Change = Callable[[Fields, Fields | None], Fields | None]
"""From the counters, which it may count on, and a topic to what the topic is to be; None: not there (any more)."""
T = TypeVar("T")


class ClusterMeta:
    """Topics of the cluster, while this broker leads."""

    def __init__(self, leadership: Leadership, config: Config, clock: Clock) -> None:
        self._keys = leadership.keys
        self._alive = leadership.alive
        self._config = config
        self._clock = clock
        self._lock = asyncio.Lock()

    async def topics(self) -> list[Topic]:
        """See `Meta.topics`. Raises: Unavailable."""
        return [topic for topic, dropping in await self._all() if not dropping]

    async def dropping(self) -> list[Topic]:
        """See `Meta.dropping`. Raises: Unavailable."""
        return [topic for topic, dropping in await self._all() if dropping]

    async def _all(self) -> list[tuple[Topic, bool]]:
        stored = await self._persist(lambda: self._keys.under(TOPICS))
        found = [(key.removeprefix(TOPICS), json.loads(one.value)) for key, one in sorted(stored.items())]
        return [(self._topic(name, fields), bool(fields.get("dropping"))) for name, fields in found]

    def _topic(self, name: str, fields: Fields) -> Topic:
        overrides = fields["overrides"]
        settings = topic_settings(self._config, overrides)
        return Topic(
            name, Format(fields["format"]), tuple(fields["log_ids"]), overrides, settings, fields["created_ms"]
        )  # fmt: skip

    async def create_topic(
        self, name: str, format: Format, partition_count: int, overrides: Mapping[str, SettingValue]
    ) -> Topic:
        """See `Meta.create_topic`."""

        def create(counters: Fields, topic: Fields | None) -> Fields:
            if topic is not None:
                raise TopicExists(name)
            return {
                "format": format.value,
                "log_ids": _take(counters, "log_id", partition_count),
                "overrides": dict(overrides),
                "created_ms": self._clock.now_ms(),
            }

        return self._topic(name, await self._change_topic(name, create))

    async def add_partitions(self, name: str, partition_count: int) -> Topic:
        """See `Meta.add_partitions`."""

        def add(counters: Fields, topic: Fields | None) -> Fields:
            known = _known(name, topic)
            missing = max(0, partition_count - len(known["log_ids"]))
            return {**known, "log_ids": known["log_ids"] + _take(counters, "log_id", missing)}

        return self._topic(name, await self._change_topic(name, add))

    async def alter_topic(self, name: str, overrides: Mapping[str, SettingValue]) -> Topic:
        """See `Meta.alter_topic`."""
        fields = await self._change_topic(name, lambda _, topic: {**_known(name, topic), "overrides": dict(overrides)})
        return self._topic(name, fields)

    async def begin_drop(self, name: str) -> Topic:
        """See `Meta.begin_drop`."""
        fields = await self._change_topic(name, lambda _, topic: {**_known(name, topic), "dropping": True})
        return self._topic(name, fields)

    async def finish_drop(self, name: str) -> None:
        """See `Meta.finish_drop`."""
        await self._change_topic(name, lambda _counters, _topic: None)

    async def take_producer_ids(self, count: int) -> int:
        """See `Meta.take_producer_ids`."""
        first = 0

        def take(counters: Fields, _: Fields | None) -> None:
            nonlocal first
            first = _take(counters, "producer_id", count)[0]

        await self._change(None, take)
        return first

    async def cluster_id(self) -> str:
        """See `Meta.cluster_id`."""
        stored = await self._persist(lambda: self._keys.get(COUNTERS))
        if stored is not None:
            return str(json.loads(stored.value)["cluster_id"])
        return str((await self._change(None, lambda _counters, _topic: None))[0]["cluster_id"])

    async def close(self) -> None:
        """See `Meta.close`: the keys are somebody else's to close."""

    async def _change_topic(self, name: str, change: Change) -> Fields:
        return (await self._change(TOPICS + name, change))[1] or {}

    async def _change(self, key: str | None, change: Change) -> tuple[Fields, Fields | None]:
        """Carry out a change once; returns counters and topic as it left them. Raises: Unavailable, and as `change`."""
        async with self._lock:
            sign = uuid4().hex
            made: tuple[Fields, Fields | None] | None = None
            deadline = asyncio.get_running_loop().time() + _TIME_MAX_S
            while asyncio.get_running_loop().time() < deadline:
                # The topic first: if the counters are as before, so was the topic.
                topic = None if key is None else await self._persist(lambda: self._keys.get(key))
                stored = await self._persist(lambda: self._keys.get(COUNTERS))
                counters = {"cluster_id": _new_id()} if stored is None else json.loads(stored.value)
                if made is not None and counters.get("change") == sign:
                    return made
                fields = change(counters, None if topic is None else json.loads(topic.value))
                counters["change"] = sign
                made = counters, fields
                if await self._commit({COUNTERS: stored} | ({} if key is None else {key: topic}), made, key):
                    return made
                if not await self._persist(self._is_alive):
                    raise Unavailable("another broker has taken over")
                await asyncio.sleep(RETRY_S)
        raise Unavailable("the cluster's keys do not answer")

    async def _is_alive(self) -> bool:
        (name,) = self._alive
        return await self._keys.get(name) is not None

    async def _commit(
        self, before: Mapping[str, Stored | None], made: tuple[Fields, Fields | None], key: str | None
    ) -> bool:
        """Whether it was carried out for sure."""
        expected = {name: 0 if stored is None else stored.revision for name, stored in before.items()}
        counters, fields = made
        puts = {COUNTERS: json.dumps(counters).encode()}
        if key is not None and fields is not None:
            puts[key] = json.dumps(fields).encode()
        deletes = [key] if key is not None and fields is None else []
        try:
            return await self._keys.commit(expected | self._alive, puts, deletes) is not None
        except OutcomeUnknown as error:
            _log.warning("a change of topics has no answer", extra={"reason": str(error)})
            return False

    @staticmethod
    async def _persist(ask: Callable[[], Awaitable[T]]) -> T:
        deadline = asyncio.get_running_loop().time() + _TIME_MAX_S
        while asyncio.get_running_loop().time() < deadline:
            try:
                return await ask()
            except OutcomeUnknown:
                await asyncio.sleep(RETRY_S)
        raise Unavailable("the cluster's keys cannot be reached")


def _known(name: str, fields: Fields | None) -> Fields:
    if fields is None:
        raise UnknownTopic(name)
    return fields


def _take(counters: Fields, counter: str, count: int) -> list[int]:
    """Numbers that nobody had before."""
    first = counters.get(counter, 1)
    counters[counter] = first + count
    return list(range(first, first + count))


def _new_id() -> str:
    return urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
