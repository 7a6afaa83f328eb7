"""All connections of the broker: how many there are, and how they end when it stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from logmq.broker.broker import Broker
from logmq.clock import Clock
from logmq.config import Config
from logmq.protocols.detect import Detector, Wire
from logmq.protocols.kafka.intake import Intake
from logmq.protocols.text.connection import ConnectionLimits, TextConnection
from logmq.protocols.text.gathering import Gatherer
from logmq.server.waiting import Waiting

if TYPE_CHECKING:
    from logmq.protocols.http.service import HttpService
    from logmq.protocols.kafka.connection import KafkaConnection
    from logmq.protocols.kafka.context import Context

_log = logging.getLogger(__name__)


class Connections:
    """Makes a protocol for each accepted connection and knows those that are open."""

    def __init__(self, broker: Broker, config: Config, clock: Clock, *, requires_tls: bool = False) -> None:
        self._broker = broker
        self._clock = clock
        self._config = config
        self._connections_max = config.connections_max
        self._limits = ConnectionLimits.of(config)
        self._requires_tls = requires_tls
        self._detect_timeout_s = config.detect_timeout_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._gatherer = Gatherer(broker, self._loop)
        self._factories: Mapping[Wire, Callable[[], asyncio.Protocol]] = {
            Wire.TEXT: self._new_text,
            Wire.KAFKA: self._new_kafka,
            Wire.HTTP: self._new_http,
        }
        self._intake = Intake(config.kafka_receive_queue_size_bytes, clock, self._loop)
        self._undecided: set[Detector] = set()
        self._text: set[TextConnection] = set()
        self._kafka: set[KafkaConnection] = set()
        self._http: HttpService | None = None
        self._loading: asyncio.Task[None] | None = None
        self._waiting: set[Waiting] = set()
        """HTTP clients that came before HTTP was loaded."""
        self._metrics = broker.metrics.connections
        self._metrics.open |= {"undecided": self._undecided, "text": self._text, "kafka": self._kafka}
        self._metrics.open["http"] = self._waiting

    def __len__(self) -> int:
        http = len(self._waiting) + (0 if self._http is None else len(self._http))
        return len(self._undecided) + len(self._text) + len(self._kafka) + http

    def is_full(self) -> bool:
        """Whether there are as many connections as there may be."""
        return len(self) >= self._connections_max

    def refused(self) -> None:
        """Count a client that was turned away because of that."""
        self._metrics.refused += 1

    def new(self, only: Wire | None = None) -> asyncio.Protocol:
        """A protocol for a connection that was just accepted, on an address for every protocol or for `only` one."""
        detector = Detector(
            self._factories if only is None else {only: self._factories[only]},
            loop=self._loop,
            timeout_s=self._detect_timeout_s,
            silence_s=self._config.idle_timeout_ms / 1000,
            on_end=self._undecided.discard,
            requires_tls=self._requires_tls,
        )
        self._undecided.add(detector)
        return detector

    def _new_text(self) -> TextConnection:
        connection = TextConnection(
            self._broker,
            self._limits,
            loop=self._loop,
            clock=self._clock,
            on_lost=self._text.discard,
            gatherer=self._gatherer,
        )
        self._text.add(connection)
        self._metrics.accept("text")
        return connection

    def _new_kafka(self) -> asyncio.Protocol:
        from logmq.protocols.kafka.connection import KafkaConnection  # noqa: PLC0415 - kio is loaded when first needed

        connection = KafkaConnection(
            self._kafka_context,
            request_size_max=self._config.kafka_request_size_max_bytes,
            queue_size_max=self._config.connection_queue_size_bytes,
            intake=self._intake,
            on_lost=self._kafka.discard,
        )
        self._kafka.add(connection)
        self._metrics.accept("kafka")
        return connection

    def _kafka_context(self, transport: asyncio.Transport) -> Context:
        from logmq.protocols.kafka.context import Context  # noqa: PLC0415

        host, port = self._config.advertise or transport.get_extra_info("sockname")[:2]
        peer = transport.get_extra_info("peername")
        return Context(
            self._broker, self._config, self._clock, host, port, self._broker.cluster_id, str(peer[0]) if peer else ""
        )

    def _new_http(self) -> asyncio.Protocol:
        self._metrics.accept("http")
        if self._http is not None:
            return self._http.new()
        waiting = Waiting(self._waiting.discard)
        self._waiting.add(waiting)
        if self._loading is None:
            self._loading = self._loop.create_task(self._load_http())
        return waiting

    async def _load_http(self) -> None:
        try:
            service = await asyncio.to_thread(_import_http)
            self._http = service(self._broker, self._config, self._clock)
        except Exception:
            _log.exception("HTTP could not be loaded")
            for waiting in list(self._waiting):
                waiting.close()
        else:
            self._metrics.open["http"] = self._http
            for waiting in list(self._waiting):
                waiting.go_on(self._http.new())
        finally:
            self._loading = None

    def _all(self) -> list[TextConnection | KafkaConnection | HttpService]:
        http = [] if self._http is None else [self._http]
        return [*self._text, *self._kafka, *http]

    async def drain(self, timeout_s: float) -> None:
        """Let every connection finish what it has begun; those that take longer than `timeout_s` are dropped."""
        self._broker.health.drain()
        early: list[Detector | Waiting] = [*self._undecided, *self._waiting]
        for each in early:
            each.close()
        draining = [asyncio.ensure_future(connection.drain()) for connection in self._all()]
        if draining:
            await asyncio.wait(draining, timeout=timeout_s)
        for connection in self._all():
            connection.abort()
        for task in draining:
            task.cancel()


def _import_http() -> type[HttpService]:
    """Takes some 130 ms of processor time, once."""
    from logmq.protocols.http.service import HttpService  # noqa: PLC0415

    return HttpService
