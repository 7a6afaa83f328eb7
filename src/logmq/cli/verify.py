"""`logmq verify`: check everything at rest. Exit code: 0 all is well, 1 damage found or not a data directory."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from logmq.broker.topics import specs_of
from logmq.cli.exits import ExitCode
from logmq.cli.options import Format
from logmq.cli.output import OutputFormat
from logmq.clock import SYSTEM_CLOCK
from logmq.config import Config
from logmq.errors import UnreadableDirectory
from logmq.storage.engine import LogSpec
from logmq.storage.local.files import Directory
from logmq.storage.local.meta import SqliteMeta
from logmq.storage.local.names import META
from logmq.storage.local.verify import Finding, Progress
from logmq.storage.local.verify import verify as check


def verify(
    data_dir: Annotated[
        Path, typer.Option(metavar="PATH", envvar="LOGMQ_DATA_DIR", help="The data directory; no broker may run on it.")
    ] = Path("data"),
    output: Format = OutputFormat.TEXT,
) -> None:
    """Check every byte of a stopped broker's directory against its checksums; changes nothing."""
    findings, checked = _verify(data_dir)
    for finding in findings:
        typer.echo(json.dumps(asdict(finding)) if output is OutputFormat.JSON else str(finding))
    verdict = "all is well" if not findings else f"{len(findings)} finding{'s' * (len(findings) > 1)}"
    typer.echo(f"{checked:,} bytes of records checked: {verdict}", err=True)
    if findings:
        raise typer.Exit(ExitCode.REFUSED)


def _verify(data_dir: Path) -> tuple[list[Finding], int]:
    if not (data_dir / META).exists():
        raise UnreadableDirectory(f"{data_dir} is not a LogMQ data directory: it holds no {META}")
    findings: list[Finding] = []
    checked = 0
    directory = Directory(data_dir)
    try:
        specs = asyncio.run(_specs(data_dir))
        with _progress() as show:
            for step in check(directory, specs):
                if isinstance(step, Finding):
                    findings.append(step)
                else:
                    checked = step.checked_bytes
                    show(step)
    finally:
        directory.close()
    return findings, checked


async def _specs(data_dir: Path) -> list[LogSpec]:
    meta = SqliteMeta(data_dir, Config(), SYSTEM_CLOCK)
    try:
        return [spec for topic in await meta.topics() for spec in specs_of(topic)]
    finally:
        await meta.close()


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.progress import Progress as Bar  # noqa: PLC0415

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("checking", total=None)

        def show(step: Progress) -> None:
            bar.update(task, completed=step.checked_bytes, total=step.total_bytes)

        yield show
