"""`logmq bench produce|consume|mixed`: load a broker and print what it carried.

Figures go to standard output, progress to standard error. Exit code 1 when any answer was an error, or missing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from logmq.cli.options import DEFAULT_SERVER, Server
from logmq.client.address import Address
from logmq.client.blocking import Client
from logmq.client.load.plan import Load, Plan
from logmq.client.load.processes import run_in_processes
from logmq.client.load.result import Progress, Result
from logmq.client.load.text import STAMP_SIZE, TextConsume, TextFollow, TextProduce
from logmq.config import parse_duration, parse_size
from logmq.model import Format, TopicPartition, check_topic_name

HEADER_SIZE = 4
"""In a plain log the next message lies its length and this further."""
ERRORS_SHOWN = 5
RATE_REACHED = 0.98

app = typer.Typer(help="Load a broker and print what it carried.", no_args_is_help=True, rich_markup_mode=None)


class Mode(StrEnum):
    """How `bench consume` reads."""

    ONE = "one"
    MANY = "many"
    FOLLOW = "follow"


def _parsed_by(parse: Callable[[str], int], example: str) -> Callable[[str | int], int]:
    """Let Typer report what `parse` does not take."""

    def read(text: str | int) -> int:
        if isinstance(text, int):  # Typer passes the default through here, too
            return text
        try:
            return parse(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r}: write it like {example}") from None

    return read


_DURATION = _parsed_by(lambda text: parse_duration(f"{text}s" if text[-1:].isdigit() else text), "10, 10s or 500ms")
_SIZE = _parsed_by(parse_size, "100 or 1KiB")

Topic = Annotated[str, typer.Option(metavar="TOPIC", help="The topic; what is produced stays in it.")]
Clients = Annotated[int, typer.Option(min=1, metavar="COUNT", help="Connections.")]
Size = Annotated[int, typer.Option(parser=_SIZE, metavar="BYTES", help="Payload of one message.")]
Pipeline = Annotated[
    int, typer.Option(min=1, metavar="COUNT", help="Unanswered requests a connection; 1 is one at a time.")
]
Duration = Annotated[
    int, typer.Option(parser=_DURATION, metavar="TIME", help="How long to measure.  [default: 10s]", show_default=False)
]
Warmup = Annotated[
    int,
    typer.Option(
        parser=_DURATION, metavar="TIME", help="How long to load before measuring.  [default: 1s]", show_default=False
    ),
]
Rate = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="COUNT",
        help="Messages a second over all clients, sent on time whatever the broker does; 0: no limit.",
    ),
]
Processes = Annotated[int, typer.Option(min=1, metavar="COUNT", help="Processes that generate the load.")]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there too ('-': stdout).")]

_DURATION_MS = 10_000
_WARMUP_MS = 1_000


@dataclass(frozen=True, slots=True)
class _Run:
    """What all three commands have in common."""

    server: Address
    duration_ms: int
    warmup_ms: int
    processes: int
    json: Path | None


@app.command()
def produce(
    server: Server = DEFAULT_SERVER,
    topic: Topic = "bench",
    clients: Clients = 1,
    size: Size = 100,
    pipeline: Pipeline = 1,
    duration: Duration = _DURATION_MS,
    warmup: Warmup = _WARMUP_MS,
    rate: Rate = 0.0,
    processes: Processes = 1,
    json_file: Json = None,
) -> None:
    """Append messages and wait until each is acknowledged."""
    _split(topic)
    load = Load("produce", TextProduce(topic, size), clients, pipeline, rate)
    _carry_out(_Run(server, duration, warmup, processes, json_file), load)


@app.command()
def consume(
    server: Server = DEFAULT_SERVER,
    topic: Topic = "bench",
    clients: Clients = 1,
    mode: Annotated[Mode, typer.Option(help="One message a request, many, or a stream.")] = Mode.ONE,
    batch: Annotated[int, typer.Option(min=1, metavar="COUNT", help="Messages a request with --mode many.")] = 1000,
    pipeline: Pipeline = 1,
    duration: Duration = _DURATION_MS,
    warmup: Warmup = _WARMUP_MS,
    rate: Annotated[
        float, typer.Option(min=0, metavar="COUNT", help="Requests a second over all clients; 0: no limit.")
    ] = 0.0,
    processes: Processes = 1,
    json_file: Json = None,
) -> None:
    """Read a topic of equally long messages, such as `bench produce` leaves, from its start over and over.

    With --mode follow it reads once, without warm-up, what the topic held when it began.
    """
    run = _Run(server, duration, 0 if mode is Mode.FOLLOW else warmup, processes, json_file)
    wire = _survey(server, topic)
    if mode is Mode.FOLLOW:
        messages = (wire.end - wire.start) // wire.offset_step
        follow = TextFollow(topic, wire.message_size)
        _carry_out(run, Load("follow", follow, clients, budget=messages))
        return
    if mode is Mode.MANY:
        wire = wire.by(batch)
    _carry_out(run, Load("consume", wire, clients, pipeline, rate))


@app.command()
def mixed(
    server: Server = DEFAULT_SERVER,
    topic: Topic = "bench",
    clients: Annotated[int, typer.Option(min=1, metavar="COUNT", help="Producing connections.")] = 1,
    followers: Annotated[int, typer.Option(min=1, metavar="COUNT", help="Following connections.")] = 1,
    size: Annotated[
        int, typer.Option(parser=_SIZE, metavar="BYTES", help=f"Payload of one message, at least {STAMP_SIZE}.")
    ] = 100,
    pipeline: Pipeline = 1,
    duration: Duration = _DURATION_MS,
    warmup: Warmup = _WARMUP_MS,
    rate: Rate = 0.0,
    processes: Processes = 1,
    json_file: Json = None,
) -> None:
    """Append and follow at the same time: `deliver` shows what followers got, and how long after it was sent."""
    if size < STAMP_SIZE:
        raise typer.BadParameter(f"a message begins with when it was sent and so has {STAMP_SIZE} bytes at least")
    partition = _split(topic)
    with Client(server) as client:
        client.produce(partition.topic, b"0" * size, partition=partition.index)  # so that the followers find it
    loads = (
        Load("produce", TextProduce(topic, size, stamped=True), clients, pipeline, rate),
        Load("deliver", TextFollow(topic, size, "latest", stamped=True), followers),
    )
    _carry_out(_Run(server, duration, warmup, processes, json_file), *loads)


def _split(text: str) -> TopicPartition:
    """Read `topic` or `topic/partition`. Raises: InvalidTopicName, BadParameter."""
    name, slash, index = text.partition("/")
    if slash and not (index.isascii() and index.isdigit()):
        raise typer.BadParameter(f"{index!r} is not a partition")
    return TopicPartition(check_topic_name(name), int(index) if slash else 0)


def _survey(server: Address, topic: str) -> TextConsume:
    """Look at what there is to read."""
    name, index = _split(topic)
    with Client(server) as client:
        description = client.describe(name)
        first = client.consume(name, "earliest", partition=index)
    if first is None:
        raise typer.BadParameter(f"topic {topic} is empty; fill it first: logmq bench produce --topic {topic}")
    step = HEADER_SIZE + len(first.payload) if description.format == Format.PLAIN else 1
    bounds = description.partitions[index]
    return TextConsume(topic, len(first.payload), bounds.log_start_offset, bounds.high_watermark, step)


def _carry_out(run: _Run, *loads: Load) -> None:
    """Run, show, write, and exit with 1 if any answer was an error."""
    plan = Plan(run.server, loads, run.duration_ms / 1e3, run.warmup_ms / 1e3)
    line = _ProgressLine(loads) if sys.stderr.isatty() else None
    results = run_in_processes(plan, run.processes, line)
    if line is not None:
        line.clear()
    if run.json is not None:
        _write_json(run.json, plan, results)
    if str(run.json) != "-":
        typer.echo("\n".join(_table(results)))
    for line_of_words in _remarks(loads, results):
        typer.echo(line_of_words, err=True)
    if any(result.error_count for result in results):
        raise typer.Exit(1)


class _ProgressLine:
    """One line on the terminal, written over again and again."""

    def __init__(self, loads: Sequence[Load]) -> None:
        self._names = [load.name for load in loads]
        self._before = Progress(0.0, 0.0, True, (0,) * len(loads), 0)

    def __call__(self, progress: Progress) -> None:
        seconds = max(progress.elapsed_s - self._before.elapsed_s, 1e-9)
        rates = [
            f"{name} {(now - before) / seconds:,.0f}/s"
            for name, now, before in zip(self._names, progress.message_counts, self._before.message_counts, strict=True)
        ]
        state = "warming up" if progress.warming_up else "measuring"
        errors = f"   {progress.error_count:,} errors" if progress.error_count else ""
        words = f"{state} {progress.elapsed_s:4.1f}/{progress.total_s:g} s   {'   '.join(rates)}{errors}"
        typer.echo(f"\r\x1b[K{words}", err=True, nl=False)
        self._before = progress

    def clear(self) -> None:
        """Leave nothing behind."""
        typer.echo("\r\x1b[K", err=True, nl=False)


def _table(results: Sequence[Result]) -> list[str]:
    lines = [
        f"{'':10}{'messages/s':>12}{'MB/s':>9}{'p50 ms':>10}{'p99 ms':>10}{'p99.9 ms':>10}{'max ms':>10}{'errors':>8}"
    ]
    for result in results:
        latencies = ["-"] * 4
        if result.latency.count:
            values = [*map(result.latency.percentile, (50, 99, 99.9)), result.latency.max_ns]
            latencies = [f"{value / 1e6:.3f}" for value in values]
        columns = "".join(f"{latency:>10}" for latency in latencies)
        throughput = f"{result.rate:>12,.0f}{result.bytes_per_second / 1e6:>9,.2f}"
        lines.append(f"{result.name:10}{throughput}{columns}{result.error_count:>8,}")
    return lines


def _remarks(loads: Sequence[Load], results: Sequence[Result]) -> list[str]:
    lines = []
    wanted = {load.name: load.rate for load in loads}
    for result in results:
        if result.latency.count / max(result.seconds, 1e-9) < wanted[result.name] * RATE_REACHED:
            lines.append(
                f"{result.name}: the rate of {wanted[result.name]:,g}/s was not reached; latencies count the wait"
            )
        for words, count in result.errors.most_common(ERRORS_SHOWN):
            lines.append(f"{result.name}: {count:,} x {words}")
        if result.unanswered:
            lines.append(f"{result.name}: {result.unanswered:,} requests were never answered")
    if results and results[0].generator_load > 0.9:
        lines.append("the generator itself was busy all the time: --processes may show more")
    return lines


def _write_json(file: Path, plan: Plan, results: Sequence[Result]) -> None:
    loads = {
        load.name: {"clients": load.clients, "pipeline": load.depth, "rate": load.rate, "wire": str(load.wire)}
        for load in plan.loads
    }
    document = {
        "server": str(plan.server),
        "duration_s": plan.duration_s,
        "warmup_s": plan.warmup_s,
        "loads": loads,
        "results": {result.name: result.to_json() for result in results},
    }
    text = json.dumps(document, indent=2) + "\n"
    if str(file) == "-":
        typer.echo(text, nl=False)
    else:
        file.write_text(text, encoding="utf-8")
