"""One broker process, from start to stop.

  start   limits of the process -> engine -> broker -> listen
            local files    lock the directory -> bind the port -> open Meta -> recover
            a cluster      announce this broker -> stand by until no other leads -> take over -> bind the port
  serve   until a signal asks to stop, a sync fails or another broker takes over
  stop    accept nobody -> let connections finish, so long and no longer -> last checkpoint -> release

engines.py knows the engines.
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
from logmq.clock import SYSTEM_CLOCK
from logmq.config import Config, show_address
from logmq.errors import StartupError
from logmq.protocols.detect import Wire
from logmq.server.banner import banner_lines, tls_facts
from logmq.server.connections import Connections
from logmq.server.descriptors import raise_descriptor_limit, with_connections_that_fit
from logmq.server.engines import Engine, open_cluster, open_local
from logmq.server.handshakes import Handshakes
from logmq.server.listener import Connect, Listener, bind
from logmq.server.maintenance import maintain
from logmq.server.tls import Tls, open_tls
from logmq.storage.local.files import Directory

_log = logging.getLogger("logmq.server")

EXIT_OK = 0

_SWITCH_INTERVAL_S = 0.0002
"""With the default of 5 ms the commit thread waits that long for a busy loop to let go of the interpreter."""
_WIRES = {"any": None, "text": Wire.TEXT, "kafka": Wire.KAFKA, "http": Wire.HTTP}
_REPEATED_SIGNAL_S = 1.0


class Server:
    """A broker over one of the engines."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._tls: Tls | None = None
        self._stopping = asyncio.Event()
        self._exit_code = EXIT_OK

    async def run(self) -> int:
        """Start, serve until asked to stop, stop. Returns the exit code.

        Raises: StartupError.
        """
        began = time.perf_counter()
        self._config = with_connections_that_fit(self._config, raise_descriptor_limit())
        self._tls = open_tls(self._config)
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        async with AsyncExitStack() as stack:
            stack.enter_context(_signals(self._stopping.set))  # whoever reads the banner may ask to stop at once
            started = await self._start(stack)
            if started is None:
                return self._exit_code
            listeners, engine, connections = started
            addresses = [listener.address for listener in listeners]
            maintenance = asyncio.create_task(maintain(engine.store))
            connect = None if self._tls is None else self._serve_tls(self._tls, stack)
            facts = [*engine.facts, *tls_facts(self._tls)]
            for line in banner_lines(self._config, addresses, facts, time.perf_counter() - began):
                print(line, file=sys.stderr, flush=True)  # noqa: T201
            # What was made until now stays until the end: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            for listener, wire in zip(listeners, self._wires(), strict=True):
                listener.start(partial(connections.new, wire), connections.is_full, connections.refused, connect)
            await self._stopping.wait()
            _log.info("stopping", extra={"connections": len(connections)})
            for listener in listeners:
                listener.close()
            maintenance.cancel()
            await connections.drain(self._config.drain_timeout_ms / 1000)
        if self._exit_code == EXIT_OK:
            _log.info("stopped")
        return self._exit_code

    async def _start(self, stack: AsyncExitStack) -> tuple[list[Listener], Engine, Connections] | None:
        """Everything but listening; what `stack` holds is released in the opposite order. None: asked to stop."""
        config = self._config
        engine: Engine | None
        if config.cluster is None and config.objects is None:
            directory = Directory(config.data_dir)
            stack.callback(directory.close)
            listeners = self._bind(stack)
            engine = await open_local(config, stack, directory, self._fail)
        else:
            engine = await open_cluster(config, stack, self._stopping, self._fail)
            if engine is None:
                return None
            listeners = self._bind(stack)
        broker = await Broker.start(engine.meta, engine.store, config, SYSTEM_CLOCK)
        requires_tls = False
        if self._tls is not None:
            broker.metrics.tls = self._tls.metrics
            requires_tls = self._tls.required
        return listeners, engine, Connections(broker, config, SYSTEM_CLOCK, requires_tls=requires_tls)

    def _serve_tls(self, tls: Tls, stack: AsyncExitStack) -> Connect:
        """Follow the certificate's files until `stack` ends; returns what connects clients."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, tls.reload)
        stack.callback(loop.remove_signal_handler, signal.SIGHUP)
        watching = asyncio.create_task(tls.watch())
        stack.callback(watching.cancel)
        return Handshakes(tls, silence_s=self._config.idle_timeout_ms / 1000).connect

    def _fail(self, error: BaseException, exit_code: int) -> None:
        """Nothing can be acknowledged any more."""
        self._exit_code = self._exit_code or exit_code
        self._stopping.set()

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
