"""`logmq group list|describe|seek|delete`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Annotated

import typer

from logmq.cli.consent import ask_to_delete
from logmq.cli.options import DEFAULT_SERVER, Format, Partition, Server
from logmq.cli.output import OutputFormat
from logmq.cli.table import print_table
from logmq.client.blocking import Client
from logmq.client.connection import GroupDescription
from logmq.model import TopicPartition

app = typer.Typer(help="List, describe, move and delete consumer groups.", no_args_is_help=True, rich_markup_mode=None)

GroupName = Annotated[str, typer.Argument(metavar="GROUP", help="The group's name.")]


@app.command("list")
def list_groups(server: Server = DEFAULT_SERVER, output: Format = OutputFormat.TEXT) -> None:
    """List the groups."""
    with Client(server) as client:
        groups = client.groups()
    if output is OutputFormat.JSON:
        _print_json([{"name": each.name, "state": each.state, "members": each.member_count} for each in groups])
    elif groups:
        print_table(["GROUP", "STATE", "MEMBERS"], [(each.name, each.state, each.member_count) for each in groups])
    else:
        typer.echo("there are no groups yet; the first member or committed offset makes one", err=True)


@app.command()
def describe(group: GroupName, server: Server = DEFAULT_SERVER, output: Format = OutputFormat.TEXT) -> None:
    """Show who reads what in a group, how far it has come in each partition, and how far it is behind."""
    with Client(server) as client:
        description = client.group(group)
    if output is OutputFormat.JSON:
        _print_json(_description_json(description))
    else:
        _print_description(description)


@app.command()
def seek(
    group: GroupName,
    partition: Partition,
    offset: Annotated[str, typer.Argument(metavar="OFFSET", help="A number, earliest or latest.")],
    server: Server = DEFAULT_SERVER,
) -> None:
    """Let a group without members go on from an offset."""
    with Client(server) as client:
        number = _offset(client, partition, offset)
        client.commit(group, partition.topic, number, partition=partition.index)
    typer.echo(f"group {group} goes on from {number} in {partition}", err=True)


@app.command()
def delete(
    group: GroupName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Delete a group without members, with all that it committed."""
    if not yes:
        ask_to_delete(f"group {group} with all that it committed")
    with Client(server) as client:
        client.forget(group)
    typer.echo(f"deleted group {group}", err=True)


def _offset(client: Client, partition: TopicPartition, text: str) -> int:
    """The offset that a text means for a partition."""
    if text.isascii() and text.isdigit():
        return int(text)
    if text not in {"earliest", "latest"}:
        raise typer.BadParameter(f"{text!r} is not an offset: use a number, earliest or latest")
    for each in client.describe(partition.topic).partitions:
        if each.index == partition.index:
            return each.log_start_offset if text == "earliest" else each.high_watermark
    raise typer.BadParameter(f"topic {partition.topic} has no partition {partition.index}")


# -- output ------------------------------------------------------------------------------------------------------------


def _print_description(description: GroupDescription) -> None:
    summary = description.summary
    typer.echo(f"group {summary.name}, {summary.state}, members: {summary.member_count}\n")
    if description.members:
        members = [(one.client_id, one.host, shown(one.partitions), one.member_id) for one in description.members]
        print_table(["CLIENT", "HOST", "READS", "MEMBER"], members)
        typer.echo()
    print_table(
        ["TOPIC", "PARTITION", "OFFSET", "HIGH WATERMARK", "LAG"],
        [(each.topic, each.partition, each.offset, each.high_watermark, each.lag) for each in description.offsets],
        exact=("OFFSET", "HIGH WATERMARK"),
    )


def shown(partitions: Sequence[TopicPartition]) -> str:
    """Ascending partitions in few words: `orders/0-3,7 payments/0`."""
    words = []
    for topic, group in groupby(partitions, key=lambda each: each.topic):
        ranges: list[list[int]] = []
        for each in group:
            if ranges and each.index == ranges[-1][-1] + 1:
                ranges[-1] = [ranges[-1][0], each.index]
            else:
                ranges.append([each.index])
        words.append(f"{topic}/{','.join('-'.join(map(str, one)) for one in ranges)}")
    return " ".join(words) or "-"


def _description_json(description: GroupDescription) -> dict[str, object]:
    summary = description.summary
    return {
        "name": summary.name,
        "state": summary.state,
        "members": summary.member_count,
        "readers": [
            {
                "member_id": one.member_id,
                "client_id": one.client_id,
                "host": one.host,
                "partitions": [{"topic": each.topic, "partition": each.index} for each in one.partitions],
            }
            for one in description.members
        ],
        "offsets": [
            {
                "topic": each.topic,
                "partition": each.partition,
                "offset": each.offset,
                "high_watermark": each.high_watermark,
                "lag": each.lag,
            }
            for each in description.offsets
        ],
    }


def _print_json(document: object) -> None:
    typer.echo(json.dumps(document, indent=2))
