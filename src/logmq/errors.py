"""Everything that can go wrong in a way a caller must know about, ordered by what the caller does next.

    LogMQError
    ├── RequestError            the request is wrong: change it
    │   ├── InvalidTopicName, InvalidGroupName, InvalidSetting, InvalidPartitionCount
    │   ├── UnknownTopic, UnknownPartition, TopicExists, InternalTopic, GroupHasMembers, UnknownGroup
    │   ├── MessageTooLarge
    │   └── OffsetOutOfRange
    ├── RetriableError          nothing was stored: the same request may work later
    │   ├── NotLeader           ask the leader
    │   ├── Throttled           wait a moment
    │   └── DiskFull            free some room
    ├── ProducerError           an idempotent producer has lost its place: it must begin anew
    │   └── OutOfOrderSequence, ProducerFenced
    ├── Unavailable             the outcome is unknown: the write may or may not survive
    ├── Damaged                 these records cannot be read any more; the next ones can
    └── StartupError            the broker cannot start; the message says what to do
        └── DirectoryInUse, InvalidConfig, UnreadableDirectory

Facts are attributes; the sentence is `str(error)`. Each front-end has one table from these classes to its own codes.
"""

from __future__ import annotations


class LogMQError(Exception):
    """The root of every error that LogMQ raises on purpose."""


class RequestError(LogMQError):
    """The request can never work as it is."""


class InvalidTopicName(RequestError):
    """The topic name does not match `[A-Za-z0-9._-]{1,249}` or is `.` or `..`."""

    def __init__(self, name: str) -> None:
        shown = name if len(name) <= 60 else name[:57] + "..."
        super().__init__(
            f"{shown!r} is not a topic name: use 1 to 249 letters, digits, dots, underscores and hyphens"
            " (but not '.' or '..')"
        )
        self.name = name


class InvalidGroupName(RequestError):
    """The group name is empty, too long or holds characters that cannot be printed."""

    def __init__(self, name: str) -> None:
        shown = name if len(name) <= 60 else name[:57] + "..."
        super().__init__(f"{shown!r} is not a group name: use 1 to 249 printable characters without spaces")
        self.name = name


class InvalidSetting(RequestError):
    """A setting does not exist or its value is out of range."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"setting {name}: {reason}")
        self.name = name
        self.reason = reason


class InvalidPartitionCount(RequestError):
    """The wanted number of partitions is not possible."""

    def __init__(self, count: int, reason: str) -> None:
        super().__init__(f"{count} partitions are not possible: {reason}")
        self.count = count


class UnknownTopic(RequestError):
    """No topic has this name."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"there is no topic {topic!r}; the first PRODUCE or a CREATE makes one")
        self.topic = topic


class UnknownPartition(RequestError):
    """The topic exists, the partition does not."""

    def __init__(self, topic: str, index: int, count: int) -> None:
        partitions = "partition 0 only" if count == 1 else f"partitions 0 to {count - 1}"
        super().__init__(f"topic {topic!r} has {partitions}, not {index}")
        self.topic = topic
        self.index = index


class TopicExists(RequestError):
    """A topic of this name is there already."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"topic {topic!r} exists already")
        self.topic = topic


class InternalTopic(RequestError):
    """Clients may not write or drop a topic in which the broker keeps its own state."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"topic {topic!r} belongs to the broker: names that begin with '__' are reserved")
        self.topic = topic


class UnknownGroup(RequestError):
    """No group has this name: none has members or has committed an offset under it."""

    def __init__(self, group: str) -> None:
        super().__init__(f"there is no group {group!r}; the first COMMIT or member makes one")
        self.group = group


class GroupHasMembers(RequestError):
    """While a group has members, only they may say how far it has come."""

    def __init__(self, group: str) -> None:
        super().__init__(f"group {group!r} has members, whose commits count; stop them first")
        self.group = group


class MessageTooLarge(RequestError):
    """A message is larger than its topic allows."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"the message has {size} bytes, the topic takes at most {limit} (max.message.bytes)")
        self.size = size
        self.limit = limit


class OffsetOutOfRange(RequestError):
    """The offset lies before the first record that is still kept."""

    def __init__(self, offset: int, log_start_offset: int, high_watermark: int) -> None:
        super().__init__(
            f"offset {offset} is no longer kept: offsets {log_start_offset} to {high_watermark} can be read"
        )
        self.offset = offset
        self.log_start_offset = log_start_offset
        self.high_watermark = high_watermark


class RetriableError(LogMQError):
    """Nothing was stored; the same request may work later."""


class NotLeader(RetriableError):
    """Another broker leads this partition."""

    def __init__(self, partition: str) -> None:
        super().__init__(f"this broker does not lead {partition}; ask for the leader again")
        self.partition = partition


class Throttled(RetriableError):
    """Too much is waiting already."""

    def __init__(self, reason: str, retry_after_ms: int = 100) -> None:
        super().__init__(f"{reason}; try again in {retry_after_ms} ms")
        self.retry_after_ms = retry_after_ms


class DiskFull(RetriableError):
    """There was no room for the write; it was undone, reads go on, and writes work again once there is room."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the disk is full, nothing was stored: {reason}")


class ProducerError(LogMQError):
    """An idempotent producer cannot go on as it does; nothing was stored."""


class OutOfOrderSequence(ProducerError):
    """A batch does not follow the producer's last one."""

    def __init__(self, producer_id: int, sequence: int, expected: int) -> None:
        super().__init__(f"producer {producer_id} sent sequence {sequence} where {expected} was expected")
        self.producer_id = producer_id
        self.sequence = sequence
        self.expected = expected


class ProducerFenced(ProducerError):
    """A newer instance of the producer has taken over."""

    def __init__(self, producer_id: int, epoch: int, current_epoch: int) -> None:
        super().__init__(f"producer {producer_id} has epoch {current_epoch} by now, not {epoch}")
        self.producer_id = producer_id
        self.epoch = epoch
        self.current_epoch = current_epoch


class Unavailable(LogMQError):
    """The broker could not carry the write through; whether it survives is unknown."""


class Damaged(LogMQError):
    """Stored bytes no longer match their checksum: `[first_offset, next_offset)` cannot be served."""

    def __init__(self, partition: str, first_offset: int, next_offset: int) -> None:
        super().__init__(
            f"{partition} is damaged on disk from offset {first_offset} to {next_offset};"
            f" the next readable offset is {next_offset}"
        )
        self.partition = partition
        self.first_offset = first_offset
        self.next_offset = next_offset


class StartupError(LogMQError):
    """The broker cannot start."""


class DirectoryInUse(StartupError):
    """Another process has locked the data directory."""

    def __init__(self, directory: str) -> None:
        super().__init__(f"{directory} is in use by another LogMQ process; stop that one or choose another --data-dir")
        self.directory = directory


class UnreadableDirectory(StartupError):
    """The data directory cannot be created, read or understood."""


class InvalidConfig(StartupError):
    """A flag, environment variable or line of the configuration file is wrong."""
