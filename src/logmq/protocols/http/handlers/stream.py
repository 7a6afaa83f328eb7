"""A topic as it grows: Server-Sent Events, and the same over a WebSocket, which can also produce."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from logmq.errors import LogMQError
from logmq.limits import LIVE_RATE_MAX
from logmq.protocols.http.bodies import Query, query_of
from logmq.protocols.http.context import context_of
from logmq.protocols.http.live.conversation import Conversation
from logmq.protocols.http.live.events import SERVER_SENT_EVENTS, SOCKET_MESSAGES, EventFormat
from logmq.protocols.http.live.hub import Hub, Wanted, hub_of
from logmq.protocols.http.live.start import Start, at_offset, behind, followed
from logmq.protocols.http.live.subscription import End, Subscription
from logmq.protocols.http.outlet import Outlet, outlet_of
from logmq.protocols.http.problems import answer_error
from logmq.protocols.http.reading import LATEST
from logmq.protocols.http.socket_connection import SocketOutlet
from logmq.protocols.http.stored_records import Values

_GOING_AWAY, _POLICY, _FAILED = 1001, 1008, 1011
_LAST_TIME_MAX_S = 1.0
"""How long the end of a stream may wait for a client to take what is before it."""


class StreamQuery(Query, frozen=True):
    """Which records, and how many of them."""

    offset: Annotated[
        str,
        Meta(description="where to begin: a number, earliest, latest, -10 (the last ten), @<ms> or an ISO time"),
    ] = LATEST
    partition: Annotated[int, Meta(ge=0, description="all of them if none is given")] | None = None
    values: Annotated[Values, Meta(description="json gives values that are JSON as JSON")] = "text"
    rate_max: (
        Annotated[
            int, Meta(ge=1, le=LIVE_RATE_MAX, description="records a second at most; the others are skipped evenly")
        ]
        | None
    ) = None
    after: Annotated[str, Meta(description="the id of an event to go on behind, as Last-Event-ID")] | None = None


class Opening:
    """What a subscriber asked for, checked."""

    def __init__(self, connection: HTTPConnection, hub: Hub, wanted: Wanted, start: Start) -> None:
        self._context = context_of(connection)
        self.hub = hub
        self.wanted = wanted
        self._start = start

    def subscribe(self, outlet: Outlet) -> Subscription:
        """Begin."""
        return Subscription(self._context, self.hub, self.wanted, self._start, outlet)


async def _open(connection: HTTPConnection, query: StreamQuery, format: EventFormat) -> Opening:
    """Find out where to begin. Raises: LogMQError."""
    context, hub = context_of(connection), hub_of(connection)
    topic = context.broker.topic(connection.path_params["topic"])
    wanted = Wanted(topic, query.partition, query.values, query.rate_max, format)
    last_id = connection.headers.get("last-event-id") or query.after
    if last_id is not None:
        start = behind(context, topic, query.partition, last_id)
    elif query.offset == LATEST:
        followed(topic, query.partition)
        start = Start(hub.tail(wanted), [])
    else:
        start = await at_offset(context, topic, query.partition, query.offset)
    return Opening(connection, hub, wanted, start)


# -- Server-Sent Events ----------------------------------------------------------------------------------------------


async def stream(request: Request) -> Response:
    """Records as they come, without end."""
    return EventStream(await _open(request, query_of(request, StreamQuery), SERVER_SENT_EVENTS))


class EventStream(Response):
    """Head and end of the answer by ASGI, what is between by the connection's outlet."""

    media_type = "text/event-stream"

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self.status_code = 200
        self.background = None
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the client leaves, the broker stops, or there is nothing to go on from."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] != "HEAD":
            await self._stream(outlet_of(scope), receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stream(self, outlet: Outlet, receive: Receive) -> None:
        async with self._opening.subscribe(outlet) as subscription:
            gone = asyncio.ensure_future(_disconnected(receive))
            try:
                await _first_of(gone, subscription.ended, self._opening.hub.stopping)
            finally:
                gone.cancel()
        too_slow = subscription.ended.done() and subscription.ended.result() is End.TOO_SLOW
        if too_slow or not await outlet.drained(_LAST_TIME_MAX_S):
            outlet.abort()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first_of(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


# -- WebSocket -------------------------------------------------------------------------------------------------------


async def stream_socket(socket: WebSocket) -> None:
    """Records as they come, and answers to what the client produces."""
    try:
        query = query_of(socket, StreamQuery)
        opening = await _open(socket, query, SOCKET_MESSAGES)
    except LogMQError as error:
        await socket.send_denial_response(answer_error(error))
        return
    await socket.accept()
    outlet = outlet_of(socket.scope)
    assert isinstance(outlet, SocketOutlet)
    async with opening.subscribe(outlet) as subscription:
        conversation = Conversation(socket, context_of(socket), opening.wanted.topic.name, query.partition)
        listening = asyncio.ensure_future(conversation.listen())
        await _first_of(listening, subscription.ended, opening.hub.stopping)
    if subscription.ended.done() and subscription.ended.result() is End.TOO_SLOW:
        outlet.close(_POLICY, "too slow")
    listening.cancel()
    await asyncio.wait({listening}, timeout=_LAST_TIME_MAX_S)
    if subscription.ended.done():
        outlet.close(_FAILED, "nothing to go on from")
    else:
        outlet.close(_GOING_AWAY, "the broker stops")
