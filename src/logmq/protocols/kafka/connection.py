"""One client of the Kafka protocol: the rim between its transport and the handlers.

    chunk --> requests, one by one --> handlers --> responses, in the order of the requests

Produce requests overlap: they go to the broker back to back, and their responses follow as they are committed. Every other
request waits until those before it are answered, and holds up those behind it until it is answered itself. While
anything holds up the requests the transport does not read on, so what is kept for a client is bounded by one chunk,
one request and the queue.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, cast

from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.dispatch import Answer, answer
from logmq.protocols.kafka.framing import BadFrame, Frame, Frames
from logmq.protocols.kafka.messages import MalformedRequest

_log = logging.getLogger(__name__)

_PRODUCE = 0


class KafkaConnection(asyncio.Protocol):
    """A client's connection, from `connection_made` to `connection_lost`. `on_lost` is called when it is gone."""

    __slots__ = (
        "_closing",
        "_context",
        "_frames",
        "_in_flight",
        "_in_flight_size",
        "_lost",
        "_make_context",
        "_on_lost",
        "_paused",
        "_queue_size_max",
        "_requests",
        "_task",
        "_transport",
        "_writing_paused",
    )

    def __init__(
        self,
        make_context: Callable[[asyncio.Transport], Context],
        *,
        request_size_max: int,
        queue_size_max: int,
        on_lost: Callable[[KafkaConnection], None],
    ) -> None:
        self._make_context = make_context
        self._context: Context | None = None
        self._queue_size_max = queue_size_max
        self._on_lost = on_lost
        self._frames = Frames(request_size_max)
        self._requests: deque[Frame] = deque()
        self._in_flight: deque[tuple[Frame, asyncio.Future[bytes | None]]] = deque()
        """Requests that are being answered, in order; `_in_flight_size` are their bytes."""
        self._in_flight_size = 0
        self._task: asyncio.Task[None] | None = None
        """What holds up the requests."""
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._writing_paused = False
        self._closing = False
        self._lost: asyncio.Future[None] | None = None

    # -- called by the transport -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._context = self._make_context(self._transport)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        if self._closing:
            return
        try:
            self._requests += self._frames.feed(data)
        except BadFrame as error:
            _log.info("closed a connection", extra={"reason": str(error), "protocol": "kafka"})
            self._close()
            return
        self._go_on()

    def eof_received(self) -> bool:
        """The client will send no more: answer what it has sent, then close."""
        self._closing = True
        self._close_if_done()
        return True

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """There is room for responses again."""
        self._writing_paused = False
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The connection is gone: what only reads is stopped, what was appended goes its way."""
        self._transport = None
        self._requests.clear()
        if self._task is not None:
            self._task.cancel()
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)
        self._on_lost(self)

    # -- called by the server ----------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Answer what was begun and close; returns when the connection is gone."""
        if self._transport is None:
            return
        self._closing = True
        self._requests.clear()
        self._lost = asyncio.get_running_loop().create_future()
        if self._task is not None:
            self._task.cancel()
        self._close_if_done()
        await self._lost

    def abort(self) -> None:
        """Drop the client at once."""
        if self._transport is not None:
            self._transport.abort()

    # -- requests ----------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Take requests until something holds them up or there are none."""
        while self._requests and self._task is None and not self._writing_paused and self._transport is not None:
            frame = self._requests[0]
            if self._in_flight and (frame.key != _PRODUCE or self._in_flight_size >= self._queue_size_max):
                break
            self._requests.popleft()
            assert self._context is not None
            try:
                self._begin(frame, answer(frame, self._context))
            except (BadFrame, MalformedRequest) as error:
                _log.info("closed a connection", extra={"reason": str(error), "protocol": "kafka"})
                self._close()
            except Exception:
                _log.exception("a request failed in an unexpected way", extra={"api": frame.key})
                self._close()
        self._mind_reading()
        self._close_if_done()

    def _begin(self, frame: Frame, response: Answer) -> None:
        if response is None:
            return
        if isinstance(response, bytes):
            self._write(response)
        elif isinstance(response, asyncio.Future):
            self._in_flight.append((frame, response))
            self._in_flight_size += len(frame.data)
            response.add_done_callback(self._answered)
        else:
            self._task = asyncio.get_running_loop().create_task(self._wait_for(frame, response))

    async def _wait_for(self, frame: Frame, response: Coroutine[Any, Any, bytes | None]) -> None:
        try:
            body = await response
        except Exception:
            _log.exception("a request failed in an unexpected way", extra={"api": frame.key, "version": frame.version})
            self._close()
            return
        finally:
            self._task = None
        if body is not None:
            self._write(body)
        self._go_on()

    def _answered(self, _: object) -> None:
        while self._in_flight and self._in_flight[0][1].done():
            frame, response = self._in_flight.popleft()
            self._in_flight_size -= len(frame.data)
            body = response.result()
            if body is not None:
                self._write(body)
        if self._requests or self._paused or self._closing:
            self._go_on()

    def _write(self, response: bytes) -> None:
        if self._transport is not None:
            self._transport.write(response)

    # -- flow --------------------------------------------------------------------------------------------------------

    def _mind_reading(self) -> None:
        """Read on only while nothing holds up the requests."""
        if self._transport is None or self._closing:
            return
        held_up = bool(self._requests) or self._task is not None or self._writing_paused
        if held_up and not self._paused:
            self._transport.pause_reading()
        elif self._paused and not held_up:
            self._transport.resume_reading()
        self._paused = held_up

    def _close(self) -> None:
        self._closing = True
        self._requests.clear()
        self._close_if_done()

    def _close_if_done(self) -> None:
        busy = self._requests or self._in_flight or self._task is not None
        if self._closing and not busy and self._transport is not None:
            self._transport.close()
