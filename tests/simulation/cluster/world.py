"""The two services of a cluster in memory, with all that a network may do to a call.

Each broker reaches them through a `Link`, which delays calls, carries them out without saying so, says so without
carrying them out yet, repeats writes of objects, freezes and ends. A call that was begun goes on whatever becomes of
the broker that made it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from logmq.storage.cluster.services import ObjectMissing, OutcomeUnknown, Stored

T = TypeVar("T")


@dataclass
class World:
    """What is stored. The methods are the services' own, at once and without fault."""

    revision: int = 1
    values: dict[str, Stored] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    written: dict[str, float] = field(default_factory=dict)
    """When each object was."""
    leases: dict[str, float] = field(default_factory=dict)
    """When each leased key goes."""

    def expire(self, now: float) -> None:
        for key in [key for key, end in self.leases.items() if end <= now]:
            del self.leases[key]
            self.values.pop(key, None)

    def commit(self, expected: Mapping[str, int], puts: Mapping[str, bytes], deletes: Iterable[str]) -> int | None:
        for key, revision in expected.items():
            stored = self.values.get(key)
            if (0 if stored is None else stored.revision) != revision:
                return None
        self.revision += 1
        for key, value in puts.items():
            self.values[key] = Stored(value, self.revision)
        for key in deletes:
            self.values.pop(key, None)
        return self.revision

    def put(self, name: str, data: bytes) -> None:
        assert self.objects.get(name, data) == data, f"{name} was written with other bytes"
        if name not in self.deleted:  # a late repetition of a write must not bring back what was collected
            self.objects[name] = data
            self.written.setdefault(name, asyncio.get_running_loop().time())

    def names(self, prefix: str, *, late: bool) -> list[str]:
        """With `late` as the list was a moment ago."""
        end = asyncio.get_running_loop().time() - (3 if late else 0)
        return sorted(name for name in self.objects if name.startswith(prefix) and self.written[name] <= end)

    def get(self, name: str, start: int, size: int) -> bytes:
        if name not in self.objects:
            raise ObjectMissing(name)
        return self.objects[name][start : start + size]

    def delete(self, names: Iterable[str]) -> None:
        for name in names:
            self.objects.pop(name, None)
            self.deleted.add(name)


@dataclass
class Faults:
    """How often each happens, of all calls."""

    lost_reply: float = 0.0
    lost_request: float = 0.0
    repeated_put: float = 0.0
    delay_max_s: float = 0.05
    long_delay: float = 0.0
    """A delay of up to 20 s."""
    late_list: float = 0.0
    """A list of objects without the newest."""

    def heal(self) -> None:
        """Nothing goes wrong from here on."""
        self.lost_reply = self.lost_request = self.repeated_put = self.long_delay = self.late_list = 0.0
        self.delay_max_s = 0.001


class Link:
    """One broker's way to the world: `Keys` and `Objects`."""

    def __init__(self, world: World, random: Random, faults: Faults) -> None:
        self.world = world
        self.random = random
        self.faults = faults
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Future[Any]] = set()

    def freeze(self) -> None:
        self._open.clear()

    def thaw(self) -> None:
        self._open.set()

    async def _call(self, act: Callable[[], T], *, may_repeat: bool = False) -> T:
        await self._open.wait()
        task = asyncio.ensure_future(self._travel(act, may_repeat=may_repeat))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            answer = await asyncio.wait_for(asyncio.shield(task), 5.0)
        except TimeoutError:
            task.add_done_callback(lambda task: task.cancelled() or task.exception())
            raise OutcomeUnknown("no answer in time") from None
        await self._open.wait()
        if self.random.random() < self.faults.lost_reply:
            raise OutcomeUnknown("the answer was lost")
        return answer

    async def _travel(self, act: Callable[[], T], *, may_repeat: bool) -> T:
        if self.random.random() < self.faults.lost_request:
            raise OutcomeUnknown("the request was lost")
        await asyncio.sleep(self._delay())
        self.world.expire(asyncio.get_running_loop().time())
        result = act()
        if may_repeat and self.random.random() < self.faults.repeated_put:
            await asyncio.sleep(self._delay())
            act()
        await asyncio.sleep(self._delay())
        return result

    def _delay(self) -> float:
        if self.random.random() < self.faults.long_delay:
            return self.random.random() * 20
        return self.random.random() * self.faults.delay_max_s

    # -- Keys --------------------------------------------------------------------------------------------------------

    async def get(self, key: str, *object_range: int) -> Stored | None:
        return await self._call(lambda: self.world.values.get(key))

    async def under(self, prefix: str) -> dict[str, Stored]:
        return await self._call(
            lambda: {key: stored for key, stored in self.world.values.items() if key.startswith(prefix)}
        )

    async def commit(
        self, expected: Mapping[str, int], puts: Mapping[str, bytes], deletes: Iterable[str] = ()
    ) -> int | None:
        expected, puts, gone = dict(expected), dict(puts), list(deletes)
        return await self._call(lambda: self.world.commit(expected, puts, gone))

    async def announce(self, key: str, value: bytes, ttl_s: float) -> LinkPresence:
        loop = asyncio.get_running_loop()
        while True:
            try:
                revision = await self._call(lambda: self._announce(key, value, loop.time() + ttl_s))
                return LinkPresence(self, key, revision, ttl_s)
            except OutcomeUnknown:
                key_now = self.world.values.get(key)
                if key_now is not None:
                    return LinkPresence(self, key, key_now.revision, ttl_s)

    def _announce(self, key: str, value: bytes, end: float) -> int:
        revision = self.world.commit({}, {key: value}, ())
        assert revision is not None
        self.world.leases[key] = end
        return revision


class LinkPresence:
    """`Presence` over a link."""

    def __init__(self, link: Link, key: str, revision: int, ttl_s: float) -> None:
        self._link = link
        self._key = key
        self.revision = revision
        self._ttl_s = ttl_s

    async def renew(self) -> bool:
        def act() -> bool:
            if self._key not in self._link.world.leases:
                return False
            self._link.world.leases[self._key] = asyncio.get_running_loop().time() + self._ttl_s
            return True

        return await self._link._call(act)

    async def withdraw(self) -> None:
        def act() -> None:
            self._link.world.leases.pop(self._key, None)
            self._link.world.values.pop(self._key, None)

        await self._link._call(act)


class LinkObjects:
    """`Objects` over a link."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def put(self, name: str, data: bytes) -> None:
        await self._link._call(lambda: self._link.world.put(name, data), may_repeat=True)

    async def get(self, name: str, start: int, size: int) -> bytes:
        return await self._link._call(lambda: self._link.world.get(name, start, size))

    async def names(self, prefix: str) -> list[str]:
        late = self._link.random.random() < self._link.faults.late_list
        return await self._link._call(lambda: self._link.world.names(prefix, late=late))

    async def delete(self, names: Iterable[str]) -> None:
        gone = list(names)
        await self._link._call(lambda: self._link.world.delete(gone))
