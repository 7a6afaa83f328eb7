"""`logmq produce`: one message from the command line, or each line of standard input."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from logmq.cli.lines import LineCutter
from logmq.cli.options import DEFAULT_SERVER, Partition, Server
from logmq.cli.progress import progress
from logmq.client.blocking import Client
from logmq.client.errors import ProduceError
from logmq.model import TopicPartition

CHUNK_SIZE = 1024 * 1024
"""Bytes taken from standard input at a time; what one read brings is sent at once, so that a typed line is not held
back, and a file goes out in long pipelined runs."""


def produce(
    target: Partition,
    message: Annotated[
        str | None, typer.Argument(metavar="MESSAGE", help="The message; without it, lines of standard input.")
    ] = None,
    offsets: Annotated[bool, typer.Option("--offsets", help="Print the offset of each line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No words, only errors.")] = False,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Store messages, and return when all of them are durable.

    With a MESSAGE its offset is printed. Without one each line of standard input is a message, as it is.
    """
    with Client(server) as client:
        if message is not None:
            typer.echo(client.produce(target.topic, os.fsencode(message), partition=target.index))
        else:
            _produce_lines(client, target, print_offsets=offsets, quiet=quiet)


def _produce_lines(client: Client, target: TopicPartition, *, print_offsets: bool, quiet: bool) -> None:
    at_terminal = sys.stdin.isatty()
    if at_terminal and not quiet:
        typer.echo("type messages, one a line; Ctrl-D ends", err=True)
    count, first, last = 0, None, None
    with progress(f"to {target.topic}", _size_of_stdin(), wanted=not (quiet or at_terminal)) as shown:
        for size, lines in _runs_of_lines():
            try:
                stored = client.produce_many(target.topic, lines, partition=target.index)
            except ProduceError as error:
                _report(error, count)
                raise typer.Exit(1) from None
            if print_offsets and stored:
                typer.echo("\n".join(map(str, stored)))
            if stored:
                first = stored[0] if first is None else first
                last = stored[-1]
            count += len(lines)
            shown.advance(size, len(lines))
    if not quiet:
        where = f", offsets {first} to {last}" if count > 1 else f", offset {first}" if count else ""
        typer.echo(f"{count:,} {'message' if count == 1 else 'messages'} stored in {target}{where}", err=True)


def _runs_of_lines() -> Iterator[tuple[int, list[bytes]]]:
    """The lines of standard input as they come in, with the number of bytes read for them."""
    cutter = LineCutter()
    descriptor = sys.stdin.fileno()
    while chunk := os.read(descriptor, CHUNK_SIZE):
        yield len(chunk), cutter.feed(chunk)
    yield 0, cutter.finish()


def _size_of_stdin() -> int | None:
    """How much there is to read, if standard input is a file."""
    status = os.fstat(sys.stdin.fileno())
    if not stat.S_ISREG(status.st_mode):
        return None
    return max(status.st_size - os.lseek(sys.stdin.fileno(), 0, os.SEEK_CUR), 0) or None


def _report(error: ProduceError, before: int) -> None:
    """Say which line was refused and what became of the others, so that a person knows where to go on."""
    refused = before + error.first_refused + 1
    sent = before + len(error.results)
    count = sum(not isinstance(result, int) for result in error.results)
    others = "" if count == 1 else f", and {count - 1:,} more behind it"
    typer.echo(f"logmq: line {refused:,} was refused{others}: {error.reason} ({error.code})", err=True)
    typer.echo(f"logmq: the other lines up to {sent:,} are stored, those behind were not sent", err=True)
