"""What can be wrong with a line of the text protocol, beside what any caller of the broker can get wrong.

    RequestError (logmq.errors)
    └── CommandError            the line is not what the grammar allows
        ├── UnknownCommand
        ├── MissingArgument, UnexpectedArgument
        ├── BadOffset, BadPartition, BadCount, BadLength
        ├── LineTooLong, MessageLineTooLong
        ├── MissingNewline, UnfinishedLine
        ├── RequestTooSlow, IdleTooLong     the connection is closed after these
        ├── TopicReplaced
        └── UnreadableBatch

`answers.py` has the code of each.
"""

from __future__ import annotations

from logmq.errors import RequestError

_SHOWN_SIZE_MAX = 40
"""Characters of a wrong word that are repeated in the answer: enough to recognise it."""


def show(word: bytes) -> str:
    """A word of the client's as it may stand in an answer: quoted, printable, short."""
    text = word[: _SHOWN_SIZE_MAX * 4].decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= _SHOWN_SIZE_MAX else text[: _SHOWN_SIZE_MAX - 3] + "...")


class CommandError(RequestError):
    """The line is not what the grammar allows."""


class UnknownCommand(CommandError):
    """The line does not begin with a command."""

    def __init__(self, word: bytes) -> None:
        reason = f"{show(word)} is not a command" if word else "a command begins at the start of its line"
        super().__init__(f"{reason}; HELP lists them")


class MissingArgument(CommandError):
    """The line ends too early."""

    def __init__(self, argument: str, usage: str) -> None:
        super().__init__(f"{argument} is missing: {usage}")
        self.argument = argument


class UnexpectedArgument(CommandError):
    """The line goes on where it should end."""

    def __init__(self, word: bytes, usage: str) -> None:
        super().__init__(f"{show(word)} is too much: {usage}")


class BadOffset(CommandError):
    """The offset is not a number from 0 to 2**63 - 1."""

    def __init__(self, word: bytes, reason: str) -> None:
        super().__init__(f"{show(word)} is not an offset: {reason}")


class BadPartition(CommandError):
    """What stands behind the topic's slash is not the number of a partition."""

    def __init__(self, word: bytes, highest: int) -> None:
        super().__init__(f"{show(word)} is not a partition: use a number from 0 to {highest}")


class BadCount(CommandError):
    """The count is not a number or too large."""

    def __init__(self, word: bytes, highest: int) -> None:
        super().__init__(f"{show(word)} is not a count: use a number from 0 to {highest}")


class BadLength(CommandError):
    """The length of a WRITE is not a number, so that nobody knows where its bytes end."""

    def __init__(self, word: bytes) -> None:
        super().__init__(f"{show(word)} is not a length in bytes: use a decimal number")


class LineTooLong(CommandError):
    """A command other than PRODUCE is longer than any command can be; the rest of the line was skipped."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the line has more than {limit} bytes, its rest was skipped")
        self.limit = limit


class MessageLineTooLong(CommandError):
    """A PRODUCE line is longer than its topic allows; the rest of the line was skipped."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the topic takes messages of at most {limit} bytes (max.message.bytes); the rest of the line was skipped"
        )
        self.limit = limit


class MissingNewline(CommandError):
    """The bytes of a WRITE were not followed by a newline, so its length was wrong; nothing was stored."""

    def __init__(self, length: int) -> None:
        super().__init__(
            f"no newline after the {length} bytes of the message; nothing was stored, the rest of the line was skipped"
        )
        self.length = length


class UnfinishedLine(CommandError):
    """The client closed in the middle of a line or message, which was not executed."""

    def __init__(self) -> None:
        super().__init__("the last line has no newline at its end; it was not executed")


class RequestTooSlow(CommandError):
    """The rest of a line or message did not come in time."""

    def __init__(self, timeout_ms: int) -> None:
        super().__init__(f"the rest did not come within {timeout_ms / 1000:g} seconds; closing")


class IdleTooLong(CommandError):
    """The client said nothing for too long."""

    def __init__(self, timeout_ms: int) -> None:
        super().__init__(f"nothing came for {timeout_ms / 1000:g} seconds; closing")


class UnreadableBatch(CommandError):
    """A batch that a Kafka client stored cannot be taken apart, so `[first_offset, next_offset)` cannot be shown."""

    def __init__(self, first_offset: int, next_offset: int, reason: str) -> None:
        super().__init__(
            f"the messages from offset {first_offset} to {next_offset} cannot be shown as text ({reason});"
            f" the next readable offset is {next_offset}"
        )
        self.first_offset = first_offset
        self.next_offset = next_offset


class TopicReplaced(CommandError):
    """While a topic was being read it was dropped, and another one of its name was made."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"topic {topic!r} was dropped meanwhile; the one of that name now is another")
        self.topic = topic
