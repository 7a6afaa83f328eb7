"""The storage engines that a broker can run on, opened and ready: the only place that knows which there are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from logmq.broker.topics import specs_of
from logmq.clock import SYSTEM_CLOCK
from logmq.config import Config, SyncMode
from logmq.errors import StartupError
from logmq.server.recovery_report import recovery_summary, report_recovery
from logmq.storage.engine import LogStore, Meta
from logmq.storage.local.files import Directory, SyncFailed
from logmq.storage.local.meta import SqliteMeta, finish_drops
from logmq.storage.local.store import LocalStore

_log = logging.getLogger("logmq.server")

EXIT_SYNC_FAILED = 74
"""EX_IOERR of sysexits.h: the disk failed; a restart alone will not help, so a supervisor should not loop."""
EXIT_TAKEN_OVER = 75
"""EX_TEMPFAIL: another broker of the cluster leads now; started again this one stands by."""

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
        from logmq.server.member import Member  # noqa: PLC0415 - an extra
        from logmq.storage.cluster.etcd import EtcdKeys  # noqa: PLC0415
        from logmq.storage.cluster.object_store import connect  # noqa: PLC0415
    except ImportError as error:
        raise StartupError(f"a cluster needs more packages ({error.name}): pip install 'logmq[cluster]'") from error
    if config.cluster is None or config.objects is None:
        raise StartupError("a cluster needs both --cluster etcd://... and --objects s3://...")
    keys = await EtcdKeys.connect(config.cluster)
    stack.push_async_callback(keys.close)
    objects = await connect(config.objects)
    member = Member(config, keys, objects, lambda error: fail(error, EXIT_TAKEN_OVER))
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
