"""Reading what a request says, within bounds, and writing answers as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response

from logmq.limits import HTTP_BODY_SILENCE_MAX_S, HTTP_BODY_TIME_MAX_S, HTTP_OBJECTS_MAX, HTTP_SMALL_BODY_SIZE
from logmq.protocols.http.body_room import claim_of
from logmq.protocols.http.context import context_of
from logmq.protocols.http.problems import BodyTooLarge, BodyTooSlow, InvalidInput, invalid_input

T = TypeVar("T")

JSON = "application/json"


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of a call: its fields are their names, types, bounds and defaults."""


Q = TypeVar("Q", bound=Query)


def query_of(request: HTTPConnection, kind: type[Q]) -> Q:
    """The parameters of the request. Raises: InvalidInput."""
    given = _parameters(request.scope["query_string"]) if request.scope["query_string"] else {}
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid_input(error) from None


def _parameters(query: bytes) -> dict[str, str]:
    """Names to texts. Raises: InvalidInput."""
    given: dict[str, str] = {}
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise InvalidInput("the parameters are not UTF-8") from None
    for name, text in pairs:
        if name in given:
            raise InvalidInput("the parameter is given twice", name)
        given[name] = text
    return given


async def chunks_of(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. Raises: BodyTooSlow, ClientDisconnect."""
    more = True
    while more:
        try:
            async with asyncio.timeout(HTTP_BODY_SILENCE_MAX_S):
                message = await request.receive()
        except TimeoutError:
            raise BodyTooSlow(f"no more of the body came within {HTTP_BODY_SILENCE_MAX_S:g} seconds") from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if chunk := message.get("body"):
            yield chunk
        more = message.get("more_body", False)


async def body_of(request: Request) -> bytes:
    """The whole body. Raises: BodyTooLarge, BodyTooSlow, Throttled, ClientDisconnect."""
    claim, clock = claim_of(request), context_of(request).clock
    deadline = clock.monotonic() + HTTP_BODY_TIME_MAX_S
    size_max = context_of(request).config.http_body_size_max_bytes
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > size_max:
        raise body_too_large(size_max)
    pieces, size = [], 0
    async for chunk in chunks_of(request):
        size += len(chunk)
        if size > size_max:
            raise body_too_large(size_max)
        if size > HTTP_SMALL_BODY_SIZE and clock.monotonic() > deadline:
            raise BodyTooSlow(f"the body did not come within {HTTP_BODY_TIME_MAX_S:g} seconds; send less at a time")
        claim.grow(size)
        pieces.append(chunk)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def body_too_large(size_max: int, what: str = "the body") -> BodyTooLarge:
    """The refusal of a body, or of the part of one that has to be held whole."""
    return BodyTooLarge(
        f"{what} has more than {size_max} bytes (http_body_size_max_bytes); send less at a time, or lines of JSON as"
        " application/x-ndjson, which may go on without end"
    )


def media_type_of(request: Request) -> str:
    """The type of the body, in lower case and without parameters; empty if the request does not say."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def json_of(request: Request, decoder: msgspec.json.Decoder[T]) -> T:
    """The body, decoded. Raises: InvalidInput, and as `body_of`."""
    return decoded(await body_of(request), decoder)


def decoded(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """JSON as what the decoder makes of it. Raises: InvalidInput."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise invalid_input(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise InvalidInput("the body is nested too deeply") from None


def check_utf8(data: bytes) -> None:
    """Strings that are kept as they are must be UTF-8, as all JSON is. Raises: InvalidInput."""
    try:
        if not data.isascii():
            data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the body is not UTF-8 (byte {error.start}); send bytes as base64") from None


def check_object_count(data: bytes) -> None:
    """A body of tiny objects takes many times its size once it is decoded. Raises: InvalidInput."""
    if data.count(b"{") > HTTP_OBJECTS_MAX:
        raise InvalidInput(f"the body has more than {HTTP_OBJECTS_MAX} objects; send less at a time")


def answer_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(content), status, headers, JSON)


__all__ = [
    "JSON", "ClientDisconnect", "Query", "answer_json", "body_of", "body_too_large", "check_object_count", "check_utf8",
    "chunks_of", "decoded", "json_of", "media_type_of",
    "query_of",
]  # fmt: skip
