"""The front page: the web console for browsers, and for curl a list of the calls.

The console's files are built from `console/` in the sources and lie in the directory beside this module. Names of
assets change with their content, so browsers keep them for ever; the page that names them is asked for each time. The
policy that goes with it lets nothing run, load or be asked but from this broker: even a message that got into the page
as markup could do nothing there.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from logmq.protocols.http.operations import Endpoint, Operation

_DIRECTORY = Path(__file__).parent / "console"
_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept, Accept-Encoding",
}
_ASSET_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": _POLICY,
    "Vary": "Accept-Encoding",
}


def console_routes(operations: Iterable[Operation]) -> list[BaseRoute]:
    """The routes of the console. `operations` are what the list for curl names."""
    return [
        Route("/", _front_page(operations), methods=["GET"]),
        Route("/console/assets/{name}", _show_asset, methods=["GET"]),
    ]


def _front_page(operations: Iterable[Operation]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse(_list_of(request, operations), headers={"Vary": "Accept"})
        page = _files().get("index.html")
        if page is None:
            return PlainTextResponse(
                "The console is not built: `make console` does it in the sources. Without it, curl has all there is.\n",
                status_code=503,
            )
        return _answer(request, page, _PAGE_HEADERS)

    return endpoint


async def _show_asset(request: Request) -> Response:
    file = _files().get(f"assets/{request.path_params['name']}")
    if file is None:
        # A page of an earlier version asks for it: reloaded, it names the ones that are there.
        return PlainTextResponse("There is no such file of the console; load its page again.\n", status_code=404)
    return _answer(request, file, _ASSET_HEADERS)


@dataclass(frozen=True, slots=True)
class _File:
    content_type: str
    content: bytes
    packed: bytes


@cache
def _files() -> Mapping[str, _File]:
    """All files of the console by their names, read and compressed once: some 50 KB."""
    return {
        str(path.relative_to(_DIRECTORY)): _File(
            _CONTENT_TYPES[path.suffix], content := path.read_bytes(), gzip.compress(content, mtime=0)
        )
        for path in _DIRECTORY.rglob("*")
        if path.suffix in _CONTENT_TYPES
    }


def _answer(request: Request, file: _File, headers: Mapping[str, str]) -> Response:
    packed = "gzip" in request.headers.get("accept-encoding", "")
    more = {"Content-Encoding": "gzip"} if packed else {}
    return Response(
        file.packed if packed else file.content, headers={**headers, **more, "Content-Type": file.content_type}
    )


def _list_of(request: Request, operations: Iterable[Operation]) -> str:
    lines = [f"{each.method:<6} {each.path:<36} {each.summary}" for each in operations]
    base = str(request.base_url).rstrip("/")
    return "\n".join(
        [
            "LogMQ over HTTP. This page in a browser is the console; /docs has these calls with their parameters.",
            "",
            *lines,
            "",
            f"Try  curl {base}/topics/greetings/records -H 'Content-Type: text/plain' -d hello",
            f"     curl '{base}/topics/greetings/records?offset=earliest'",
            "",
        ]
    )
