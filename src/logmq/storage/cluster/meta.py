"""`Meta` on the cluster's keys: a topic is a key, and every change is a transaction that this broker must be alive for.

topics/<name>     JSON: format, log ids, overrides, created_ms, dropping
counters          JSON: the next log id and producer id, and the cluster's own id
"""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from logmq.clock import Clock
from logmq.config import Config, topic_settings
from logmq.errors import TopicExists, Unavailable, UnknownTopic
from logmq.model import Format, SettingValue, Topic
from logmq.storage.cluster.formats import BROKERS
from logmq.storage.cluster.services import Keys, OutcomeUnknown, Presence, Stored

_TOPICS = "topics/"
_COUNTERS = "counters"
_RETRY_S = 0.1
_TRIES = 100

Fields = dict[str, Any]


class ClusterMeta:
    """Topics of the cluster, while this broker leads."""

    def __init__(self, keys: Keys, incarnation: str, presence: Presence, config: Config, clock: Clock) -> None:
        self._keys = keys
        self._alive = {BROKERS + incarnation: presence.revision}
        self._config = config
        self._clock = clock
        self._lock = asyncio.Lock()

    async def topics(self) -> list[Topic]:
        """See `Meta.topics`."""
        return [topic for topic, dropping in await self._all() if not dropping]

    async def dropping(self) -> list[Topic]:
        """See `Meta.dropping`."""
        return [topic for topic, dropping in await self._all() if dropping]

    async def _all(self) -> list[tuple[Topic, bool]]:
        stored = await self._persist(lambda: self._keys.under(_TOPICS))
        found = [(key.removeprefix(_TOPICS), json.loads(one.value)) for key, one in sorted(stored.items())]
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
        log_ids = await self._take("log_id", partition_count)

        def create(fields: Fields | None) -> Fields:
            if fields is not None and fields["log_ids"][0] != log_ids:
                raise TopicExists(name)
            return {
                "format": format.value,
                "log_ids": list(range(log_ids, log_ids + partition_count)),
                "overrides": dict(overrides),
                "created_ms": self._clock.now_ms(),
            }

        return self._topic(name, await self._change(name, create))

    async def add_partitions(self, name: str, partition_count: int) -> Topic:
        """See `Meta.add_partitions`."""
        first = await self._take("log_id", partition_count)

        def add(fields: Fields | None) -> Fields:
            known = _known(name, fields)
            missing = partition_count - len(known["log_ids"])
            return {**known, "log_ids": [*known["log_ids"], *range(first, first + max(0, missing))]}

        return self._topic(name, await self._change(name, add))

    async def alter_topic(self, name: str, overrides: Mapping[str, SettingValue]) -> Topic:
        """See `Meta.alter_topic`."""
        fields = await self._change(name, lambda fields: {**_known(name, fields), "overrides": dict(overrides)})
        return self._topic(name, fields)

    async def begin_drop(self, name: str) -> Topic:
        """See `Meta.begin_drop`."""
        fields = await self._change(name, lambda fields: {**_known(name, fields), "dropping": True})
        return self._topic(name, fields)

    async def finish_drop(self, name: str) -> None:
        """See `Meta.finish_drop`."""
        await self._change(name, lambda _: None)

    async def take_producer_ids(self, count: int) -> int:
        """See `Meta.take_producer_ids`."""
        return await self._take("producer_id", count)

    async def cluster_id(self) -> str:
        """See `Meta.cluster_id`."""
        made = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        fields = await self._update(_COUNTERS, lambda fields: {"cluster_id": made, **(fields or {})})
        return str(fields["cluster_id"])

    async def close(self) -> None:
        """See `Meta.close`: the keys are somebody else's to close."""

    async def _take(self, counter: str, count: int) -> int:
        """Set numbers aside that nobody had before; returns the first. Those of an unanswered attempt are lost."""
        fields = await self._update(
            _COUNTERS, lambda fields: {**(fields or {}), counter: (fields or {}).get(counter, 1) + count}
        )
        return int(fields[counter]) - count

    async def _change(self, name: str, change: Callable[[Fields | None], Fields | None]) -> Fields:
        return await self._update(_TOPICS + name, change)

    async def _update(self, key: str, change: Callable[[Fields | None], Fields | None]) -> Fields:
        """Replace a key by what `change` makes of it; None removes it. Raises: Unavailable, and as `change`."""
        async with self._lock:
            for _ in range(_TRIES):
                stored = await self._persist(lambda: self._keys.get(key))
                fields = change(None if stored is None else json.loads(stored.value))
                if await self._replace(key, stored, fields):
                    return fields or {}
                await asyncio.sleep(_RETRY_S)
        raise Unavailable("another broker has taken over")

    async def _replace(self, key: str, stored: Stored | None, fields: Fields | None) -> bool:
        """Whether it was carried out for sure."""
        expected = {key: 0 if stored is None else stored.revision, **self._alive}
        puts = {} if fields is None else {key: json.dumps(fields).encode()}
        try:
            return await self._keys.commit(expected, puts, [key] if fields is None else []) is not None
        except OutcomeUnknown:
            return False

    @staticmethod
    async def _persist(ask: Callable[[], Any]) -> Any:
        for _ in range(_TRIES):
            try:
                return await ask()
            except OutcomeUnknown:
                await asyncio.sleep(_RETRY_S)
        raise Unavailable("the cluster's keys cannot be reached")


def _known(name: str, fields: Fields | None) -> Fields:
    if fields is None:
        raise UnknownTopic(name)
    return fields
