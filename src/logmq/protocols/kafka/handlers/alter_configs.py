"""AlterConfigs (33): a topic's own settings are replaced as a whole: what is not named follows the broker again.

Source: KIP-133. IncrementalAlterConfigs has taken its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.broker.topics import DEFAULT
from logmq.errors import InternalTopic, LogMQError
from logmq.kept_settings import parse_overrides
from logmq.model import Topic
from logmq.protocols.kafka.configs import Resource
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.handlers.describe_configs import check_broker, unknown_resource
from logmq.protocols.kafka.messages import Fields
from logmq.protocols.kafka.refusal import SUCCESS, Refusal, failure, repeated

Changes = Mapping[str, str | None]
"""Settings and their new values; None follows the broker again."""


async def handle(request: Any, context: Context) -> Fields:
    """Replace the settings of each topic."""
    return await alter_all(request, context, _replaced)


async def alter_all(request: Any, context: Context, changes_of: Callable[[Any, Topic, Context], Changes]) -> Fields:
    """Change the settings of each resource of a request, or with `validate_only` only look whether they could be."""
    twice = repeated((one.resource_type, one.resource_name) for one in request.resources)

    async def one(resource: Any) -> Fields:
        asked = {"resource_type": resource.resource_type, "resource_name": resource.resource_name}
        try:
            if (resource.resource_type, resource.resource_name) in twice:
                raise Refusal(ErrorCode.invalid_request, "Each resource must appear at most once.")
            await _alter(resource, request.validate_only, context, changes_of)
        except (LogMQError, Refusal) as error:
            return {**asked, **failure(error)}
        return {**asked, **SUCCESS}

    return {"throttle_time": timedelta(0), "responses": [await one(resource) for resource in request.resources]}


async def _alter(
    resource: Any, validate_only: bool, context: Context, changes_of: Callable[[Any, Topic, Context], Changes]
) -> None:
    _check_alterable(resource)
    topic = context.broker.topic(resource.resource_name)
    if topic.internal:
        raise InternalTopic(topic.name)
    changes = changes_of(resource, topic, context)
    parse_overrides({name: value for name, value in changes.items() if value is not None})
    if not validate_only and changes:
        texts = {name: DEFAULT if value is None else value for name, value in changes.items()}
        await context.broker.alter_topic(topic.name, overrides=texts)


def _check_alterable(resource: Any) -> None:
    """Raises: Refusal."""
    if resource.resource_type == Resource.BROKER:
        check_broker(resource.resource_name)
        raise Refusal(
            ErrorCode.invalid_request,
            "The broker's settings stand in its flags, environment and file and change with a restart.",
        )
    if resource.resource_type != Resource.TOPIC:
        raise unknown_resource(resource.resource_type)
    names = repeated(config.name for config in resource.configs)
    if names:
        raise Refusal(ErrorCode.invalid_request, f"Error due to duplicate config keys: {', '.join(sorted(names))}")


def _replaced(resource: Any, topic: Topic, _context: Context) -> Changes:
    missing = [config.name for config in resource.configs if config.value is None]
    if missing:
        raise Refusal(ErrorCode.invalid_config, f"Null value not supported for: {', '.join(missing)}")
    given = {config.name: config.value for config in resource.configs}
    return {**dict.fromkeys(topic.overrides), **given}
