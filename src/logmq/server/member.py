"""This broker as one of a cluster: it says that it lives, stands by, and leads once nobody else does."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from uuid import uuid4

from logmq import __version__
from logmq.broker.topics import specs_of
from logmq.clock import SYSTEM_CLOCK
from logmq.config import Config
from logmq.errors import RetriableError, StartupError, Unavailable
from logmq.storage.cluster.etcd import EtcdKeys
from logmq.storage.cluster.formats import BROKERS, MalformedObject
from logmq.storage.cluster.identity import ForeignObjects, check, claim
from logmq.storage.cluster.leadership import Leadership
from logmq.storage.cluster.meta import ClusterMeta
from logmq.storage.cluster.services import ObjectMissing, Objects, OutcomeUnknown, Presence
from logmq.storage.cluster.store import ClusterStore, finish_drops
from logmq.storage.cluster.takeover import another_leads, take

_log = logging.getLogger("logmq.server")

PRESENCE_TTL_S = 6.0
"""How long a leader may be silent before another broker takes over."""
_RENEW_INTERVAL_S = 1.5
_LOOK_INTERVAL_S = 0.5


class Member:
    """This broker as one of a cluster: it says that it lives, stands by, and leads once nobody else does."""

    def __init__(
        self, config: Config, keys: EtcdKeys, objects: Objects, on_lost: Callable[[BaseException], None]
    ) -> None:
        self.meta: ClusterMeta | None = None
        self.store: ClusterStore | None = None
        self._config = config
        self._keys = keys
        self._objects = objects
        self._on_lost = on_lost
        self._incarnation = f"{int(time.time() * 1000):012x}-{uuid4().hex[:8]}"
        self._presence: Presence | None = None

    async def announce(self, stack: AsyncExitStack) -> None:
        """Let the others know of this broker. Raises: StartupError."""

        facts = {"host": self._config.host, "port": self._config.port, "version": __version__}
        try:
            await check(self._keys, self._objects)
            presence = await self._keys.announce(
                BROKERS + self._incarnation, json.dumps(facts).encode(), PRESENCE_TTL_S
            )  # fmt: skip
        except ForeignObjects as error:
            raise StartupError(str(error)) from error
        except OutcomeUnknown as error:
            raise StartupError(f"this broker cannot be announced: {error}") from error
        self._presence = presence
        renewing = asyncio.create_task(self._renew(presence))

        async def leave() -> None:
            renewing.cancel()
            with suppress(OutcomeUnknown):
                await presence.withdraw()

        stack.push_async_callback(leave)

    async def _renew(self, presence: Presence) -> None:

        last = time.monotonic()
        while (left := last + PRESENCE_TTL_S - time.monotonic()) > 0:
            asked = time.monotonic()
            try:
                async with asyncio.timeout(left):
                    if not await presence.renew():
                        break
                last = asked
            except (OutcomeUnknown, TimeoutError) as error:
                _log.warning("etcd does not answer", extra={"reason": str(error) or "no answer in time"})
            await asyncio.sleep(_RENEW_INTERVAL_S)
        if self.store is not None:
            self.store.lose_presence()
        else:
            self._lost(TimeoutError("this broker was taken for dead while it stood by"))

    def _lost(self, error: BaseException) -> None:
        _log.critical(
            "this broker leads no longer, stopping: start it again, and it stands by", extra={"reason": str(error)}
        )
        self._on_lost(error)

    async def lead(self, stack: AsyncExitStack, stopping: asyncio.Event) -> bool:
        """Wait until no other broker leads, and take over; False if asked to stop before. Raises: StartupError."""
        leading = asyncio.create_task(self._lead(stack))
        asked = asyncio.create_task(stopping.wait())
        await asyncio.wait([leading, asked], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if leading.done():
            return leading.result()
        leading.cancel()  # whatever it is at: nothing was promised to anybody
        await asyncio.wait([leading])
        return False

    async def _lead(self, stack: AsyncExitStack) -> bool:

        assert self._presence is not None
        told = False
        while True:
            with suppress(OutcomeUnknown):
                if not await another_leads(self._keys, self._incarnation):
                    leadership = await take(self._keys, self._incarnation, self._presence)
                    if leadership is not None:
                        return await self._open(stack, leadership)
            if not told:
                _log.info("another broker leads, standing by", extra={"broker": self._incarnation})
                told = True
            await asyncio.sleep(_LOOK_INTERVAL_S)

    async def _open(self, stack: AsyncExitStack, leadership: Leadership) -> bool:
        """Read what this broker leads now; False if it no longer does. Raises: StartupError."""

        self.meta = ClusterMeta(leadership, self._config, SYSTEM_CLOCK)
        try:
            await self.meta.cluster_id()
            await claim(self._keys, self._objects)
            specs = [spec for topic in await self.meta.topics() for spec in specs_of(topic)]
            store = await ClusterStore.open(
                leadership, self._objects, specs, self._config, SYSTEM_CLOCK, self._lost
            )  # fmt: skip
            self.store = store
            stack.push_async_callback(store.close)
            await finish_drops(self.meta, store)
        except ForeignObjects as error:
            raise StartupError(str(error)) from error
        except (ObjectMissing, MalformedObject) as error:
            raise StartupError(f"the object store has lost what was committed: {error}") from error
        except (OutcomeUnknown, RetriableError, Unavailable) as error:
            self._lost(error)
            return False
        return True
