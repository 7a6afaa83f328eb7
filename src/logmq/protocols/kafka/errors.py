"""From the broker's errors to Kafka's codes: the one table where the two meet.

Source: Kafka's Errors.java, by way of kio's ErrorCode.
"""

from __future__ import annotations

from collections.abc import Mapping

from kio.schema.errors import ErrorCode

from logmq import errors
from logmq.protocols.kafka.messages import MalformedRequest
from logmq.records.batches import CorruptBatch, InvalidBatch, UnsupportedMagic
from logmq.records.compression import CannotDecompress
from logmq.records.records import MalformedRecord

CODES: Mapping[type[errors.LogMQError], ErrorCode] = {
    errors.InvalidTopicName: ErrorCode.invalid_topic_exception,
    errors.InvalidGroupName: ErrorCode.invalid_group_id,
    errors.InvalidSetting: ErrorCode.invalid_config,
    errors.InvalidPartitionCount: ErrorCode.invalid_partitions,
    errors.UnknownTopic: ErrorCode.unknown_topic_or_partition,
    errors.UnknownPartition: ErrorCode.unknown_topic_or_partition,
    errors.TopicExists: ErrorCode.topic_already_exists,
    errors.InternalTopic: ErrorCode.invalid_topic_exception,
    errors.MessageTooLarge: ErrorCode.message_too_large,
    errors.OffsetOutOfRange: ErrorCode.offset_out_of_range,
    errors.NotLeader: ErrorCode.not_leader_or_follower,
    errors.Throttled: ErrorCode.throttling_quota_exceeded,
    errors.DiskFull: ErrorCode.kafka_storage_error,
    errors.OutOfOrderSequence: ErrorCode.out_of_order_sequence_number,
    errors.ProducerFenced: ErrorCode.invalid_producer_epoch,
    errors.Unavailable: ErrorCode.kafka_storage_error,
    errors.Damaged: ErrorCode.kafka_storage_error,
    CorruptBatch: ErrorCode.corrupt_message,
    InvalidBatch: ErrorCode.invalid_record,
    UnsupportedMagic: ErrorCode.unsupported_for_message_format,
    CannotDecompress: ErrorCode.corrupt_message,
    MalformedRecord: ErrorCode.invalid_record,
    MalformedRequest: ErrorCode.invalid_request,
}


def code_of(error: errors.LogMQError) -> ErrorCode:
    """The code for an error: its class's, or that of the nearest class above which has one."""
    for kind in type(error).__mro__:
        code = CODES.get(kind)
        if code is not None:
            return code
    return ErrorCode.unknown_server_error
