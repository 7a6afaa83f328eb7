"""One client of the text protocol: the rim between its transport and the broker.

    chunk --> parser --> requests, one by one --> broker --> answers, in the order of the requests

Appends overlap: runs of PRODUCE lines go to the broker back to back, and their answers follow as they are committed.
A chunk that is a single PRODUCE line is gathered with those of other clients (gathering.py) if nothing is under way.
Every other request waits until all appends before it are answered, so that a client reads what it has written, and
holds up those behind it until it is answered itself.

While something holds up the requests (a task, a full queue, a client that does not read its answers) the transport
does not read on. So what is kept for a client is bounded: a chunk, a message, and the queue.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from enum import Enum
from typing import Any, cast

from logmq.broker.broker import Broker
from logmq.clock import Clock
from logmq.errors import LogMQError, UnknownTopic
from logmq.limits import READ_SIZE
from logmq.model import Format
from logmq.protocols.text import producing
from logmq.protocols.text.answers import BYE, code_of, error_line
from logmq.protocols.text.deadlines import ConnectionLimits, Deadlines, Overdue, Situation
from logmq.protocols.text.errors import IdleTooLong, RequestTooSlow
from logmq.protocols.text.gathering import Gatherer
from logmq.protocols.text.handlers import AWAITED, IMMEDIATE
from logmq.protocols.text.outlet import Outlet
from logmq.protocols.text.parser import Parser
from logmq.protocols.text.reading import ConsumeRun, Cursor, Reading, Step, Stream, resolve
from logmq.protocols.text.requests import (
    KINDS,
    Blank,
    Consume,
    ConsumeEdge,
    ConsumeMany,
    Follow,
    Invalid,
    Produce,
    Quit,
    Request,
)

__all__ = ["ConnectionLimits", "TextConnection"]

_log = logging.getLogger(__name__)

TURN_REQUEST_COUNT = 256
"""Requests taken in one go (or until their answers fill a read), before other clients get their turn: a chunk can hold
a hundred thousand."""

BURST_STEP_COUNT = 32
"""Steps of a reading taken in one go, before other clients get their turn."""

_UNEXPECTED = LogMQError("the broker failed in a way that it did not expect; its log says how")
_NO_FAILURES: Mapping[str, LogMQError] = {}


LINGER_S = 1.0
"""How long a client that still sends may go on after it was told that no more comes."""


class _Ending(Enum):
    NOT = "not"
    """Requests are taken."""
    EOF = "eof"
    """The client will send no more: answer all that it sent, then close."""
    CLOSE = "close"
    """Take no more requests: answer those that were begun, then close."""


class TextConnection(asyncio.Protocol):
    """A client's connection, from `connection_made` to `connection_lost`.

    `on_lost` is called once when the connection is gone.
    """

    __slots__ = (
        "_broker", "_clock", "_cursor", "_deadlines", "_ending", "_following", "_gatherer", "_heard", "_held",
        "_limits", "_lingering", "_loop", "_lost", "_on_lost", "_outlet", "_parser", "_reading_paused", "_row",
        "_task", "_timer", "_transport", "_waits",
    )  # fmt: skip

    def __init__(
        self,
        broker: Broker,
        limits: ConnectionLimits,
        *,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        on_lost: Callable[[TextConnection], None] | None = None,
        gatherer: Gatherer | None = None,
    ) -> None:
        self._broker = broker
        self._gatherer = gatherer or Gatherer(broker, loop)
        self._limits = limits
        self._loop = loop
        self._clock = clock
        self._on_lost = on_lost
        self._deadlines = Deadlines(limits, clock.monotonic())
        self._heard = False
        """Whether anything came since the last look at the deadlines."""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = Parser(self._message_size_max)
        self._outlet = Outlet()
        self._cursor: Cursor | None = None
        self._reading_paused = False
        self._ending = _Ending.NOT
        self._lingering = False
        self._lost: asyncio.Future[None] | None = None
        """Done when the connection is gone, for whoever waits for that."""

        self._row = producing.Row()
        """Appends that are not answered, in order."""
        self._held: Request | None = None
        """The next request, which has to wait."""
        self._task: asyncio.Task[None] | None = None
        """What holds up the requests: something that takes longer."""
        self._following: Stream | None = None
        """What the task does if it is a FOLLOW; `_waits` while it waits for messages."""
        self._waits = False

    # -- called by the transport -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._outlet.open(self._transport)
        self._timer = self._loop.call_later(self._limits.look_interval_s, self._look)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        self._heard = True
        if self._ending is not _Ending.NOT:
            return
        if self._is_at_rest() and self._gatherer.take(data, self):
            self._row.gathered = True
            return
        self._parser.feed(data)
        if self._following is not None:
            self._listen()
            self._adjust_reading()
        elif self._is_held_up():
            self._pause_reading()
        else:
            self._go_on()

    def eof_received(self) -> bool:
        """The client will send no more. Returns whether the transport stays open, to answer what it has sent."""
        if self._lingering:
            return False
        if self._ending is _Ending.NOT:
            self._ending = _Ending.EOF
            if self._following is not None:
                self._following.finish_at_end()
                if self._waits and self._task is not None:
                    self._task.cancel()
        self._go_on()
        # TLS cannot close one side only.
        return self._transport is not None and self._transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        self._outlet.pause()

    def resume_writing(self) -> None:
        """There is room for answers again."""
        if not self._outlet.resume():
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone. What is being stored goes its way; what only reads is stopped."""
        self._transport = None
        self._outlet.close()
        self._held = None
        self._row.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._following is not None and self._task is not None:
            self._task.cancel()
        self._outlet.resume()  # a reading that waits for room sees that there is nobody to read for
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)
        if self._on_lost is not None:
            self._on_lost(self)

    # -- called by the server ----------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Answer what was begun and close; returns when the connection is gone.

        A client that does not read can hold this up: `abort` after a while.
        """
        if self._transport is None:
            return
        if self._lost is None:
            self._lost = self._loop.create_future()
        self._held = None
        self._ending = _Ending.CLOSE
        if self._following is not None and self._task is not None:
            self._task.cancel()
        self._go_on()
        await asyncio.shield(self._lost)

    def abort(self) -> None:
        """Drop the client at once, with all that it has not read."""
        if self._transport is not None:
            self._transport.abort()

    # -- requests ----------------------------------------------------------------------------------------------------

    def _is_at_rest(self) -> bool:
        """Whether all that the client has sent is answered."""
        return not (self._row or self._task or self._held or self._outlet.full or self._parser.is_busy)

    def _is_held_up(self) -> bool:
        return self._task is not None or self._held is not None or self._outlet.full

    def _go_on(self) -> None:
        """Take requests until something holds them up or there are none."""
        if self._transport is None:
            return
        self._take_requests()
        self._outlet.flush()
        if self._following is not None:
            self._listen()
        if self._ending is not _Ending.NOT:
            self._close_if_done()
        elif self._reading_paused or self._is_held_up():
            self._adjust_reading()

    def _take_requests(self) -> None:
        turn_end = self._outlet.written + READ_SIZE
        for _ in range(TURN_REQUEST_COUNT):
            if self._task is not None or self._outlet.full:
                return
            if self._outlet.written > turn_end:
                break
            request, self._held = self._held, None
            if request is None and self._ending is not _Ending.CLOSE:
                request = self._parser.next_request()
            if request is None:
                return
            self._take(request)
            if self._held is not None:
                return
        if self._task is None and self._ending is not _Ending.CLOSE:
            self._start(asyncio.sleep(0))

    def _take(self, request: Request) -> None:
        """Answer a request, start what will, or hold it back."""
        if type(request) is Produce:
            if self._row.size >= self._limits.queue_size_max_bytes:
                self._held = request
            else:
                self._produce(request)
        elif type(request) is Blank:
            pass
        elif self._row:
            self._held = request
        else:
            self._answer(request)

    def _answer(self, request: Request) -> None:
        """Answer a request that is not a PRODUCE, or start what will."""
        counted = self._broker.metrics.text[KINDS[type(request)]]
        counted.count += len(request.offsets) if type(request) is Consume else 1
        try:
            match request:
                case Consume(partition, offsets):
                    self._read(ConsumeRun(self._open_cursor(), partition, offsets))
                case Invalid(error):
                    self._refuse(request, error)
                case ConsumeEdge(partition, edge):
                    offset = resolve(self._broker, partition, edge)
                    self._read(ConsumeRun(self._open_cursor(), partition, [offset]))
                case ConsumeMany(partition, start, count):
                    self._read(Stream(self._broker, partition, start, count))
                case Follow(partition, start):
                    self._follow(Stream(self._broker, partition, start, None))
                case Quit():
                    self._outlet.write(BYE)
                    self._ending = _Ending.CLOSE
                case _ if type(request) in IMMEDIATE:
                    self._outlet.write(IMMEDIATE[type(request)](self._broker, request))
                case _:
                    self._start(self._answer_later(request))
        except LogMQError as error:
            self._refuse(request, error)
        except Exception:
            _log.exception("a request failed in an unexpected way")
            self._refuse(request, _UNEXPECTED)

    async def _answer_later(self, request: Request) -> None:
        try:
            self._outlet.write(await AWAITED[type(request)](self._broker, request))
        except LogMQError as error:
            self._refuse(request, error)

    def _refuse(self, request: Request, error: LogMQError) -> None:
        self._broker.metrics.text[KINDS[type(request)]].failed(code_of(error))
        self._outlet.write(error_line(error))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let the requests wait for this."""
        assert self._task is None
        self._task = self._loop.create_task(work)
        self._task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._task = None
        following, self._following = self._following, None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("a request failed in an unexpected way", exc_info=error)
            self._outlet.write(error_line(_UNEXPECTED))
        elif task.cancelled() and following is not None:
            self._outlet.write(following.finish())
        self._go_on()

    # -- appending ---------------------------------------------------------------------------------------------------

    def _produce(self, request: Produce) -> None:
        room = self._broker.room()
        if room is not None:
            self._held = request
            self._start(_wait_for(room))
            return
        verdicts = producing.examine(self._broker, request, _NO_FAILURES)
        if UnknownTopic in map(type, verdicts):
            unknown = [verdict.topic for verdict in verdicts if isinstance(verdict, UnknownTopic)]
            self._start(self._create_topics(request, unknown))
        else:
            self._send(request, verdicts)

    def _send(self, request: Produce, verdicts: list[producing.Verdict]) -> None:
        self._gatherer.flush()  # the client may have a message there
        sending = producing.send(self._broker, request, verdicts)
        self._broker.metrics.text["PRODUCE"].count += sum(map(len, request.payloads))
        self._row.add(sending)
        if sending.future is None or sending.future.done():
            self._settle()
        else:
            sending.future.add_done_callback(self._appended)

    async def _create_topics(self, request: Produce, names: list[str]) -> None:
        """The first messages to a topic create it."""
        failures: dict[str, LogMQError] = {}
        for name in names:
            try:
                await self._broker.ensure_topic(name, format=Format.PLAIN)
            except LogMQError as error:
                failures[name] = error
        if self._transport is not None:
            self._send(request, producing.examine(self._broker, request, failures))

    def answered(self, answer: bytes) -> None:
        """Answer a message that was gathered, which is the first of what is under way."""
        if self._transport is not None:
            self._row.gathered = False
            self._outlet.write(answer)
            self._go_on_behind_append()

    def _appended(self, _future: object) -> None:
        if self._transport is not None:
            self._go_on_behind_append()

    def _go_on_behind_append(self) -> None:
        self._settle()
        if self._held is not None or self._reading_paused or self._ending is not _Ending.NOT:
            self._go_on()
        else:
            self._outlet.flush()

    def _settle(self) -> None:
        """Answer all appends that are done, up to the first one that is not."""
        for answers in self._row.take_answers():
            if b"E" in answers:  # no OK line has that letter
                self._count_errors(answers)
            self._outlet.write(answers)

    def _count_errors(self, answers: bytes) -> None:
        for line in answers.splitlines():
            if line.startswith(b"ERR "):
                self._broker.metrics.text["PRODUCE"].failed(line.split(b" ", 2)[1].decode())

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read(self, reading: Reading) -> None:
        """Answer at once as far as that goes without waiting, and let a task do the rest."""
        need = self._burst(reading)
        if need is not Step.DONE:
            self._start(self._serve(reading, need))

    def _follow(self, stream: Stream) -> None:
        self._read(stream)
        if self._task is not None:
            self._following = stream

    def _burst(self, reading: Reading) -> Step | None:
        """Take some steps. Returns what the next one needs; None: only room, and that others have their turn."""
        size = 0
        for _ in range(BURST_STEP_COUNT):
            progress = reading.step()
            if isinstance(progress, Step):
                return progress
            self._outlet.write(progress)
            size += len(progress)
            if self._outlet.full or size >= READ_SIZE:
                break
        return None

    async def _serve(self, reading: Reading, need: Step | None) -> None:
        while need is not Step.DONE and self._transport is not None:
            self._outlet.flush()
            try:
                if need is None:
                    await self._outlet.room()
                elif need is Step.READ:
                    reading.take(await self._broker.read(reading.partition, reading.offset, reading.size))
                else:
                    await self._wait(reading)
            except LogMQError as error:
                reading.fail(error)
            need = self._burst(reading)

    async def _wait(self, reading: Reading) -> None:
        """Wait for messages. When the client closes its side, that ends the waiting, not the reading."""
        if self._has_heard_all():
            return
        self._waits = True
        try:
            await self._broker.wait(reading.partition, reading.offset, None)
        except asyncio.CancelledError:
            if not self._has_heard_all():
                raise
        finally:
            self._waits = False

    def _has_heard_all(self) -> bool:
        return self._ending is _Ending.EOF and self._transport is not None

    def _listen(self) -> None:
        """During a FOLLOW: the next line ends it."""
        if self._held is None and self._ending is not _Ending.CLOSE:
            self._held = self._parser.next_request()
        if self._task is not None and (self._held is not None or self._parser.awaits_body):
            self._task.cancel()

    def _open_cursor(self) -> Cursor:
        if self._cursor is None:
            self._cursor = Cursor(self._broker)
        return self._cursor

    def _message_size_max(self, topic: str) -> int:
        try:
            return self._broker.topic(topic).settings.message_size_max_bytes
        except LogMQError:
            return self._limits.message_size_max_bytes

    # -- the transport -----------------------------------------------------------------------------------------------

    def _adjust_reading(self) -> None:
        """Read on if nothing holds up the requests, or if a line would end a FOLLOW."""
        if not self._is_held_up() or (self._following is not None and self._held is None):
            self._resume_reading()
        elif self._held is not None or self._parser.has_input:
            self._pause_reading()

    def _pause_reading(self) -> None:
        if not self._reading_paused and self._transport is not None and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and self._transport is not None and not self._transport.is_closing():
            self._reading_paused = False
            self._transport.resume_reading()

    def _close_if_done(self) -> None:
        """Close when everything is answered that will be."""
        if self._is_held_up() or self._row or self._transport is None or self._transport.is_closing():
            return
        if self._lingering:
            return
        client_is_done = self._ending is _Ending.EOF
        if client_is_done:
            unfinished = self._parser.end()
            if isinstance(unfinished, Invalid):
                self._refuse(unfinished, unfinished.error)
        self._ending = _Ending.CLOSE
        self._outlet.flush()
        if client_is_done or not self._heard or not self._transport.can_write_eof():
            self._transport.close()
        else:
            self._linger(self._transport)

    def _linger(self, transport: asyncio.Transport) -> None:
        """Say that no more comes, and read on for a moment before closing.

        Closing a socket with unread input resets it, and takes away answers that the client has not read yet.
        Source: RFC 1122 4.2.2.13.
        """
        self._lingering = True
        transport.write_eof()
        if self._reading_paused:
            self._reading_paused = False
            transport.resume_reading()
        self._loop.call_later(LINGER_S, transport.close)

    # -- deadlines ---------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """See whether the client has let a deadline pass, every few seconds."""
        if self._transport is None:
            return
        overdue = self._deadlines.look(self._clock.monotonic(), self._situation(self._transport))
        if not self._heard:
            self._cursor = None  # whoever says nothing holds no messages
        self._heard = False
        self._timer = self._loop.call_later(self._limits.look_interval_s, self._look)
        if overdue is Overdue.ANSWERS:
            self._transport.abort()
        elif overdue is Overdue.REST:
            self._dismiss(RequestTooSlow(self._limits.body_timeout_ms))
        elif overdue is Overdue.REQUEST:
            self._dismiss(IdleTooLong(self._limits.idle_timeout_ms))

    def _situation(self, transport: asyncio.Transport) -> Situation:
        return Situation(
            heard=self._heard,
            busy=self._task is not None or bool(self._row),
            stuck=self._outlet.full or transport.is_closing(),
            stuck_count=self._outlet.full_count,
            begun=not self._reading_paused,
            begun_count=self._parser.begun_count,
            pending_size=self._parser.pending_size,
            awaits_body=self._parser.awaits_body,
        )

    def _dismiss(self, error: LogMQError) -> None:
        """Say why, and close; what was sent before is answered first."""
        if self._ending is _Ending.NOT and not self._is_held_up():
            self._held = Invalid(error)
            self._ending = _Ending.CLOSE
            self._go_on()


async def _wait_for(future: asyncio.Future[None]) -> None:
    """Wait for what others wait for too: not `await`, which would hand a cancellation on to it."""
    await asyncio.wait([future])
