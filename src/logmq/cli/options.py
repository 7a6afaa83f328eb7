"""Arguments and options that several commands share, each with how its text is read."""

from __future__ import annotations

from typing import Annotated

import typer

from logmq.cli.output import OutputFormat
from logmq.client.address import Address, parse_address
from logmq.errors import InvalidTopicName
from logmq.limits import PARTITION_COUNT_MAX
from logmq.model import TopicPartition, check_topic_name

DEFAULT_SERVER = Address("127.0.0.1", 8080)


def _address(text: str | Address) -> Address:
    if isinstance(text, Address):  # Typer passes the default through here, too
        return text
    try:
        return parse_address(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _topic(text: str) -> str:
    try:
        return check_topic_name(text)
    except InvalidTopicName as error:
        raise typer.BadParameter(str(error)) from None


def _partition(text: str | TopicPartition) -> TopicPartition:
    if isinstance(text, TopicPartition):
        return text
    topic, slash, index = text.partition("/")
    if slash and not (index.isascii() and index.isdigit() and int(index[:9]) < PARTITION_COUNT_MAX):
        raise typer.BadParameter(f"{index!r} is not a partition: use a number from 0 to {PARTITION_COUNT_MAX - 1}")
    return TopicPartition(_topic(topic), int(index) if slash else 0)


Server = Annotated[
    Address,
    typer.Option(
        "--server",
        parser=_address,
        envvar="LOGMQ_SERVER",
        metavar="HOST:PORT",
        help="The broker; logmqs://HOST:PORT for TLS.",
    ),
]
TopicName = Annotated[str, typer.Argument(metavar="TOPIC", parser=_topic, help="The topic's name.")]
Partition = Annotated[
    TopicPartition,
    typer.Argument(metavar="TOPIC", parser=_partition, help="A topic; orders/2 is partition 2 of orders."),
]
Format = Annotated[OutputFormat, typer.Option("--format", help="For people, or for programs.")]
