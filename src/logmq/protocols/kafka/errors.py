"""From the broker's errors to Kafka's codes: the one table where the two meet.

Source: Kafka's Errors.java, by way of kio's ErrorCode; which codes clients try again after: librdkafka's
rd_kafka_handle_Produce_error, the Java client's RetriableException.
"""

from __future__ import annotations

from collections.abc import Mapping

from kio.schema.errors import ErrorCode

from logmq import errors
from logmq.protocols.kafka.framing import BadFrame
from logmq.protocols.kafka.messages import MalformedRequest
from logmq.records.batches import CorruptBatch, InvalidBatch, UnsupportedMagic
from logmq.records.compression import CannotDecompress
from logmq.records.records import MalformedRecord


class InvalidRequiredAcks(errors.RequestError):
    """A Produce asks for another number of acknowledgements than none, one or all."""

    def __init__(self, acks: int) -> None:
        super().__init__(f"acks={acks} is not possible: use 0, 1 or -1 (all)")


class FencedLeaderEpoch(errors.RequestError):
    """The client knows an older leader of the partition (KIP-320)."""

    def __init__(self, epoch: int, current: int) -> None:
        super().__init__(f"the leader's epoch is {current} by now, not {epoch}")


class UnknownLeaderEpoch(errors.RetriableError):
    """The client knows a newer leader of the partition than the broker (KIP-320)."""

    def __init__(self, epoch: int, current: int) -> None:
        super().__init__(f"the leader's epoch is {current}, not yet {epoch}")


class UnknownTime(errors.RequestError):
    """A negative time that has no meaning."""

    def __init__(self, timestamp: int) -> None:
        super().__init__(f"{timestamp} is not a time: use milliseconds since 1970, or -1 to -4")


CODES: Mapping[type[errors.LogMQError], ErrorCode] = {
    errors.InvalidTopicName: ErrorCode.invalid_topic_exception,
    errors.InvalidGroupName: ErrorCode.invalid_group_id,
    errors.InvalidSetting: ErrorCode.invalid_config,
    errors.InvalidPartitionCount: ErrorCode.invalid_partitions,
    errors.UnknownTopic: ErrorCode.unknown_topic_or_partition,
    errors.UnknownPartition: ErrorCode.unknown_topic_or_partition,
    errors.TopicExists: ErrorCode.topic_already_exists,
    errors.InternalTopic: ErrorCode.invalid_topic_exception,
    errors.UnknownGroup: ErrorCode.group_id_not_found,
    errors.GroupHasMembers: ErrorCode.unknown_member_id,
    errors.MessageTooLarge: ErrorCode.message_too_large,
    errors.OffsetOutOfRange: ErrorCode.offset_out_of_range,
    errors.RequestError: ErrorCode.invalid_request,
    errors.NotLeader: ErrorCode.not_leader_or_follower,
    # Of the codes that say "nothing was stored, try again", the one that every client does try again after.
    errors.Throttled: ErrorCode.not_enough_replicas,
    errors.DiskFull: ErrorCode.kafka_storage_error,
    errors.RetriableError: ErrorCode.kafka_storage_error,
    errors.OutOfOrderSequence: ErrorCode.out_of_order_sequence_number,
    errors.ProducerFenced: ErrorCode.invalid_producer_epoch,
    errors.ProducerError: ErrorCode.unknown_producer_id,
    errors.Unavailable: ErrorCode.kafka_storage_error,
    # Not a storage error, after which a consumer would ask again and again: this one it shows to its user.
    errors.Damaged: ErrorCode.corrupt_message,
    # No connection exists before the start has succeeded, so these cannot reach a client.
    errors.StartupError: ErrorCode.unknown_server_error,
    errors.LogMQError: ErrorCode.unknown_server_error,
    CorruptBatch: ErrorCode.corrupt_message,
    InvalidBatch: ErrorCode.invalid_record,
    UnsupportedMagic: ErrorCode.unsupported_for_message_format,
    CannotDecompress: ErrorCode.invalid_record,
    MalformedRecord: ErrorCode.invalid_record,
    MalformedRequest: ErrorCode.invalid_request,
    BadFrame: ErrorCode.invalid_request,
    InvalidRequiredAcks: ErrorCode.invalid_required_acks,
    FencedLeaderEpoch: ErrorCode.fenced_leader_epoch,
    UnknownLeaderEpoch: ErrorCode.unknown_leader_epoch,
    UnknownTime: ErrorCode.invalid_request,
}


def code_of(error: errors.LogMQError) -> ErrorCode:
    """The code for an error: its class's, or that of the nearest class above which has one."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def check_epoch(epoch: int, current: int) -> None:
    """Compare the leader epoch that a client knows, -1 for none, with the partition's.

    Raises: FencedLeaderEpoch, UnknownLeaderEpoch.
    """
    if epoch < 0 or epoch == current:
        return
    if epoch < current:
        raise FencedLeaderEpoch(epoch, current)
    raise UnknownLeaderEpoch(epoch, current)
