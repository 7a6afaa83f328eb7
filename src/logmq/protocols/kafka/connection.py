"""One client of the Kafka protocol: the rim between its transport and the handlers.

    chunk --> requests, one by one --> handlers --> responses, in the order of the requests

Produce requests overlap: they go to the broker back to back, and their responses follow as they are committed. Every
other request waits until those before it are answered, and holds up those behind it until it is answered itself. While
a request waits for its turn the transport does not read on, so what is kept for a client is bounded by one chunk, one
request and the queue; what all clients together have sent of unfinished requests is bounded by the `Intake`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from logmq.limits import KAFKA_SMALL_REQUEST_SIZE
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.counting import requests_of
from logmq.protocols.kafka.dispatch import Answer, Later, Response, answer
from logmq.protocols.kafka.framing import BadFrame, Frame, Frames
from logmq.protocols.kafka.intake import Intake, Place
from logmq.protocols.kafka.messages import MalformedRequest

_log = logging.getLogger(__name__)

_PRODUCE = 0
_FETCH = 1
_JOIN_GROUP = 11
_SYNC_GROUP = 14

_ENDED_BY_DRAIN = frozenset({_FETCH, _JOIN_GROUP, _SYNC_GROUP})
"""These wait for others, and change nothing that has to be finished: a broker that stops does not wait for them."""

TURN_REQUEST_COUNT = 64
"""Requests taken in one go, before other clients get their turn: a chunk can hold ten thousand."""

_LOOKS_PER_TIMEOUT = 4
"""How often the deadlines are looked at within the shortest of them."""


class _Pending(NamedTuple):
    """A request that is being answered."""

    frame: Frame
    began: float
    response: Later | Response | None


class KafkaConnection(asyncio.Protocol):
    """A client's connection, from `connection_made` to `connection_lost`. `on_lost` is called when it is gone."""

    __slots__ = (
        "_closing", "_context", "_frames", "_heard_at", "_in_flight", "_in_flight_size", "_lost", "_make_context",
        "_on_lost", "_paused", "_place", "_queue_size_max", "_requests", "_room", "_stuck_since", "_task", "_timer",
        "_transport",
    )  # fmt: skip

    def __init__(
        self,
        make_context: Callable[[asyncio.Transport], Context],
        *,
        request_size_max: int,
        queue_size_max: int,
        intake: Intake,
        on_lost: Callable[[KafkaConnection], None],
    ) -> None:
        self._make_context = make_context
        self._context: Context | None = None
        self._queue_size_max = queue_size_max
        self._on_lost = on_lost
        self._frames = Frames(request_size_max)
        self._place = Place(intake, self._go_on, self._give_way)
        self._requests: deque[Frame] = deque()
        self._in_flight: deque[_Pending] = deque()
        """Requests that are being answered, in order; `_in_flight_size` are their bytes."""
        self._in_flight_size = 0
        self._task: asyncio.Future[Any] | None = None
        """What holds up the requests: one that takes longer, or the turn of others."""
        self._room: asyncio.Future[None] | None = None
        """What holds up the requests: the broker has no room for what is to be appended."""
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._closing = False
        self._lost: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self._stuck_since: float | None = None
        """Since when the client has not read its responses; None while it does."""

    # -- called by the transport -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._context = self._make_context(self._transport)
        self._heard_at = self._context.clock.monotonic()
        self._look()

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        if self._closing or self._context is None:
            return
        self._heard_at = self._context.clock.monotonic()
        try:
            whole = self._frames.feed(data)
        except BadFrame as error:
            self._refuse(error)
            return
        if whole:
            self._place.arrived()
            self._requests += whole
        self._go_on()

    def eof_received(self) -> bool:
        """The client will send no more: answer what it has sent, then close."""
        self._closing = True
        self._end_waiting(frozenset({_FETCH}))
        self._go_on()
        # TLS cannot close one side only.
        return self._transport is not None and self._transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        if self._context is not None:
            self._stuck_since = self._context.clock.monotonic()

    def resume_writing(self) -> None:
        """There is room for responses again."""
        self._stuck_since = None
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: what only reads is stopped, what changes something goes its way."""
        self._transport = None
        self._closing = True
        self._requests.clear()
        self._place.leave()
        self._end_waiting(frozenset({_FETCH}))
        self._in_flight.clear()
        if self._context is not None:
            self._context.broker.groups.expected.close(self._context)
        if self._timer is not None:
            self._timer.cancel()
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
        if self._lost is None:
            self._lost = asyncio.get_running_loop().create_future()
        self._end_waiting(_ENDED_BY_DRAIN)
        self._close_if_done()
        await asyncio.shield(self._lost)

    def abort(self) -> None:
        """Drop the client at once."""
        if self._transport is not None:
            self._transport.abort()

    # -- requests ----------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Take requests until something holds them up or there are none."""
        for _ in range(TURN_REQUEST_COUNT):
            if not self._requests or self._is_held_up(self._requests[0]):
                break
            frame = self._requests.popleft()
            assert self._context is not None
            try:
                self._begin(frame, answer(frame, self._context))
            except (BadFrame, MalformedRequest) as error:
                self._refuse(error)
            except Exception as error:
                self._fail(frame, error)
        else:
            self._hold(asyncio.ensure_future(asyncio.sleep(0)))
        self._mind_reading()
        self._close_if_done()

    def _is_held_up(self, frame: Frame) -> bool:
        if self._task is not None or self._room is not None or self._stuck_since is not None or self._transport is None:
            return True
        if frame.key != _PRODUCE:
            return bool(self._in_flight)
        if self._in_flight_size >= self._queue_size_max:
            return True
        assert self._context is not None
        self._room = self._context.broker.room()
        if self._room is not None:
            self._room.add_done_callback(self._found_room)
        return self._room is not None

    def _found_room(self, _: object) -> None:
        self._room = None
        self._go_on()

    def _hold(self, task: asyncio.Future[Any]) -> None:
        """Let the requests wait for this."""
        self._task = task
        task.add_done_callback(self._let_go)

    def _let_go(self, task: asyncio.Future[Any]) -> None:
        self._task = None
        self._settle()
        if not task.cancelled():
            task.exception()  # nobody is left to tell when the connection is closed
        self._go_on()

    def _begin(self, frame: Frame, response: Answer) -> None:
        if inspect.iscoroutine(response):
            task = asyncio.get_running_loop().create_task(response)
            self._enqueue(frame, task)
            self._hold(task)
        elif response is None or isinstance(response, bytes | list):
            if self._in_flight:
                self._enqueue(frame, response)
            else:
                self._write(frame, self._heard_at, response)
        else:
            self._enqueue(frame, cast(Later, response))
            if cast(Later, response).done():
                self._settle()
            else:
                cast(Later, response).add_done_callback(self._answered)

    def _enqueue(self, frame: Frame, response: Later | Response | None) -> None:
        self._in_flight.append(_Pending(frame, self._heard_at, response))
        self._in_flight_size += len(frame.data)

    def _answered(self, _: object) -> None:
        self._settle()
        if self._requests or self._paused or self._closing:
            self._go_on()

    def _settle(self) -> None:
        """Write all responses that are there, up to the first one that is not."""
        while self._in_flight:
            frame, began, response = self._in_flight[0]
            if response is not None and not isinstance(response, bytes | list):
                if not response.done():
                    return
                response = self._result(frame, response)
            if self._in_flight:  # a failure drops them all
                self._in_flight.popleft()
                self._in_flight_size -= len(frame.data)
                self._write(frame, began, response)

    def _result(self, frame: Frame, response: Later) -> Response | None:
        """What was answered; a failure leaves a hole in the order of the responses, so it ends the connection."""
        try:
            return response.result()
        except (asyncio.CancelledError, BadFrame, MalformedRequest) as error:
            refused: BaseException = error
            unexpected = False
        except Exception as error:
            refused, unexpected = error, True
        self._in_flight.clear()
        self._in_flight_size = 0
        if unexpected:
            self._fail(frame, refused)
        else:
            self._refuse(refused)
        return None

    def _write(self, frame: Frame, began: float, response: Response | None) -> None:
        if self._context is not None:
            requests_of(frame.key, self._context).answered(self._context.clock.monotonic() - began)
        if response is None or self._transport is None:
            return
        if isinstance(response, list):
            self._transport.writelines(response)
        else:
            self._transport.write(response)

    # -- flow --------------------------------------------------------------------------------------------------------

    def _mind_reading(self) -> None:
        """Read on only while no request waits for its turn."""
        if self._transport is None or self._closing or self._transport.is_closing():
            return
        held_up = bool(self._requests) or self._stuck_since is not None or not self._has_room()
        if held_up and not self._paused:
            self._transport.pause_reading()
        elif self._paused and not held_up:
            self._transport.resume_reading()
        self._paused = held_up

    def _has_room(self) -> bool:
        """Whether the request that is coming in may come; if it has to wait for others, `_go_on` is called then."""
        if self._task is not None:  # whose request may be large, and keeps its room
            return self._frames.wanted <= KAFKA_SMALL_REQUEST_SIZE
        return self._place.admits(self._frames.wanted, self._heard_at)

    def _give_way(self, reason: str) -> None:
        self._refuse(BadFrame(reason))

    def _refuse(self, error: BaseException) -> None:
        """The client did what cannot be: end its connection, and only that, once all before is answered."""
        if not self._closing:
            _log.info("closed a connection", extra={"reason": str(error), "protocol": "kafka"})
        self._close()

    def _fail(self, frame: Frame, error: BaseException) -> None:
        details = {"api": frame.key, "version": frame.version, "client": frame.client_id}
        _log.error("a request failed in an unexpected way", exc_info=error, extra=details)
        self._close()

    def _close(self) -> None:
        self._closing = True
        self._requests.clear()
        self._end_waiting(_ENDED_BY_DRAIN)
        self._close_if_done()

    def _close_if_done(self) -> None:
        busy = self._requests or self._in_flight or self._task is not None
        if self._closing and not busy and self._transport is not None and not self._transport.is_closing():
            self._transport.close()

    def _end_waiting(self, keys: frozenset[int]) -> None:
        """Cancel the request that holds up the others if it is one of these."""
        if self._task is not None and self._in_flight and self._in_flight[-1].frame.key in keys:
            self._task.cancel()

    # -- deadlines ---------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Drop a client that does not read its responses, and one that has been silent for too long."""
        if self._transport is None or self._context is None:
            return
        config, now = self._context.config, self._context.clock.monotonic()
        slow_s, idle_s = config.slow_reader_timeout_ms / 1000, config.idle_timeout_ms / 1000
        busy = self._in_flight or self._task is not None or self._requests
        if self._stuck_since is not None:
            if now - self._stuck_since >= slow_s:
                self._refuse(BadFrame(f"its responses were not read for {slow_s:g} seconds"))
                self._transport.abort()
        elif idle_s and not busy and now - self._heard_at >= idle_s:
            self._refuse(BadFrame(f"nothing came for {idle_s:g} seconds"))
        interval_s = min(slow_s, idle_s or slow_s) / _LOOKS_PER_TIMEOUT
        self._timer = asyncio.get_running_loop().call_later(interval_s, self._look)
