"""Errors as the REST Proxy says them.

{"error_code": 40402, "message": "..."}      the code is a status, or one with two digits behind it
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from logmq import errors
from logmq.protocols.http.problems import Fault, Rendered, RequestProblem, problem_of


class ErrorAnswer(msgspec.Struct, frozen=True):
    """An error, in both versions."""

    error_code: int
    message: str


class EmptyBody(RequestProblem):
    """There is nothing to be stored."""

    status, code = 422, "EMPTY_BODY"


class NeedsSchema(RequestProblem):
    """A format whose bytes depend on a schema."""

    status, code = 422, "NEEDS_SCHEMA"


class RestProxyError(Rendered):
    """An error in the REST Proxy's form."""

    def __init__(self, cause: errors.LogMQError, media_type: str) -> None:
        super().__init__(cause, problem_of(cause).field)
        self._media_type = media_type

    def answer(self) -> Response:
        """See `Rendered.answer`."""
        error = error_of(self.cause)
        status = error.error_code if error.error_code < _LONG_CODE else error.error_code // 100
        return Response(msgspec.json.encode(error), status, media_type=self._media_type)


_LONG_CODE = 1000
_CODES: Mapping[type[errors.LogMQError], int] = {
    errors.UnknownTopic: 40401,
    errors.UnknownPartition: 40402,
    errors.InternalTopic: 40301,
    NeedsSchema: 42207,
    RequestProblem: 0,
    errors.MessageTooLarge: 413,
    errors.RequestError: 40002,
    errors.Throttled: 429,
    errors.RetriableError: 50003,
    errors.LogMQError: 50002,
}
"""The nearest class of an error counts; 0 is the error's own status."""


def error_of(error: errors.LogMQError) -> ErrorAnswer:
    """An error as the REST Proxy says it."""
    problem = problem_of(error)
    while isinstance(error, Fault):
        error = error.cause
    code = next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES) or problem.status
    where = f" ({problem.field})" if problem.field and problem.field not in problem.detail else ""
    return ErrorAnswer(code, problem.detail + where)
