"""What is counted of HTTP requests: how many of each call, how long until their answers began, and which errors."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from logmq.errors import LogMQError
from logmq.protocols.http.context import context_of
from logmq.protocols.http.operations import Endpoint, Operation
from logmq.protocols.http.problems import UNEXPECTED, Problem, problem_of


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
        except ClientDisconnect:
            raise
        except Exception:
            requests.failed(UNEXPECTED.code)
            raise
        finally:
            requests.answered(context.clock.monotonic() - began)

    return endpoint


def count_unmatched(request: Request, problem: Problem) -> None:
    """Count a request that no call is for; all of them together, since their paths are what clients make up."""
    requests = context_of(request).broker.metrics.http["Unmatched"]
    requests.count += 1
    requests.failed(problem.code)
