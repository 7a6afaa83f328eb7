"""Version 3's stream: records come as concatenated JSON, and so do the reports on them.

A record is reported as soon as it is durable, so that a client may wait for it before it sends the next one. One that
is wrong does not keep the others from being stored: its report says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from logmq.errors import LogMQError
from logmq.limits import HTTP_RECORDS_AT_ONCE_MAX
from logmq.model import Format, Topic
from logmq.protocols.http.bodies import check_utf8, decoded
from logmq.protocols.http.context import Context, context_of
from logmq.protocols.http.new_records import Content, only_record
from logmq.protocols.http.partitioner import Choice
from logmq.protocols.http.producing import Placed, Sending, begin, choice_for, wait_for_room
from logmq.protocols.http.rest_proxy import v3
from logmq.protocols.http.rest_proxy.errors import EmptyBody, RestProxyError, error_of
from logmq.protocols.http.slices import ObjectSplitter, Slices, slices_of

_encode = msgspec.json.Encoder().encode
_RECORD = msgspec.json.Decoder(v3.Record)


class Delivery:
    """A record of a request, and what becomes of it: it goes with others in one `sending`, or there is an error."""

    __slots__ = ("content", "error", "number", "record", "sending", "sent_ms")

    def __init__(self, body: bytes) -> None:
        self.record = v3.Record()
        self.content = Content(None)
        self.error: LogMQError | None = None
        self.sending: Sending | None = None
        self.number = 0
        """Among the records that it goes with."""
        self.sent_ms = 0
        try:
            check_utf8(body)
            self.record = decoded(body, _RECORD)
            self.content = v3.content_of(self.record)
        except LogMQError as error:
            self.error = error


class Producer:
    """Stores the records of one request, slice by slice."""

    def __init__(self, context: Context, topic_name: str) -> None:
        self._context = context
        self._topic_name = topic_name
        self._choice: Choice | None = None

    async def store(self, bodies: Sequence[bytes]) -> bytes:
        """Store the records of a slice; returns the reports on them.

        Durability: those that are reported with 200 survive as the sync mode promises when it returns.
        """
        deliveries = [Delivery(body) for body in bodies]
        await self._begin([delivery for delivery in deliveries if delivery.error is None])
        placed: dict[Sending, list[Placed] | LogMQError] = {}
        for sending in {delivery.sending for delivery in deliveries if delivery.sending is not None}:
            await sending.appending
            try:
                placed[sending] = sending.placed()
            except LogMQError as error:
                placed[sending] = error
        return b"".join([self._report(delivery, placed) + b"\n" for delivery in deliveries])

    async def _begin(self, deliveries: Sequence[Delivery]) -> None:
        """Hand the records to the broker: all in one call, or one by one if something is wrong with one of them."""
        try:
            topic = await self._context.broker.ensure_topic(self._topic_name, format=Format.BATCH)
            await wait_for_room(self._context)
        except LogMQError as error:
            for delivery in deliveries:
                delivery.error = error
            return
        try:
            await self._send(topic, deliveries)
        except LogMQError:
            for delivery in deliveries:
                try:
                    await self._send(topic, [delivery])
                except LogMQError as error:
                    delivery.error = error

    async def _send(self, topic: Topic, deliveries: Sequence[Delivery]) -> None:
        """Raises: LogMQError: nothing is stored."""
        if not deliveries:
            return
        if self._choice is None:
            self._choice = choice_for(self._context, topic, None)
        now_ms = self._context.clock.now_ms()
        contents = [delivery.content for delivery in deliveries]
        sending = await begin(self._context, topic, contents, self._choice, only_record)
        for number, delivery in enumerate(deliveries):
            delivery.sending, delivery.number, delivery.sent_ms = sending, number, now_ms

    def _report(self, delivery: Delivery, placed: dict[Sending, list[Placed] | LogMQError]) -> bytes:
        places = delivery.error if delivery.sending is None else placed[delivery.sending]
        if not isinstance(places, list):
            assert places is not None, "a record without a sending has an error"
            return _encode(error_of(places))
        time_ms = delivery.sent_ms if delivery.content.timestamp_ms is None else delivery.content.timestamp_ms
        place = places[delivery.number]
        cluster_id = self._context.broker.cluster_id
        at = (place.partition, place.offset, time_ms)
        return _encode(v3.report_of(cluster_id, self._topic_name, delivery.record, delivery.content, at))


class Reports(Response):
    """The answer to records: it begins before the request has ended."""

    media_type = v3.MEDIA_TYPE

    def __init__(self, request: Request, topic_name: str) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._request = request
        self._context = context_of(request)
        self._producer = Producer(self._context, topic_name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, store and report, until the body ends or the client goes. Raises: RestProxyError, ClientDisconnect."""
        record_size_max = self._context.config.http_body_size_max_bytes
        async with slices_of(self._request, ObjectSplitter(), record_size_max) as slices:
            first = await _first(slices)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for reports in self._run(first, slices):
                await send({"type": "http.response.body", "body": reports, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _run(self, bodies: list[bytes], slices: Slices) -> AsyncIterator[bytes]:
        while bodies:
            for first in range(0, len(bodies), HTTP_RECORDS_AT_ONCE_MAX):
                yield await self._producer.store(bodies[first : first + HTTP_RECORDS_AT_ONCE_MAX])
            try:
                bodies = await slices.next()
            except ClientDisconnect:
                return
            except LogMQError as error:
                yield _encode(error_of(error)) + b"\n"
                return


async def _first(slices: Slices) -> list[bytes]:
    """The first records. Raises: RestProxyError, if there are none; ClientDisconnect."""
    try:
        if found := await slices.next():
            return found
        raise EmptyBody("the body is empty; it has to have at least one record")
    except LogMQError as error:
        raise RestProxyError(error, v3.MEDIA_TYPE) from error
