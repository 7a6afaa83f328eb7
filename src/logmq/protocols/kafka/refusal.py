"""What only the Kafka protocol can get wrong: it has a code of Kafka's and no error of the broker behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError
from logmq.limits import ADMIN_ITEMS_MAX
from logmq.protocols.kafka.errors import code_of
from logmq.protocols.kafka.messages import Fields


class Refusal(Exception):
    """What is asked for in one item of a request cannot be."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def failure(error: Refusal | LogMQError) -> Fields:
    """The two fields that say what is wrong with an item."""
    code = error.code if isinstance(error, Refusal) else code_of(error)
    return {"error_code": code, "error_message": str(error)}


def too_many() -> Refusal:
    """The answer to what stands beyond the limit in a request."""
    return Refusal(
        ErrorCode.invalid_request, f"A request may name {ADMIN_ITEMS_MAX} at most; ask for the rest by another."
    )


SUCCESS: Fields = {"error_code": ErrorCode.none, "error_message": None}


def repeated(keys: Iterable[Any]) -> set[Any]:
    """Keys that occur more than once: Kafka refuses all items that have them, since their order means nothing."""
    return {key for key, count in Counter(keys).items() if count > 1}
