"""DescribeConfigs (32): the settings of topics and of the broker. Source: KIP-133, KIP-226, KIP-569."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from logmq.errors import LogMQError
from logmq.limits import ADMIN_ITEMS_MAX
from logmq.protocols.kafka import configs
from logmq.protocols.kafka.configs import Resource
from logmq.protocols.kafka.context import BROKER_ID, Context
from logmq.protocols.kafka.messages import Fields
from logmq.protocols.kafka.refusal import SUCCESS, Refusal, failure, too_many

OUR_NAMES = {"", str(BROKER_ID)}
"""What the broker is called as a resource; empty means the default for all brokers."""


def handle(request: Any, context: Context) -> Fields:
    """Describe each resource."""
    with_documentation = getattr(request, "include_documentation", False)
    results = [
        _one(resource, request.include_synonyms, with_documentation, number < ADMIN_ITEMS_MAX, context)
        for number, resource in enumerate(request.resources)
    ]
    return {"throttle_time": timedelta(0), "results": results}


def _one(
    resource: Any, with_synonyms: bool, with_documentation: bool, is_within_limit: bool, context: Context
) -> Fields:
    asked = {"resource_type": resource.resource_type, "resource_name": resource.resource_name}
    try:
        if not is_within_limit:
            raise too_many()
        described = _describe(resource, context)
    except (LogMQError, Refusal) as error:
        return {**asked, **failure(error), "configs": ()}
    return {
        **asked,
        **SUCCESS,
        "configs": [
            {
                **each,
                "synonyms": each["synonyms"] if with_synonyms else (),
                "documentation": each["documentation"] if with_documentation else None,
            }
            for each in described
        ],
    }


def _describe(resource: Any, context: Context) -> list[Fields]:
    names = resource.configuration_keys or None
    if resource.resource_type == Resource.TOPIC:
        return configs.describe_topic(context.broker.topic(resource.resource_name), context.config, names)
    if resource.resource_type == Resource.BROKER:
        check_broker(resource.resource_name)
        # The default for all brokers is what was set dynamically for them: nothing can be.
        return configs.describe_broker(context.config, names) if resource.resource_name else []
    raise unknown_resource(resource.resource_type)


def check_broker(name: str) -> None:
    """Check that a resource's name is this broker's. Raises: Refusal."""
    if name not in OUR_NAMES:
        raise Refusal(ErrorCode.invalid_request, f"Unexpected broker id, expected {BROKER_ID} but received {name!r}.")


def unknown_resource(kind: int) -> Refusal:
    """The answer to settings of what has none here: loggers, client metrics, groups."""
    return Refusal(
        ErrorCode.invalid_request, f"Only topics (2) and the broker (4) have settings here, not type {kind}."
    )
