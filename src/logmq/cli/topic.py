"""`logmq topic list|create|describe|alter|delete`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from logmq.cli.consent import ask_to_delete
from logmq.cli.options import DEFAULT_SERVER, Format, Server, TopicName
from logmq.cli.output import OutputFormat
from logmq.cli.table import print_table
from logmq.client.blocking import Client
from logmq.client.connection import TopicDescription
from logmq.client.replies import SettingValue
from logmq.config import TOPIC_SETTINGS
from logmq.model import Format as StoredAs

app = typer.Typer(help="List, create, describe, alter and delete topics.", no_args_is_help=True, rich_markup_mode=None)

PartitionCount = Annotated[
    int | None, typer.Option("--partitions", "-p", min=1, metavar="COUNT", help="How many partitions it has.")
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="NAME=VALUE", help=f"A setting: {', '.join(TOPIC_SETTINGS)}."),
]


@app.command("list")
def list_topics(
    every: Annotated[bool, typer.Option("--all", "-a", help="The broker's own topics, too.")] = False,
    server: Server = DEFAULT_SERVER,
    output: Format = OutputFormat.TEXT,
) -> None:
    """List the topics."""
    with Client(server) as client:
        topics = [topic for topic in client.topics() if every or not topic.name.startswith("__")]
    if output is OutputFormat.JSON:
        _print_json([{"name": t.name, "partitions": t.partition_count, "format": t.format} for t in topics])
    elif topics:
        print_table(["TOPIC", "PARTITIONS", "FORMAT"], [(t.name, t.partition_count, t.format) for t in topics])
    else:
        typer.echo("there are no topics yet; the first message to one creates it", err=True)


@app.command()
def create(
    topic: TopicName,
    partitions: PartitionCount = None,
    settings: Assignments = None,
    stored_as: Annotated[
        StoredAs | None,
        typer.Option(
            "--stored-as", help="Plain: values alone. Batch: as Kafka clients send them, with keys and headers."
        ),
    ] = None,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Create a topic. What is not given follows the broker's settings."""
    assigned = _assigned(settings or [])
    if stored_as is not None:
        assigned["format"] = stored_as.value
    with Client(server) as client:
        client.create(topic, partitions, assigned)
    typer.echo(f"created topic {topic}", err=True)


@app.command()
def describe(topic: TopicName, server: Server = DEFAULT_SERVER, output: Format = OutputFormat.TEXT) -> None:
    """Show a topic's settings, and where its partitions begin and end."""
    with Client(server) as client:
        description = client.describe(topic)
    if output is OutputFormat.JSON:
        _print_json(_description_json(description))
    else:
        _print_description(description)


@app.command()
def alter(
    topic: TopicName,
    partitions: PartitionCount = None,
    settings: Assignments = None,
    reset: Annotated[
        list[str] | None,
        typer.Option("--reset", "-r", metavar="NAME", help="A setting that follows the broker's again."),
    ] = None,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Change a topic's settings, or let it have more partitions."""
    assigned = _assigned(settings or []) | dict.fromkeys(reset or [], "default")
    if partitions is None and not assigned:
        raise typer.BadParameter("nothing to change: give --set, --reset or --partitions")
    with Client(server) as client:
        client.alter(topic, partitions, assigned)
    typer.echo(f"altered topic {topic}", err=True)


@app.command()
def delete(
    topic: TopicName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Delete a topic with all its messages, for good."""
    if not yes:
        ask_to_delete(f"topic {topic} with all its messages")
    with Client(server) as client:
        client.drop(topic)
    typer.echo(f"deleted topic {topic}", err=True)


def _assigned(settings: Sequence[str]) -> dict[str, str]:
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name or not value:
            raise typer.BadParameter(f"{setting!r}: write a setting as NAME=VALUE, such as retention.ms=7d")
        values[name] = value
    return values


# -- output ----------------------------------------------------------------------------------------------------


def _print_description(description: TopicDescription) -> None:
    typer.echo(f"topic {description.name}, format {description.format}\n")
    settings = [(each.name, _shown(each), each.origin) for each in description.settings]
    print_table(["SETTING", "VALUE", "FROM"], settings)
    typer.echo()
    print_table(
        ["PARTITION", "LOG START OFFSET", "HIGH WATERMARK", "SIZE", "SEGMENTS"],
        [
            (each.index, each.log_start_offset, each.high_watermark, each.size_bytes, each.segment_count)
            for each in description.partitions
        ],
        exact=("LOG START OFFSET", "HIGH WATERMARK"),
    )


def _shown(setting: SettingValue) -> str:
    """A value in the unit that a person would write it in."""
    value, known = _value(setting), TOPIC_SETTINGS.get(setting.name)
    return known.kind.show(value) if known is not None and isinstance(value, int) else setting.value


def _value(setting: SettingValue) -> int | str | None:
    """A setting's value: a number, a word, or None where it is without limit."""
    if setting.value.isascii() and setting.value.isdigit():
        return int(setting.value)
    return None if setting.value == "none" else setting.value


def _description_json(description: TopicDescription) -> dict[str, object]:
    return {
        "name": description.name,
        "format": description.format,
        "settings": {each.name: {"value": _value(each), "from": each.origin} for each in description.settings},
        "partitions": [
            {
                "partition": each.index,
                "log_start_offset": each.log_start_offset,
                "high_watermark": each.high_watermark,
                "size_bytes": each.size_bytes,
                "segment_count": each.segment_count,
            }
            for each in description.partitions
        ],
    }


def _print_json(document: object) -> None:
    typer.echo(json.dumps(document, indent=2))
