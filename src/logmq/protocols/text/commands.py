"""THE table of commands: grammar, help and what docs/text-protocol.md is held to.

A command is a line: its name in any letter case at the very start, then words separated by spaces. Only PRODUCE takes
the rest of the line as it is, and only WRITE is followed by something that is not a line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from logmq.errors import LogMQError
from logmq.limits import PARTITION_COUNT_MAX
from logmq.model import Format, TopicPartition
from logmq.protocols.text.arguments import (
    parse_count,
    parse_format,
    parse_group,
    parse_length,
    parse_offset,
    parse_partition,
    parse_partition_count,
    parse_settings,
    parse_start,
    parse_topic,
    split_words,
)
from logmq.protocols.text.errors import BadCount, MissingArgument, UnknownCommand
from logmq.protocols.text.requests import (
    Alter,
    Commit,
    Committed,
    Consume,
    ConsumeEdge,
    ConsumeMany,
    Create,
    Describe,
    DescribeGroup,
    Drop,
    Edge,
    Follow,
    Forget,
    Groups,
    Help,
    Ping,
    Produce,
    Quit,
    Request,
    Topics,
)


@dataclass(frozen=True, slots=True)
class Announced:
    """A WRITE line: `length` bytes and a newline follow, wanted only if nothing was wrong with the line."""

    target: TopicPartition | LogMQError
    length: int


Parsed: TypeAlias = Request | Announced


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `parse` takes the line behind the name and its space, and raises LogMQError."""

    name: str
    arguments: str
    effect: str
    answers: str
    example: str
    parse: Callable[[bytes], Parsed]

    @property
    def usage(self) -> str:
        """The form of the line."""
        return f"{self.name} {self.arguments}".rstrip()


def parse_line(line: bytes) -> Parsed:
    """What a whole line (without its newline) asks for. Raises: LogMQError, when it cannot be executed."""
    word, _, rest = line.partition(b" ")
    command = COMMANDS.get(word.upper())
    if command is None:
        raise UnknownCommand(word)
    return command.parse(rest)


_TARGET = "<topic>[/<partition>]"
_START = "<offset|earliest|latest>"


def _produce(rest: bytes) -> Produce:
    target, space, payload = rest.partition(b" ")
    if not target and not space:
        raise MissingArgument("<topic>", _usage("PRODUCE"))
    partition = parse_partition(target)
    if not space:
        raise MissingArgument("<message>", _usage("PRODUCE"))
    return Produce([partition], [[payload]], None, len(rest))


def _write(rest: bytes) -> Announced:
    words = split_words(rest, _usage("WRITE"), ("<topic>", "<length>"))
    length = parse_length(words[1])
    # Whatever else is wrong: the bytes are on their way, and must not be taken for commands.
    try:
        return Announced(parse_partition(words[0]), length)
    except LogMQError as error:
        return Announced(error.with_traceback(None), length)


def _consume(rest: bytes) -> Consume | ConsumeEdge | ConsumeMany:
    words = split_words(rest, _usage("CONSUME"), ("<topic>", "<offset>"), 1)
    partition, start = parse_partition(words[0]), parse_start(words[1])
    if len(words) == 3:
        return ConsumeMany(partition, start, parse_count(words[2]))
    return ConsumeEdge(partition, start) if isinstance(start, Edge) else Consume(partition, [start])


def _follow(rest: bytes) -> Follow:
    words = split_words(rest, _usage("FOLLOW"), ("<topic>", "<offset>"))
    return Follow(parse_partition(words[0]), parse_start(words[1]))


def _create(rest: bytes) -> Create:
    words = split_words(rest, _usage("CREATE"), ("<topic>",), _SETTING_COUNT_MAX)
    topic = parse_topic(words[0])
    counted = len(words) > 1 and b"=" not in words[1]
    overrides = parse_settings(words[2 if counted else 1 :])
    stored = parse_format(overrides.pop("format", Format.PLAIN))
    return Create(topic, parse_partition_count(words[1]) if counted else None, overrides, stored)


def _alter(rest: bytes) -> Alter:
    words = split_words(rest, _usage("ALTER"), ("<topic>", "<setting>=<value>"), _SETTING_COUNT_MAX)
    topic = parse_topic(words[0])
    overrides = parse_settings(words[1:])
    count = overrides.pop("partitions", None)
    if count == "default":
        raise BadCount(b"default", PARTITION_COUNT_MAX)
    return Alter(topic, None if count is None else parse_partition_count(count.encode()), overrides)


def _describe(rest: bytes) -> Describe:
    return Describe(parse_topic(split_words(rest, _usage("DESCRIBE"), ("<topic>",))[0]))


def _drop(rest: bytes) -> Drop:
    return Drop(parse_topic(split_words(rest, _usage("DROP"), ("<topic>",))[0]))


def _commit(rest: bytes) -> Commit:
    words = split_words(rest, _usage("COMMIT"), ("<group>", "<topic>", "<offset>"))
    return Commit(parse_group(words[0]), parse_partition(words[1]), parse_offset(words[2]))


def _committed(rest: bytes) -> Committed:
    words = split_words(rest, _usage("COMMITTED"), ("<group>", "<topic>"))
    return Committed(parse_group(words[0]), parse_partition(words[1]))


def _group(rest: bytes) -> DescribeGroup:
    return DescribeGroup(parse_group(split_words(rest, _usage("GROUP"), ("<group>",))[0]))


def _forget(rest: bytes) -> Forget:
    return Forget(parse_group(split_words(rest, _usage("FORGET"), ("<group>",))[0]))


def _alone(name: str, request: Request) -> Callable[[bytes], Request]:
    def parse(rest: bytes) -> Request:
        split_words(rest, name, ())
        return request

    return parse


def _usage(name: str) -> str:
    return COMMANDS[name.encode()].usage


_SETTING_COUNT_MAX = 48
"""Words behind the topic of a CREATE or ALTER: there are fewer settings than that."""

_TABLE = (
    Command(
        "PRODUCE",
        f"{_TARGET} <message>",
        "appends the rest of the line as a message; creates the topic if need be",
        "OK <offset>",
        "PRODUCE greetings hello world",
        _produce,
    ),
    Command(
        "WRITE",
        f"{_TARGET} <length>",
        "appends the <length> bytes that follow this line, then a newline: for messages with newlines in them",
        "OK <offset>",
        "WRITE greetings 5",
        _write,
    ),
    Command(
        "CONSUME",
        f"{_TARGET} {_START} [<count>]",
        "reads the first message at or after an offset, or up to <count> of them",
        "MESSAGE <offset> <length> <payload> or EOF; with a count, that many MESSAGE lines, then END <next offset>",
        "CONSUME greetings 0",
        _consume,
    ),
    Command(
        "FOLLOW",
        f"{_TARGET} {_START}",
        "reads on and on, as messages come, until a line is sent (an empty one will do)",
        "MESSAGE lines, then END <next offset>",
        "FOLLOW greetings earliest",
        _follow,
    ),
    Command(
        "CREATE",
        "<topic> [<partitions>] [<setting>=<value> ...]",
        "creates a topic",
        "OK",
        "CREATE orders 3 retention.ms=7d",
        _create,
    ),
    Command(
        "ALTER",
        "<topic> [partitions=<count>] [<setting>=<value> ...]",
        "changes settings (default resets one) or adds partitions",
        "OK",
        "ALTER orders partitions=6 retention.ms=default",
        _alter,
    ),
    Command(
        "TOPICS",
        "",
        "lists the topics",
        "TOPIC <name> <partitions> <format> lines, then END <count>",
        "TOPICS",
        _alone("TOPICS", Topics()),
    ),
    Command(
        "DESCRIBE",
        "<topic>",
        "shows a topic's settings and partitions",
        "a TOPIC line, SETTING and PARTITION lines, then END <partition count>",
        "DESCRIBE orders",
        _describe,
    ),
    Command(
        "DROP",
        "<topic>",
        "deletes a topic with all its messages",
        "OK",
        "DROP orders",
        _drop,
    ),
    Command(
        "COMMIT",
        f"<group> {_TARGET} <offset>",
        "remembers how far a group has come",
        "OK",
        "COMMIT billing orders/2 1040",
        _commit,
    ),
    Command(
        "COMMITTED",
        f"<group> {_TARGET}",
        "says how far a group has come",
        "OFFSET <offset> or NONE",
        "COMMITTED billing orders/2",
        _committed,
    ),
    Command(
        "GROUPS",
        "",
        "lists the groups",
        "GROUP <state> <members> <name> lines, then END <count>",
        "GROUPS",
        _alone("GROUPS", Groups()),
    ),
    Command(
        "GROUP",
        "<group>",
        "shows who reads what in a group, how far it has come in each partition, and how far it is behind",
        "a GROUP line, MEMBER <host> <client id> <member id> lines each with READS <topic>/<partition> lines,"
        " OFFSET <topic>/<partition> <offset> <high watermark> <lag> lines, then END <count>",
        "GROUP billing",
        _group,
    ),
    Command(
        "FORGET",
        "<group>",
        "deletes a group that has no members, with all that it committed",
        "OK",
        "FORGET billing",
        _forget,
    ),
    Command("PING", "", "asks whether the broker is there", "PONG", "PING", _alone("PING", Ping())),
    Command("HELP", "", "lists the commands", "a HELP line for each, then END", "HELP", _alone("HELP", Help())),
    Command("QUIT", "", "closes the connection", "BYE", "QUIT", _alone("QUIT", Quit())),
)

COMMANDS: Mapping[bytes, Command] = {command.name.encode(): command for command in _TABLE}
"""By name in capitals."""
