"""Between bytes and messages, by kio's schemas.

A handler works with one shape of an API for all its versions: it reads fields that an old request lacks with
`getattr(request, name, default)`, and returns a response's fields as nested dictionaries with everything that the
newest version has. `build` takes of these what the asked version knows.
"""

from __future__ import annotations

import dataclasses
import io
import struct
from collections.abc import Mapping
from functools import cache
from typing import Any, get_args, get_type_hints

from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer

from logmq.errors import LogMQError
from logmq.protocols.kafka.request_bounds import check_bounds

Fields = Mapping[str, Any]

_CORRELATION = struct.Struct(">i")


class MalformedRequest(LogMQError):
    """The bytes of a request are not what its API and version say."""


@cache
def _reader(key: int, version: int) -> Any:
    return entity_reader(load_request_schema(key, version))


@cache
def _response_type(key: int, version: int) -> Any:
    return load_response_schema(key, version)


@cache
def _writer(response_type: Any) -> Any:
    return entity_writer(response_type)


def read_request(key: int, version: int, data: bytes | bytearray, position: int) -> Any:
    """The request's body. Raises: MalformedRequest."""
    data = bytes(data)  # no copy of what is bytes already
    try:
        check_bounds(load_request_schema(key, version), data, position)
        request, _ = _reader(key, version)(data, position)
    except Exception as error:  # kio has many; all of them mean the same here
        raise MalformedRequest(f"API {key} version {version}: {error}") from error
    _check_arrays(request)
    return request


def _check_arrays(message: Any) -> None:
    """Refuse null for an array that must be there, which kio reads as None. Raises: MalformedRequest."""
    message_type: Any = type(message)
    for name, nullable, nested in _arrays(message_type):
        array = getattr(message, name)
        if array is None:
            if not nullable:
                raise MalformedRequest(f"{name} is null")
        elif nested:
            for one in array:
                _check_arrays(one)


@cache
def _arrays(message_type: Any) -> tuple[tuple[str, bool, bool], ...]:
    """A message's arrays: name, whether null is allowed, and whether its items have arrays themselves."""
    hints = get_type_hints(message_type)
    found = []
    for name, (nested, is_array) in _shape(message_type).items():
        if is_array:
            nullable = type(None) in get_args(hints[name])
            found.append((name, nullable, nested is not None and bool(_arrays(nested))))
    return tuple(found)


def write_response(key: int, version: int, fields: Fields) -> bytes:
    """A response's body. What the version does not know is left out."""
    response_type = _response_type(key, version)
    buffer = io.BytesIO()
    _writer(response_type)(buffer, build(response_type, fields))
    return buffer.getvalue()


def build(message_type: Any, fields: Fields) -> Any:
    """A message of this type from its fields; nested messages from dictionaries, arrays from sequences of them."""
    values = {}
    for name, (nested, converts) in _shape(message_type).items():
        if name not in fields:
            continue  # a field with a default
        value = fields[name]
        if nested is not None and value is not None:
            one = isinstance(value, Mapping)
            value = build(nested, value) if one else tuple([build(nested, each) for each in value])
        elif converts and value is not None:
            value = tuple(value)
        values[name] = value
    return message_type(**values)


@cache
def _shape(message_type: Any) -> dict[str, tuple[Any, bool]]:
    """By field name: the message type nested in it, if there is one, and whether it is an array."""
    hints = get_type_hints(message_type)
    shape = {}
    for field in dataclasses.fields(message_type):
        hint = hints[field.name]
        options = [hint, *get_args(hint)]
        options += [inner for option in options for inner in get_args(option)]
        nested = next((one for one in options if dataclasses.is_dataclass(one)), None)
        is_array = any(getattr(option, "__origin__", None) is tuple for option in options)
        shape[field.name] = (nested, is_array)
    return shape
