"""What the client of a WebSocket says: records to store.

    {"type": "produce", "id": 7, "records": [{"value": "hello"}]}
    {"type": "produced", "id": 7, "offsets": [{"partition": 0, "offset": 41}]}
    {"type": "problem", "id": 7, "code": "INVALID_INPUT", "title": ..., "status": 400, "detail": ..., "field": ...}

Answers come in the order of the messages. Several are stored at a time, so that one commit takes them together.
"""

from __future__ import annotations

import asyncio

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from logmq.errors import LogMQError
from logmq.limits import HTTP_SOCKET_MESSAGE_SIZE_MAX, HTTP_SOCKET_PRODUCES_MAX
from logmq.protocols.http.bodies import decoded
from logmq.protocols.http.context import Context
from logmq.protocols.http.live.events import problem_message
from logmq.protocols.http.problems import InvalidInput, problem_of
from logmq.protocols.http.records import NewRecord, Placed, produce

_NO_ID = msgspec.Raw(b"null")


class Produce(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="produce", tag_field="type"):
    """A message of a client."""

    records: list[NewRecord]
    id: msgspec.Raw = _NO_ID


class Produced(msgspec.Struct, frozen=True, tag="produced", tag_field="type"):
    """Its answer: the records are durable, at these offsets."""

    id: msgspec.Raw
    offsets: list[Placed]


class _Identified(msgspec.Struct, frozen=True):
    id: msgspec.Raw = _NO_ID


_PRODUCE = msgspec.json.Decoder(Produce)
_IDENTIFIED = msgspec.json.Decoder(_Identified)


class Conversation:
    """Listens to one WebSocket."""

    def __init__(self, socket: WebSocket, context: Context, topic_name: str, partition: int | None) -> None:
        """Records that name no partition go to `partition`."""
        self._socket = socket
        self._context = context
        self._topic_name = topic_name
        self._partition = partition
        self._answers: asyncio.Queue[asyncio.Task[bytes]] = asyncio.Queue(HTTP_SOCKET_PRODUCES_MAX)

    async def listen(self) -> None:
        """Take messages and answer them. Returns when the client is gone; cancelled it answers what it has taken."""
        answering = asyncio.ensure_future(self._answer())
        try:
            while (message := await self._socket.receive())["type"] != "websocket.disconnect":
                await self._take(message.get("text"))
        finally:
            await self._answers.join()
            answering.cancel()

    async def _take(self, text: str | None) -> None:
        """Begin to store a message. A large one is waited for, so that not many of them are held."""
        task = asyncio.ensure_future(self._store(text))
        await self._answers.put(task)
        if len(text or "") > HTTP_SOCKET_MESSAGE_SIZE_MAX // HTTP_SOCKET_PRODUCES_MAX:
            await asyncio.wait({task})

    async def _answer(self) -> None:
        while True:
            task = await self._answers.get()
            try:
                await self._socket.send_text((await task).decode())
            except (WebSocketDisconnect, RuntimeError):
                pass  # nobody wants to know any more; what was begun is stored all the same
            finally:
                self._answers.task_done()

    async def _store(self, text: str | None) -> bytes:
        """Carry a message out; returns the answer."""
        try:
            if text is None:
                raise InvalidInput("a message of bytes says nothing here; send text")
            message = decoded(text.encode(), _PRODUCE)
            if not message.records:
                raise InvalidInput("there is nothing to store", "records")
            placed = await produce(self._context, self._topic_name, message.records, partition=self._partition)
            return msgspec.json.encode(Produced(message.id, placed))
        except LogMQError as error:
            return problem_message(problem_of(error), _id_of(text))


def _id_of(text: str | None) -> msgspec.Raw:
    """The id of a message that may be wrong otherwise."""
    try:
        return _IDENTIFIED.decode(text or "").id
    except (msgspec.DecodeError, RecursionError):
        return _NO_ID
