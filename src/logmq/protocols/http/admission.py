"""What every call refuses alike, before its handler sees the request: by its line in the table."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from logmq.protocols.http.bodies import JSON, Query, media_type_of, query_of
from logmq.protocols.http.media_types import wanted_type
from logmq.protocols.http.operations import Endpoint, Operation
from logmq.protocols.http.problems import UnsupportedMediaType

_TAKEN_FOR_JSON = frozenset({"", JSON, "application/x-www-form-urlencoded"})
"""`curl -d` says that its body is a form. A form that a page of another site sends cannot be JSON, and is `text/plain`
if it is to look like it, which is refused."""
_PROBES = frozenset({"/healthz", "/readyz"})
"""Load balancers ask for all sorts of types and look at the status alone."""
_NO_CONTENT = 204


def admitted(operation: Operation) -> Endpoint:
    """The call's endpoint, which is only asked for what it takes and gives."""
    takes_json = operation.body is not None and operation.body_types == (JSON,)
    offered = () if operation.status == _NO_CONTENT or operation.path in _PROBES else operation.answer_types

    async def endpoint(request: Request) -> Response:
        if operation.query is None and request.scope["query_string"]:
            query_of(request, Query)
        if operation.body is not None:
            _check_body(request, takes_json=takes_json)
        if offered:
            wanted_type(request, offered)
        return await operation.endpoint(request)

    return endpoint


def _check_body(request: Request, *, takes_json: bool) -> None:
    """Raises: UnsupportedMediaType."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedMediaType(f"the body is compressed ({encoding[:40]}); send it as it is", "content-encoding")
    kind = media_type_of(request)
    if takes_json and kind not in _TAKEN_FOR_JSON and not kind.endswith("+json"):
        raise UnsupportedMediaType(f"this takes application/json, not {kind[:80]}", "content-type")
