"""One broker process, from start to stop.

  start   limits of the process -> lock the directory -> bind the port -> open Meta -> recover -> broker -> listen
  serve   until a signal asks to stop, or a sync fails
  stop    accept nobody -> let connections finish, so long and no longer -> last checkpoint -> release

This is the only place that picks a storage engine.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

from logmq.broker.broker import Broker
from logmq.broker.topics import specs_of
from logmq.clock import SYSTEM_CLOCK
from logmq.config import Config, show_address
from logmq.errors import StartupError
from logmq.protocols.detect import Wire
from logmq.server.banner import banner_lines, report_recovery
from logmq.server.connections import Connections
from logmq.server.descriptors import raise_descriptor_limit, with_connections_that_fit
from logmq.server.listener import Listener, bind
from logmq.server.maintenance import maintain
from logmq.storage.local.files import Directory, SyncFailed
from logmq.storage.local.meta import SqliteMeta, finish_drops
from logmq.storage.local.store import LocalStore

_log = logging.getLogger("logmq.server")

EXIT_OK = 0
EXIT_SYNC_FAILED = 74
"""EX_IOERR of sysexits.h: the disk failed; a restart alone will not help, so a supervisor should not loop."""

_SWITCH_INTERVAL_S = 0.0002
"""With the default of 5 ms the commit thread waits that long for a busy loop to let go of the interpreter."""
_WIRES = {"any": None, "text": Wire.TEXT, "kafka": Wire.KAFKA, "http": Wire.HTTP}
_REPEATED_SIGNAL_S = 1.0


class Server:
    """A broker over local files."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None

    async def run(self) -> int:
        """Start, serve until asked to stop, stop. Returns the exit code.

        Raises: StartupError.
        """
        began = time.perf_counter()
        self._config = with_connections_that_fit(self._config, raise_descriptor_limit())
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        async with AsyncExitStack() as stack:
            listeners, store, connections = await self._start(stack)
            addresses = [listener.address for listener in listeners]
            maintenance = asyncio.create_task(maintain(store))
            with _signals(self._stopping.set):  # before the banner: whoever reads it may ask to stop at once
                for line in banner_lines(self._config, addresses, store.report, time.perf_counter() - began):
                    print(line, file=sys.stderr, flush=True)  # noqa: T201
                # What was made until now stays until the end: the collector need not look at it again.
                gc.collect()
                gc.freeze()
                for listener, wire in zip(listeners, self._wires(), strict=True):
                    listener.start(partial(connections.new, wire), connections.is_full, connections.refused)
                await self._stopping.wait()
                _log.info("stopping", extra={"connections": len(connections)})
                for listener in listeners:
                    listener.close()
                maintenance.cancel()
                await connections.drain(self._config.drain_timeout_ms / 1000)
                await stack.aclose()
        if self._failure is not None:
            return EXIT_SYNC_FAILED
        _log.info("stopped")
        return EXIT_OK

    async def _start(self, stack: AsyncExitStack) -> tuple[list[Listener], LocalStore, Connections]:
        """Everything but listening; what `stack` holds is released in the opposite order."""
        config = self._config
        directory = Directory(config.data_dir)
        stack.callback(directory.close)
        listeners = self._bind(stack)
        meta = SqliteMeta(config.data_dir, config, SYSTEM_CLOCK, self._on_failure)
        stack.push_async_callback(meta.close)
        await finish_drops(meta, directory)  # before recovery, which would take the files for unknown ones
        specs = [spec for topic in await meta.topics() for spec in specs_of(topic)]
        try:
            store = LocalStore.open(directory, specs, config, SYSTEM_CLOCK, self._on_failure)
        except (OSError, SyncFailed) as error:
            raise StartupError(f"{config.data_dir} cannot be recovered: {error}") from error
        stack.push_async_callback(store.close)
        report_recovery(store.report)
        broker = await Broker.start(meta, store, config, SYSTEM_CLOCK)
        return listeners, store, Connections(broker, config, SYSTEM_CLOCK)

    def _bind(self, stack: AsyncExitStack) -> list[Listener]:
        """A listener on the port and on each further address, in this order."""
        places = [(self._config.host, self._config.port, "--port or --host")]
        places += [(address.host, address.port, "address for --listen") for address in self._config.listen]
        listeners = []
        for host, port, setting in places:
            try:
                listener = Listener(asyncio.get_running_loop(), bind(host, port))
            except OSError as error:
                raise StartupError(
                    f"cannot listen on {show_address(host, port)}: {error.strerror or error};"
                    f" stop what listens there or choose another {setting}"
                ) from error
            stack.callback(listener.close)
            listeners.append(listener)
        return listeners

    def _wires(self) -> list[Wire | None]:
        """The protocol that each listener is for; None for every protocol."""
        return [None, *(_WIRES[address.protocol] for address in self._config.listen)]

    def _on_failure(self, error: BaseException) -> None:
        _log.critical(
            "the disk failed, stopping: nothing is acknowledged any more; check the disk, then start again",
            extra={"reason": str(error)},
            exc_info=None if isinstance(error, SyncFailed | OSError) else error,
        )
        self._failure = error
        self._stopping.set()


class _signals:  # noqa: N801
    """Call `stop` on SIGINT and SIGTERM while the block runs; a later second signal ends the process at once.

    Not one that comes with the first: `make serve` gets it from the terminal's process group and passes it on.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._stopped = False
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._first)

    def _first(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._loop.call_later(_REPEATED_SIGNAL_S, self.__exit__)
            self._stop()

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.remove_signal_handler(number)
