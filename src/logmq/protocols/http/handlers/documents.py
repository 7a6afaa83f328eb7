"""The API's own documentation: for programs, and for people."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from logmq.protocols.http.bodies import JSON
from logmq.protocols.http.operations import Operation

_STYLE = Path(__file__).parents[1] / "manual.css"
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


def document_routes(operations: Iterable[Operation]) -> list[BaseRoute]:
    """The routes of the documentation of these calls."""
    documents = Documents(tuple(operations))
    return [
        Route("/openapi.json", documents.show_openapi, methods=["GET"]),
        Route("/docs", documents.show_manual, methods=["GET"]),
        Route("/docs/style.css", documents.show_style, methods=["GET"]),
    ]


@dataclass(frozen=True, slots=True)
class _Texts:
    openapi: bytes
    manual: str
    base: str
    """What stands in it for the broker's URL."""
    style: bytes


class Documents:
    """Made when somebody first asks for one of them, in a thread: it takes a tenth of a second."""

    def __init__(self, operations: tuple[Operation, ...]) -> None:
        self._operations = operations
        self._texts: _Texts | None = None

    async def show_openapi(self, request: Request) -> Response:
        """The OpenAPI document."""
        return _answer(request, (await self._made()).openapi, JSON)

    async def show_manual(self, request: Request) -> Response:
        """The same as a page."""
        texts = await self._made()
        page = texts.manual.replace(texts.base, escape(str(request.base_url).rstrip("/")))
        return _answer(request, page.encode(), "text/html; charset=utf-8")

    async def show_style(self, request: Request) -> Response:
        """How the page looks."""
        return _answer(request, (await self._made()).style, "text/css; charset=utf-8")

    async def _made(self) -> _Texts:
        if self._texts is None:
            self._texts = await asyncio.to_thread(self._make)
        return self._texts

    def _make(self) -> _Texts:
        # Most brokers are never asked for these.
        from logmq.protocols.http.manual import BASE, manual_of  # noqa: PLC0415
        from logmq.protocols.http.openapi import openapi_of  # noqa: PLC0415

        document = openapi_of(self._operations)
        return _Texts(msgspec.json.encode(document), manual_of(document), BASE, _STYLE.read_bytes())


def _answer(request: Request, content: bytes, content_type: str) -> Response:
    """The content, or that the client has it already."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    headers |= {"Content-Type": content_type, "Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
    return Response(content, headers=headers)
