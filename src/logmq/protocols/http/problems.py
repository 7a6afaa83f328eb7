"""Errors as RFC 9457 problem documents, by one table from the broker's errors to statuses and codes.

    {"type": "urn:logmq:error:unknown-topic", "title": "Unknown topic", "status": 404, "code": "UNKNOWN_TOPIC",
     "detail": "there is no topic 'x'; ...", "field": "partition"}

`code` is the text protocol's word where both have the error. `field` is there when one input is at fault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from logmq import errors

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
    stored: int | None = None
    """How many records of the request were stored before."""


class RequestProblem(errors.RequestError):
    """A request that HTTP itself can tell is wrong. `field` names the input, as in `records[3].value.base64`."""

    status = 400
    code = "BAD_REQUEST"
    closes = False
    """Whether the rest of the request cannot be told from the next one, so that the connection has to end."""

    def __init__(self, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.field = field


class InvalidInput(RequestProblem):
    """A parameter or a part of the body is not what it may be."""

    code = "INVALID_INPUT"


class NotFound(RequestProblem):
    """There is nothing at this path."""

    status, code = 404, "NOT_FOUND"


class NoRecord(RequestProblem):
    """The partition has no record at this very offset."""

    status, code = 404, "NO_RECORD"


class UnreadableBatch(RequestProblem):
    """A batch is no records, or expands to more than may be shown: `[first_offset, next_offset)` cannot be read."""

    status, code = 500, "UNREADABLE_BATCH"

    def __init__(self, first_offset: int, next_offset: int, reason: str) -> None:
        super().__init__(
            f"the records from offset {first_offset} on cannot be shown ({reason}); read on from offset {next_offset}",
            "offset",
        )
        self.first_offset = first_offset
        self.next_offset = next_offset


class BodyTooLarge(RequestProblem):
    """The body has more bytes than one request may."""

    status, code, closes = 413, "BODY_TOO_LARGE", True


class BodyTooSlow(RequestProblem):
    """The rest of the body did not come in time."""

    status, code, closes = 408, "BODY_TOO_SLOW", True


class HeadTooLarge(RequestProblem):
    """Request line and headers are larger than any sensible request's."""

    status, code, closes = 431, "HEADERS_TOO_LARGE", True


class HeadTooSlow(RequestProblem):
    """The headers did not come in time."""

    status, code, closes = 408, "HEADERS_TOO_SLOW", True


class UrlTooLong(RequestProblem):
    """The URL is longer than any that this API needs."""

    status, code, closes = 414, "URL_TOO_LONG", True


class WrongVersion(RequestProblem):
    """Another version of HTTP than 1.0 and 1.1."""

    status, code, closes = 505, "HTTP_VERSION_NOT_SUPPORTED", True


class NotImplementedHere(RequestProblem):
    """A part of HTTP that this broker has no use for."""

    status, code, closes = 501, "NOT_IMPLEMENTED", True


class MalformedRequest(RequestProblem):
    """The bytes are no HTTP request."""

    code, closes = "MALFORMED_REQUEST", True


class UnsupportedMediaType(RequestProblem):
    """The body is of a type that this call does not take."""

    status, code = 415, "UNSUPPORTED_MEDIA_TYPE"


class NotAcceptable(RequestProblem):
    """The client takes no type of answer that this call can give."""

    status, code = 406, "NOT_ACCEPTABLE"


class CrossSite(RequestProblem):
    """A page of another site makes the browser send this request."""

    status, code = 403, "CROSS_SITE"


class WrongHost(RequestProblem):
    """The request is for a host that this broker does not go by."""

    status, code = 421, "HOST_NOT_ALLOWED"


class Fault(errors.LogMQError):
    """An error, with what only its finder knows: the input at fault, and what of the request was done before."""

    def __init__(self, cause: errors.LogMQError, field: str | None = None, stored: int | None = None) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.field = field
        self.stored = stored


class Rendered(Fault):
    """An error that clients written for another API get in that API's form."""

    def answer(self) -> Response:
        """The error as they expect it."""
        raise NotImplementedError


_TABLE: Mapping[type[errors.LogMQError], tuple[int, str]] = {
    errors.InvalidTopicName: (400, "INVALID_TOPIC"),
    errors.InvalidGroupName: (400, "INVALID_GROUP"),
    errors.InvalidSetting: (400, "INVALID_SETTING"),
    errors.InvalidPartitionCount: (400, "INVALID_PARTITIONS"),
    errors.UnknownTopic: (404, "UNKNOWN_TOPIC"),
    errors.UnknownPartition: (404, "UNKNOWN_PARTITION"),
    errors.UnknownGroup: (404, "UNKNOWN_GROUP"),
    errors.TopicExists: (409, "TOPIC_EXISTS"),
    errors.InternalTopic: (403, "INTERNAL_TOPIC"),
    errors.GroupHasMembers: (409, "GROUP_HAS_MEMBERS"),
    errors.MessageTooLarge: (413, "MESSAGE_TOO_LARGE"),
    errors.OffsetOutOfRange: (416, "OFFSET_OUT_OF_RANGE"),
    errors.RequestError: (400, "BAD_REQUEST"),
    errors.NotLeader: (503, "NOT_LEADER"),
    errors.Throttled: (429, "THROTTLED"),
    errors.DiskFull: (507, "DISK_FULL"),
    errors.RetriableError: (503, "UNAVAILABLE"),
    errors.ProducerError: (409, "PRODUCER_FENCED"),
    errors.Unavailable: (503, "UNAVAILABLE"),
    errors.Damaged: (500, "DAMAGED"),
    errors.LogMQError: (500, "ERROR"),
}
"""The nearest class of an error counts; `LogMQError` makes the table total."""

_FIELDS: Mapping[type[errors.LogMQError], str] = {
    errors.InvalidTopicName: "topic",
    errors.UnknownTopic: "topic",
    errors.TopicExists: "topic",
    errors.InternalTopic: "topic",
    errors.InvalidGroupName: "group",
    errors.UnknownGroup: "group",
    errors.InvalidPartitionCount: "partitions",
    errors.UnknownPartition: "partition",
    errors.OffsetOutOfRange: "offset",
}


def problem_of(error: errors.LogMQError, field: str | None = None) -> Problem:
    """What to tell a client of an error; `field` goes before what the error itself says."""
    if isinstance(error, Fault):
        return msgspec.structs.replace(problem_of(error.cause, field or error.field), stored=error.stored)
    if isinstance(error, RequestProblem):
        return _problem(error.status, error.code, str(error), field or error.field)
    status, code = next(_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE)
    if field is None:
        field = f"settings.{error.name}" if isinstance(error, errors.InvalidSetting) else _FIELDS.get(type(error))
    return _problem(status, code, str(error), field)


def problem_of_status(error: HTTPException) -> Problem:
    """What to tell a client of an error that Starlette found: no such path, or not by this method."""
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(error.status_code, "BAD_REQUEST")
    detail = {
        404: "there is nothing at this path; /openapi.json lists the calls, /docs shows them",
        405: "this path does not take the method; the header Allow says which it takes",
    }.get(error.status_code, error.detail)
    return _problem(error.status_code, code, detail, None)


UNEXPECTED = Problem(
    "urn:logmq:error:unexpected",
    "Unexpected error",
    500,
    "UNEXPECTED",
    "the request failed in an unexpected way; the broker's log says how",
)


def _problem(status: int, code: str, detail: str, field: str | None) -> Problem:
    words = code.lower().replace("_", "-")
    return Problem(
        f"urn:logmq:error:{words}", words.replace("-", " ").capitalize(), status, code, detail[:1].upper() + detail[1:],
        field,
    )  # fmt: skip


def answer_problem(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as an answer."""
    return Response(msgspec.json.encode(problem), problem.status, headers, MEDIA_TYPE)


def answer_error(error: errors.LogMQError) -> Response:
    """An error as an answer."""
    if isinstance(error, Rendered):
        return error.answer()
    headers: dict[str, str] = {}
    cause = error.cause if isinstance(error, Fault) else error
    if isinstance(cause, errors.Throttled):
        headers["Retry-After"] = str(-(-cause.retry_after_ms // 1000))
    if isinstance(cause, RequestProblem) and cause.closes:
        headers["Connection"] = "close"
    return answer_problem(problem_of(error), headers)


_PATH = re.compile(r" - at `(?:key in )?\$?\.?([^`]*)`$")
_NAME = re.compile(r"(?:unknown|missing required) field `([^`]*)`")


def invalid_input(error: msgspec.ValidationError) -> InvalidInput:
    """The error of a decoded body or query, with the input that is at fault split from the sentence."""
    text = str(error)
    match, name = _PATH.search(text), _NAME.search(text)
    path = [match[1]] if match is not None else []
    field = ".".join(filter(None, [*path, *([name[1]] if name is not None else [])]))
    return InvalidInput(text if match is None else text[: match.start()], field or None)
