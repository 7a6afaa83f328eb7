"""InitProducerId (22): an id under which a producer numbers its records, so that none is stored twice.

An idempotent producer always gets a new id. One with a transactional id gets one as well, but the transactions
themselves (AddPartitionsToTxn and what follows) are not spoken yet, and ApiVersions says so. Source: KIP-98, KIP-360.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.errors import code_of
from logmq.protocols.kafka.messages import Fields

_NONE = -1


async def handle(request: Any, context: Context) -> Fields:
    """A new id, epoch 0. Durability: no restart gives it out again."""
    if request.transactional_id == "":
        return _response(ErrorCode.invalid_request, _NONE, _NONE)
    try:
        producer_id = await context.broker.new_producer_id()
    except LogMQError as error:
        return _response(code_of(error), _NONE, _NONE)
    return _response(ErrorCode.none, producer_id, 0)


def _response(code: ErrorCode, producer_id: int, epoch: int) -> Fields:
    return {
        "throttle_time": timedelta(0),
        "error_code": code,
        "producer_id": producer_id,
        "producer_epoch": epoch,
    }
