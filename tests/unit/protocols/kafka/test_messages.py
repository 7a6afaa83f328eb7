"""Between bytes and messages, and the table of errors: total over all APIs, versions and errors."""

from __future__ import annotations

import importlib
import io
import pkgutil
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from kio.index import load_request_schema, load_response_schema
from kio.schema.errors import ErrorCode
from kio.serial import entity_reader, entity_writer
from tests.unit.protocols.test_text_answers import _subclasses

import logmq
from logmq.errors import LogMQError, UnknownTopic
from logmq.protocols.kafka import errors
from logmq.protocols.kafka.api import APIS
from logmq.protocols.kafka.messages import MalformedRequest, build, read_request, write_response

ALL_VERSIONS = [(api.key, version) for api in APIS.values() for version in range(api.min_version, api.max_version + 1)]
_ELSEWHERE = ("logmq.cli.", "logmq.client.", "logmq.storage.", "logmq.protocols.text.", "logmq.protocols.http.")


@pytest.mark.parametrize(("key", "version"), ALL_VERSIONS, ids=str)
def test_every_api_has_schemas_and_a_handler(key: int, version: int) -> None:
    """Each API of the table, in each of its versions, has schemas, the right kind of header, and a handler."""
    request, response = load_request_schema(key, version), load_response_schema(key, version)
    assert request.__flexible__ == (version >= APIS[key].flexible_since)
    assert response.__flexible__ == request.__flexible__
    module = importlib.import_module(f"logmq.protocols.kafka.handlers.{APIS[key].name}")
    assert hasattr(module, "handle") or hasattr(module, "handle_frame")


@pytest.mark.parametrize("key", APIS)
def test_truncated_requests_are_malformed(key: int) -> None:
    """A request that is cut off is MalformedRequest, whatever the API, in its newest version."""
    for data in (b"", b"\x00", b"\xff" * 3, b"\x7f" * 5):
        with pytest.raises(MalformedRequest):
            read_request(key, APIS[key].max_version, data, len(data) + 1)


@pytest.mark.parametrize(("key", "version"), ALL_VERSIONS, ids=str)
def test_counts_are_checked_before_memory_is_taken(key: int, version: int) -> None:
    """A request that claims billions of items in some array is refused; kio's reader would ask for the memory first."""
    many = b"\xff\xff\xff\xff\x0f" if version >= APIS[key].flexible_since else b"\x7f\xff\xff\xff"
    for before in range(40):
        with suppress(MalformedRequest):
            read_request(key, version, b"\x00" * before + many + b"\x01" * 40, 0)


def test_build_takes_what_a_version_knows() -> None:
    """Fields that an old version lacks are left out, nested ones and arrays are made from dictionaries and lists."""
    fields = {
        "throttle_time": timedelta(0),
        "topics": [
            {
                "name": "t",
                "partitions": [
                    {
                        "partition_index": 3,
                        "error_code": ErrorCode.none,
                        "timestamp": 5,
                        "offset": 7,
                        "leader_epoch": 0,
                    }
                ],
            }
        ],
        "unknown": 1,
    }
    for version in range(APIS[2].min_version, APIS[2].max_version + 1):
        written = write_response(2, version, fields)
        reader: Any = entity_reader(load_response_schema(2, version))
        read, size = reader(written, 0)
        assert size == len(written)
        assert read.topics[0].partitions[0].offset == 7
        again = io.BytesIO()
        entity_writer(load_response_schema(2, version))(again, build(load_response_schema(2, version), fields))
        assert again.getvalue() == written


def broker_errors() -> set[type[LogMQError]]:
    """All errors that a handler can meet."""
    for module in pkgutil.walk_packages(logmq.__path__, "logmq."):
        if not f"{module.name}.".startswith(_ELSEWHERE) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return {
        each
        for each in _subclasses(LogMQError)
        if each.__module__.startswith("logmq.") and not each.__module__.startswith(_ELSEWHERE)
    }


def test_every_error_has_a_code() -> None:
    """The table is total: no error of the broker's becomes UNKNOWN_SERVER_ERROR because nobody thought of it."""
    intended = {errors.CODES[kind] for kind in errors.CODES if kind.__name__ in {"LogMQError", "StartupError"}}
    for each in broker_errors():
        kinds = [kind for kind in each.__mro__ if kind in errors.CODES]
        code = errors.CODES[kinds[0]]
        if code in intended:
            assert issubclass(each, kinds[0])
            assert each.__name__ in _NEVER_SEEN or kinds[0].__name__ == "StartupError", each


_NEVER_SEEN = {"LogMQError"}


def test_the_nearest_class_counts() -> None:
    """An error without a code of its own has that of the nearest class above it."""

    class Surprise(UnknownTopic):
        pass

    assert errors.code_of(Surprise("x")) is ErrorCode.unknown_topic_or_partition


def test_epochs() -> None:
    """An older epoch is fenced, a newer one unknown, none is not looked at."""
    errors.check_epoch(-1, 3)
    errors.check_epoch(3, 3)
    with pytest.raises(errors.FencedLeaderEpoch):
        errors.check_epoch(2, 3)
    with pytest.raises(errors.UnknownLeaderEpoch):
        errors.check_epoch(4, 3)
