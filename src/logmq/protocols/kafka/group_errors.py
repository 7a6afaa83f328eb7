"""From what groups refuse to Kafka's codes, and from the broker's errors to those that members of groups understand."""

from __future__ import annotations

from collections.abc import Mapping

from kio.schema.errors import ErrorCode

from logmq import errors
from logmq.broker.groups.refusal import Refusal
from logmq.protocols.kafka.errors import code_of

REFUSALS: Mapping[Refusal, ErrorCode] = {
    Refusal.MEMBER_ID_REQUIRED: ErrorCode.member_id_required,
    Refusal.UNKNOWN_MEMBER: ErrorCode.unknown_member_id,
    Refusal.ILLEGAL_GENERATION: ErrorCode.illegal_generation,
    Refusal.REBALANCE_IN_PROGRESS: ErrorCode.rebalance_in_progress,
    Refusal.FENCED_INSTANCE: ErrorCode.fenced_instance_id,
    Refusal.INCONSISTENT_PROTOCOL: ErrorCode.inconsistent_group_protocol,
    Refusal.INVALID_SESSION_TIMEOUT: ErrorCode.invalid_session_timeout,
    Refusal.GROUP_FULL: ErrorCode.group_max_size_reached,
    Refusal.TOO_LARGE: ErrorCode.invalid_request,
    Refusal.GROUP_UNKNOWN: ErrorCode.group_id_not_found,
    Refusal.GROUP_NOT_EMPTY: ErrorCode.non_empty_group,
    Refusal.SUBSCRIBED: ErrorCode.group_subscribed_to_topic,
    Refusal.NOT_YET: ErrorCode.coordinator_load_in_progress,
    Refusal.WRONG_TYPE: ErrorCode.inconsistent_group_protocol,
    Refusal.FENCED_EPOCH: ErrorCode.fenced_member_epoch,
    Refusal.STALE_EPOCH: ErrorCode.stale_member_epoch,
    Refusal.UNRELEASED_INSTANCE: ErrorCode.unreleased_instance_id,
    Refusal.UNSUPPORTED_ASSIGNOR: ErrorCode.unsupported_assignor,
    Refusal.INVALID_PATTERN: ErrorCode.invalid_regular_expression,
}
"""A test sees to it that none is missing."""

_STORING: Mapping[type[errors.LogMQError], ErrorCode] = {
    errors.Throttled: ErrorCode.coordinator_load_in_progress,
    errors.DiskFull: ErrorCode.coordinator_not_available,
    errors.Unavailable: ErrorCode.coordinator_not_available,
    errors.NotLeader: ErrorCode.not_coordinator,
}
"""Clients try these again; a storage error in an answer of the coordinator's ends them."""


def refusal_code(refusal: Refusal | None) -> ErrorCode:
    """The code of a refusal, or of none."""
    return ErrorCode.none if refusal is None else REFUSALS[refusal]


def group_code(error: errors.LogMQError) -> ErrorCode:
    """The code of an error that came up while something was done for a group."""
    return _STORING.get(type(error)) or code_of(error)
