"""What is counted of HTTP requests: how many of each call, how long until their answers began, and which errors."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from logmq.errors import LogMQError
from logmq.protocols.http.context import context_of
from logmq.protocols.http.operations import Endpoint, Operation
from logmq.protocols.http.problems import problem_of


def counted(operation: Operation) -> Endpoint:
    """The call's endpoint, whose requests are counted under its method and path."""
    kind = f"{operation.method} {operation.path}"

    async def endpoint(request: Request) -> Response:
        context = context_of(request)
        requests = context.broker.metrics.http[kind]
        began = context.clock.monotonic()
        try:
            return await operation.endpoint(request)
        except LogMQError as error:
            requests.failed(problem_of(error).code)
            raise
        finally:
            requests.answered(context.clock.monotonic() - began)

    return endpoint
