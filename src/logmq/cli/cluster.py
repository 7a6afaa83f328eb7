"""`logmq cluster`: try one out on this machine, look at one, check its objects."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from logmq.cli.exits import ExitCode
from logmq.cli.options import Format
from logmq.cli.output import OutputFormat
from logmq.cli.table import print_table
from logmq.errors import StartupError

app = typer.Typer(help="Try a cluster out, look at one, check its objects.", no_args_is_help=True)

_BROKER_COUNT = 3
_WAIT_S = 30.0
_RESTART_S = 1.0
_STOP_S = 15.0
_READY = re.compile(rb"ready on (\S+)")

Cluster = Annotated[
    str, typer.Option("--cluster", envvar="LOGMQ_CLUSTER", metavar="URL", help="etcd, as for `logmq serve`.")
]
Objects = Annotated[
    str, typer.Option("--objects", envvar="LOGMQ_OBJECTS", metavar="URL", help="Object store, as for `logmq serve`.")
]


@app.command()
def dev(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where etcd and objects lie.")] = Path(
        "cluster"
    ),
    port: Annotated[int, typer.Option("--port", help="The first broker's; the others take the next.")] = 8080,
) -> None:
    """Run three brokers with an etcd of their own and a directory of objects, until Ctrl-C; for trying things out."""
    program = shutil.which("etcd")
    if program is None:
        raise StartupError("etcd is not installed: apt install etcd-server, brew install etcd, or see https://etcd.io")
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        client, peer = _free_ports(2)
        _start_etcd(stack, program, directory, client, peer)
        flags = [f"--cluster=etcd://127.0.0.1:{client}/dev", f"--objects=file://{directory / 'objects'}"]
        typer.echo(f"{' '.join(flags)}", err=True)
        brokers = [_Broker(directory, number, port + number, flags, stack) for number in range(_BROKER_COUNT)]
        try:
            while True:
                for broker in brokers:
                    broker.look()
                time.sleep(0.2)
        except KeyboardInterrupt:
            typer.echo(err=True)
            for broker in brokers:
                broker.stop()


class _Broker:
    """A broker that is started again whenever it ends."""

    def __init__(self, directory: Path, number: int, port: int, flags: list[str], stack: ExitStack) -> None:
        self._log = directory / f"broker-{number}.log"
        self._port = port
        self._command = [sys.executable, "-m", "logmq", "serve", f"--port={port}", *flags]
        self._leads = False
        self._begin = 0
        self._process = self._start()
        stack.callback(self._end)

    def _start(self) -> subprocess.Popen[bytes]:
        self._begin = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C is for this command, which stops the brokers one after the other.
            return subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )  # fmt: skip

    def look(self) -> None:
        """Say if it leads now; start it again if it has ended."""
        if self._process.poll() is not None:
            typer.echo(f"broker {self._port} ended with code {self._process.returncode}, see {self._log}", err=True)
            self._leads = False
            time.sleep(_RESTART_S)
            self._process = self._start()
        elif not self._leads and (found := _READY.search(self._log.read_bytes()[self._begin :])):
            self._leads = True
            typer.echo(f"{found[1].decode()} leads; kill -9 {self._process.pid} and another one will", err=True)

    def stop(self) -> None:
        """Let it finish what was begun."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._end()

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def _start_etcd(stack: ExitStack, program: str, directory: Path, client: int, peer: int) -> None:
    address, peers = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    command = [
        program, "--data-dir", str(directory / "etcd"), "--listen-client-urls", address,
        "--advertise-client-urls", address, "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
        "--initial-cluster", f"default={peers}", "--force-new-cluster",
        "--auto-compaction-mode", "revision", "--auto-compaction-retention", "1000",
    ]  # fmt: skip
    if not (directory / "etcd").exists():
        command.remove("--force-new-cluster")
    with (directory / "etcd.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )  # fmt: skip
    stack.callback(process.wait)
    stack.callback(process.terminate)
    deadline = time.monotonic() + _WAIT_S
    while True:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", client)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise StartupError(f"etcd did not start: see {directory / 'etcd.log'}")
        time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(server.getsockname()[1]) for server in servers]


@app.command()
def status(cluster: Cluster, output: Format = OutputFormat.TEXT) -> None:
    """Show the brokers, which of them leads, and how far each lane is."""
    from logmq.storage.cluster.overview import look  # noqa: PLC0415 - an extra

    found = asyncio.run(look(cluster))
    if output is OutputFormat.JSON:
        typer.echo(json.dumps(found.as_dict()))
        return
    print_table(
        ("broker", "address", "version", ""),
        [(one.incarnation, one.address, one.version, "leads" if one.leads else "stands by") for one in found.brokers],
    )
    typer.echo()
    print_table(
        ("lane", "term", "commits", "object", "checkpoint"),
        [(one.lane, one.term, one.commits, one.object or "", one.checkpoint or "") for one in found.lanes],
    )


@app.command()
def verify(cluster: Cluster, objects: Objects) -> None:
    """Read every object that the lanes reach and check it against its checksums; changes nothing."""
    from logmq.storage.cluster.overview import damage  # noqa: PLC0415 - an extra

    findings, checked = asyncio.run(damage(cluster, objects))
    for finding in findings:
        typer.echo(finding)
    verdict = "all is well" if not findings else f"{len(findings)} findings"
    typer.echo(f"{checked:,} bytes of records checked: {verdict}", err=True)
    if findings:
        raise typer.Exit(ExitCode.REFUSED)
