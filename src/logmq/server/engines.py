"""The storage engines that a broker can run on, opened and ready: the only place that knows which there are."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from logmq import __version__
from logmq.broker.topics import specs_of
from logmq.clock import SYSTEM_CLOCK
from logmq.config import Config, SyncMode
from logmq.errors import RetriableError, StartupError, Unavailable
from logmq.server.recovery_report import recovery_summary, report_recovery
from logmq.storage.engine import LogStore, Meta
from logmq.storage.local.files import Directory, SyncFailed
from logmq.storage.local.meta import SqliteMeta, finish_drops
from logmq.storage.local.store import LocalStore

if TYPE_CHECKING:
    from logmq.storage.cluster.etcd import EtcdKeys
    from logmq.storage.cluster.leadership import Leadership
    from logmq.storage.cluster.meta import ClusterMeta
    from logmq.storage.cluster.services import Objects, Presence
    from logmq.storage.cluster.store import ClusterStore

_log = logging.getLogger("logmq.server")

EXIT_SYNC_FAILED = 74
"""EX_IOERR of sysexits.h: the disk failed; a restart alone will not help, so a supervisor should not loop."""
EXIT_TAKEN_OVER = 75
"""EX_TEMPFAIL: another broker of the cluster leads now; started again this one stands by."""

PRESENCE_TTL_S = 6.0
"""How long a leader may be silent before another broker takes over."""
_RENEW_INTERVAL_S = 1.5
_LOOK_INTERVAL_S = 0.5

Fail = Callable[[BaseException, int], None]
"""Called on the loop when nothing can be acknowledged any more, with the exit code."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Where topics and records are kept."""

    meta: Meta
    store: LogStore
    facts: tuple[tuple[str, str], ...]
    """What the banner says of it."""


async def open_local(config: Config, stack: AsyncExitStack, directory: Directory, fail: Fail) -> Engine:
    """Local files, recovered. Raises: StartupError."""

    def on_failure(error: BaseException) -> None:
        _log.critical(
            "the disk failed, stopping: nothing is acknowledged any more; check the disk, then start again",
            extra={"reason": str(error)},
            exc_info=None if isinstance(error, SyncFailed | OSError) else error,
        )
        fail(error, EXIT_SYNC_FAILED)

    meta = SqliteMeta(config.data_dir, config, SYSTEM_CLOCK, on_failure)
    stack.push_async_callback(meta.close)
    await finish_drops(meta, directory)  # before recovery, which would take the files for unknown ones
    specs = [spec for topic in await meta.topics() for spec in specs_of(topic)]
    try:
        store = LocalStore.open(directory, specs, config, SYSTEM_CLOCK, on_failure)
    except (OSError, SyncFailed) as error:
        raise StartupError(f"{config.data_dir} cannot be recovered: {error}") from error
    stack.push_async_callback(store.close)
    report_recovery(store.report)
    facts = (
        ("data", str(config.data_dir.absolute())),
        ("sync", promise(config.sync)),
        ("recovery", recovery_summary(store.report)),
    )
    return Engine(meta, store, facts)


def promise(mode: SyncMode) -> str:
    """What an acknowledgement means."""
    if mode.name == "always":
        return "always: OK means that the message survives a power cut"
    if mode.name == "never":
        return "never: OK does NOT mean that the message survives a power cut; the system writes when it likes"
    return f"every {mode}: OK comes at once; a power cut may take the last {mode} of messages"


async def open_cluster(config: Config, stack: AsyncExitStack, stopping: asyncio.Event, fail: Fail) -> Engine | None:
    """An object store and etcd, once this broker leads; None if it is asked to stop before. Raises: StartupError."""
    try:
        from logmq.storage.cluster.etcd import EtcdKeys  # noqa: PLC0415 - an extra
        from logmq.storage.cluster.object_store import connect  # noqa: PLC0415
    except ImportError as error:
        raise StartupError(f"a cluster needs more packages ({error.name}): pip install 'logmq[cluster]'") from error
    if config.cluster is None or config.objects is None:
        raise StartupError("a cluster needs both --cluster etcd://... and --objects s3://...")
    keys = await EtcdKeys.connect(config.cluster)
    stack.push_async_callback(keys.close)
    objects = await connect(config.objects)
    member = _Member(config, keys, objects, fail)
    await member.announce(stack)
    if not await member.lead(stack, stopping):
        return None
    assert member.meta is not None
    assert member.store is not None
    recovery = member.store.recovery
    facts = (
        ("cluster", config.cluster.rpartition("@")[2]),
        ("objects", config.objects),
        ("recovery", f"{recovery.replayed_commits} commits since the checkpoint read"),
    )
    return Engine(member.meta, member.store, facts)


class _Member:
    """This broker as one of a cluster: it says that it lives, stands by, and leads once nobody else does."""

    def __init__(self, config: Config, keys: EtcdKeys, objects: Objects, fail: Fail) -> None:
        self.meta: ClusterMeta | None = None
        self.store: ClusterStore | None = None
        self._config = config
        self._keys = keys
        self._objects = objects
        self._fail = fail
        self._incarnation = f"{int(time.time() * 1000):012x}-{uuid4().hex[:8]}"
        self._presence: Presence | None = None

    async def announce(self, stack: AsyncExitStack) -> None:
        """Let the others know of this broker. Raises: StartupError."""
        from logmq.storage.cluster.formats import BROKERS  # noqa: PLC0415
        from logmq.storage.cluster.identity import ForeignObjects, check  # noqa: PLC0415
        from logmq.storage.cluster.services import OutcomeUnknown  # noqa: PLC0415

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
        from logmq.storage.cluster.services import OutcomeUnknown  # noqa: PLC0415

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
        self._fail(error, EXIT_TAKEN_OVER)

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
        from logmq.storage.cluster.services import OutcomeUnknown  # noqa: PLC0415
        from logmq.storage.cluster.takeover import another_leads, take  # noqa: PLC0415

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
        from logmq.storage.cluster.formats import MalformedObject  # noqa: PLC0415
        from logmq.storage.cluster.identity import ForeignObjects, claim  # noqa: PLC0415
        from logmq.storage.cluster.meta import ClusterMeta  # noqa: PLC0415
        from logmq.storage.cluster.services import ObjectMissing, OutcomeUnknown  # noqa: PLC0415
        from logmq.storage.cluster.store import ClusterStore, finish_drops  # noqa: PLC0415

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
