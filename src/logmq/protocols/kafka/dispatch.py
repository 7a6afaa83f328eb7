"""From a request to its handler, and from what the handler returns to the bytes of the response."""

from __future__ import annotations

import asyncio
import inspect
import logging
import struct
from collections.abc import Callable, Coroutine
from functools import cache
from importlib import import_module
from typing import Any, Protocol, TypeAlias

from kio.schema.errors import ErrorCode

from logmq.limits import KIB
from logmq.protocols.kafka.api import APIS
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.counting import count_error, counted
from logmq.protocols.kafka.framing import BadFrame, Frame, respond
from logmq.protocols.kafka.messages import Fields, read_request, write_response

_log = logging.getLogger(__name__)

Response: TypeAlias = bytes | list[bytes]
"""A whole response; a large one in pieces, so that the records in it are not copied once more."""


class Later(Protocol):
    """A response that is under way, such as an asyncio.Task."""

    def done(self) -> bool:
        """Whether it is there."""
        ...

    def result(self) -> Response | None:
        """The response once it is there; None where the client wants none. Raises: BadFrame: close the connection."""
        ...

    def add_done_callback(self, callback: Callable[[Any], object], /) -> None:
        """Call `callback` when it is there."""
        ...


Answer: TypeAlias = Response | Later | Coroutine[Any, Any, Response | None] | None
"""A response at once or later; None where the client wants none (Produce with acks=0)."""

_API_VERSIONS = 18
_ERROR_ONLY = struct.Struct(">h")

LARGE_REQUEST_SIZE = 64 * KIB
"""A request that is read by kio and larger than this is read, and its response written, in a thread: that can take
a second, during which others must have their turn."""


@cache
def _handler(key: int) -> Any:
    return import_module(f"logmq.protocols.kafka.handlers.{APIS[key].name}")


def answer(frame: Frame, context: Context) -> Answer:
    """Answer a request.

    A handler's module has either `handle(request, context)`, which returns the response's fields or a coroutine for
    them, or, where speed counts, `handle_frame(frame, context)`, which returns an `Answer`.

    Raises: MalformedRequest, BadFrame: the connection must be closed.
    """
    if not frame.supported:
        return _refuse(frame, context)
    module = _handler(frame.key)
    if hasattr(module, "handle_frame"):
        answered: Answer = module.handle_frame(frame, context)
        return answered
    if len(frame.data) > LARGE_REQUEST_SIZE:
        return _answer_large(frame, module, context)
    request = read_request(frame.key, frame.version, frame.data, frame.position)
    fields = module.handle(request, context)
    if inspect.iscoroutine(fields):
        return _later(frame, fields, context)
    return _response(frame, counted(frame.key, fields, context))


async def _later(frame: Frame, fields: Coroutine[Any, Any, Fields], context: Context) -> bytes:
    return _response(frame, counted(frame.key, await fields, context))


async def _answer_large(frame: Frame, module: Any, context: Context) -> bytes:
    fields = module.handle(await read_in_thread(frame), context)
    if inspect.iscoroutine(fields):
        fields = await fields
    return await asyncio.to_thread(_response, frame, counted(frame.key, fields, context))


async def read_in_thread(frame: Frame) -> Any:
    """A large request's body. Raises: MalformedRequest."""
    return await asyncio.to_thread(read_request, frame.key, frame.version, frame.data, frame.position)


def _response(frame: Frame, fields: Fields) -> bytes:
    return respond(frame, write_response(frame.key, frame.version, fields))


def _refuse(frame: Frame, context: Context) -> bytes:
    """ApiVersions in an unknown version is answered in version 0's form; nothing can be said about other unknown APIs
    but an error code, which is where most responses have it. Source: KIP-511."""
    count_error(frame.key, ErrorCode.unsupported_version, context)
    if frame.key == _API_VERSIONS:
        module = _handler(_API_VERSIONS)
        return respond(frame, write_response(_API_VERSIONS, 0, module.response(ErrorCode.unsupported_version)))
    if frame.key not in APIS and frame.key < 0:
        raise BadFrame(f"there is no API {frame.key}")
    _log.info("refused a request", extra={"api": frame.key, "version": frame.version, "client": frame.client_id})
    return respond(frame, _ERROR_ONLY.pack(ErrorCode.unsupported_version.value))
