"""What is counted of Kafka requests: how many, how long they took, and which errors their answers name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kio.schema.errors import ErrorCode

from logmq.metrics import RequestMetrics
from logmq.protocols.kafka.api import APIS
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.messages import Fields

_KINDS = {key: api.title for key, api in APIS.items()}


def requests_of(key: int, context: Context) -> RequestMetrics:
    """What is counted of an API's requests; those that the broker does not know are counted together."""
    return context.broker.metrics.kafka[_KINDS.get(key, "Unknown")]


def count_error(key: int, code: ErrorCode, context: Context) -> None:
    """Count an error that a request of this API is answered with."""
    requests_of(key, context).failed(code.name.upper())


def counted(key: int, fields: Fields, context: Context) -> Fields:
    """A response's fields, whose errors are counted."""
    for code in _errors_in(fields):
        count_error(key, code, context)
    return fields


def _errors_in(fields: Fields) -> Iterator[ErrorCode]:
    for name, value in fields.items():
        if name == "error_code":
            if value is not ErrorCode.none:
                yield value
        elif isinstance(value, Mapping):
            yield from _errors_in(value)
        elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            for nested in value:
                yield from _errors_in(nested)
