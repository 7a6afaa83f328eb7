"""ApiVersions (18): what the broker speaks. Answers any version, so that client and broker can find a common one."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from kio.schema.errors import ErrorCode

from logmq.protocols.kafka.api import APIS
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.dispatch import Answer
from logmq.protocols.kafka.framing import Frame, respond
from logmq.protocols.kafka.messages import Fields, read_request, write_response

_KEY = 18

ADVERTISED_MIN_VERSIONS = {0: 0}
"""Produce is said to begin at version 0, though versions below the table's are refused: librdkafka before 2.9 sends
gzip, snappy and lz4 uncompressed to a broker that does not say so. Apache Kafka 4 does the same.

Source: KAFKA-18659."""


def handle_frame(frame: Frame, context: Context) -> Answer:
    """The table of APIs. Without tagged fields: librdkafka before 2.1 takes them for a cut-off response."""
    read_request(frame.key, frame.version, frame.data, frame.position)
    return respond(frame, _body(frame.version))


@cache
def _body(version: int) -> bytes:
    return write_response(_KEY, version, response(ErrorCode.none))


def response(error_code: ErrorCode) -> Fields:
    """The table, also as the answer to a version that is not spoken."""
    keys = [
        {
            "api_key": api.key,
            "min_version": ADVERTISED_MIN_VERSIONS.get(api.key, api.min_version),
            "max_version": api.max_version,
        }
        for api in APIS.values()
    ]
    return {"error_code": error_code, "api_keys": keys, "throttle_time": timedelta(0)}
