"""IncrementalAlterConfigs (44): single settings of topics are set and taken away, lists grow and shrink.

Source: KIP-339.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.kept_settings import check_names
from logmq.model import Topic
from logmq.protocols.kafka.configs import TOPIC_CONFIGS, Type, value_of
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.handlers.alter_configs import Changes, alter_all
from logmq.protocols.kafka.messages import Fields
from logmq.protocols.kafka.refusal import Refusal


class Operation(IntEnum):
    """What is to be done with a setting."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


async def handle(request: Any, context: Context) -> Fields:
    """Change the settings of each topic."""
    return await alter_all(request, context, _changes)


def _changes(resource: Any, topic: Topic, context: Context) -> Changes:
    return {config.name: _new_value(config, topic, context) for config in resource.configs}


def _new_value(config: Any, topic: Topic, context: Context) -> str | None:
    """The value that a setting will have, None for the broker's. Raises: Refusal, InvalidSetting."""
    check_names([config.name])
    operation, value = config.config_operation, config.value
    if operation == Operation.DELETE:
        return None
    if operation not in tuple(Operation):
        raise Refusal(ErrorCode.invalid_request, f"Unknown operation {operation} for {config.name}.")
    if value is None:
        raise Refusal(ErrorCode.invalid_config, f"Null value not supported for: {config.name}")
    if operation == Operation.SET:
        return str(value)
    if TOPIC_CONFIGS[config.name].type is not Type.LIST:
        name = Operation(operation).name
        raise Refusal(ErrorCode.invalid_config, f"Can't {name} to key {config.name} because its type is not LIST.")
    words = _words(value_of(topic, config.name, context.config))
    given = _words(value)
    if operation == Operation.APPEND:
        return ",".join(words + [word for word in given if word not in words])
    return ",".join([word for word in words if word not in given])


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
