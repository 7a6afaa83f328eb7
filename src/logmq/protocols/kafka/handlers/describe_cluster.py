"""DescribeCluster (60): the cluster's id and its brokers. Source: KIP-700, KIP-919 (endpoint types)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.protocols.kafka.context import BROKER_ID, Context
from logmq.protocols.kafka.messages import Fields

_BROKERS = 1
_CONTROLLERS = 2
_OPERATIONS_UNKNOWN = -(2**31)
_CREATE, _ALTER, _DESCRIBE, _CLUSTER_ACTION = 5, 7, 8, 9
_DESCRIBE_CONFIGS, _ALTER_CONFIGS, _IDEMPOTENT_WRITE = 10, 11, 12
_OPERATIONS = sum(
    1 << operation
    for operation in (
        _CREATE,
        _ALTER,
        _DESCRIBE,
        _CLUSTER_ACTION,
        _DESCRIBE_CONFIGS,
        _ALTER_CONFIGS,
        _IDEMPOTENT_WRITE,
    )
)
"""What may be done to a cluster, as bits by Kafka's numbers: everyone who gets in may do everything."""


def handle(request: Any, context: Context) -> Fields:
    """The one broker. Controllers do not listen here."""
    asked = getattr(request, "endpoint_type", _BROKERS)
    if asked != _BROKERS:
        known = asked == _CONTROLLERS
        code = ErrorCode.mismatched_endpoint_type if known else ErrorCode.unsupported_endpoint_type
        return _response(context, code, "this endpoint is a broker's", (), _OPERATIONS_UNKNOWN)
    broker = {"broker_id": BROKER_ID, "host": context.host, "port": context.port, "rack": None, "is_fenced": False}
    operations = _OPERATIONS if request.include_cluster_authorized_operations else _OPERATIONS_UNKNOWN
    return _response(context, ErrorCode.none, None, (broker,), operations)


def _response(
    context: Context, code: ErrorCode, message: str | None, brokers: tuple[Fields, ...], operations: int
) -> Fields:
    return {
        "throttle_time": timedelta(0),
        "error_code": code,
        "error_message": message,
        "endpoint_type": _BROKERS,
        "cluster_id": context.cluster_id,
        "controller_id": BROKER_ID,
        "brokers": brokers,
        "cluster_authorized_operations": operations,
    }
