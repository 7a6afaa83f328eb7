"""A broker as people run it: `logmq serve` as a process of its own, on a port that the system chose.

Every broker that a test started is in `STARTED` until the test is over; when it fails, what they printed is shown.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.integration.line_client import LineClient
from tests.integration.output import Output

KIB = 1024
MIB = 1024 * KIB

STARTED: list[BrokerProcess] = []
"""The brokers of the running test, and those that outlive it."""


def serve_command(data_dir: Path, *flags: str) -> list[str]:
    """The command line of a broker with these settings, such as `--sync=never`."""
    return [sys.executable, "-m", "logmq", "serve", "--port", "0", "--data-dir", str(data_dir), *flags]


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of this process without LogMQ's own, and these. A broker that gets SIGABRT says what it was at."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOGMQ_")}
    return kept | {"PYTHONFAULTHANDLER": "1"} | dict(variables or {})


def run(
    command: Sequence[str], *, cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a command that ends by itself; returns its exit code and all that it printed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=45,
        check=False,
    )
    return done.returncode, done.stdout.decode(errors="replace")


def logmq(*args: str) -> tuple[int, str]:
    """Run `logmq` with these arguments; returns its exit code and all that it printed."""
    return run([sys.executable, "-m", "logmq", *args])


class BrokerProcess:
    """A running broker. The constructor returns when it is ready, or at once with `await_ready=False`."""

    def __init__(
        self,
        data_dir: Path,
        *flags: str,
        under: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        await_ready: bool = True,
    ) -> None:
        """Start it. `under` is a command that runs it as its child without standing in between, such as strace -D.

        Raises: AssertionError, with what it printed, when it did not become ready.
        """
        self.data_dir = data_dir
        self._process = subprocess.Popen(
            [*under, *serve_command(data_dir, *flags)],
            cwd=cwd,
            env=environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert self._process.stderr is not None
        self.output = Output(self._process.stderr)
        STARTED.append(self)
        if await_ready:
            self.await_ready()

    def await_ready(self) -> None:
        """Wait for the banner. Raises: AssertionError, with what it printed instead."""
        try:
            self.output.wait_for(r"ready on \S+:\d+")
            self.output.wait_for(r"  try  .*\n")
        except AssertionError as error:
            code = self.abort()
            raise AssertionError(f"the broker did not become ready (exit code {code}):\n{self.output.text}") from error

    # -- what it is doing --------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def port(self) -> int:
        """Where it listens, by its banner."""
        return int(self.output.wait_for(r"ready on \S+:(\d+)")[1])

    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def client(self, *, timeout_s: float = 30.0) -> LineClient:
        """A new connection."""
        return LineClient(self.port, timeout_s=timeout_s)

    def ask(self, *lines: bytes) -> list[bytes]:
        """The answer of one line each to some commands, over a connection of their own."""
        with self.client() as client:
            return [client.ask(line) for line in lines]

    def memory_bytes(self) -> int:
        """Its resident memory now."""
        return self._status("VmRSS")

    def memory_mark(self) -> MemoryMark:
        """Begin to watch by how much its memory grows."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # man 5 proc: forget the highest resident size so far
        return MemoryMark(self, self.memory_bytes())

    def memory_peak_bytes(self) -> int:
        """The most resident memory it had since the last `memory_mark`."""
        return self._status("VmHWM")

    def _status(self, field: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return int(value.split()[0]) * KIB
        raise AssertionError(f"no {field} of process {self.pid}")

    def cpu_s(self) -> float:
        """CPU time it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptor_count(self) -> int:
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208

    def limit(self, which: int, value: int) -> None:
        """Set a soft limit of the running process, such as RLIMIT_FSIZE; it can be set higher again."""
        _, hard = resource.prlimit(self.pid, which)
        resource.prlimit(self.pid, which, (hard if value == resource.RLIM_INFINITY else value, hard))

    # -- how it ends -------------------------------------------------------------------------------------------------

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self, timeout_s: float = 45.0) -> int:
        """Wait until it has ended by itself; returns its exit code, negative for a signal. Raises: TimeoutError."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"the broker still runs after {timeout_s} s") from error
        self.output.join()
        return code

    def abort(self) -> int:
        """Make it print what each of its threads is doing, if it still runs; returns its exit code."""
        if self.is_running():
            self.signal(signal.SIGABRT)
        code = self._process.wait()
        self.output.join()
        return code

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()
        self.output.join()

    def stop(self) -> None:
        """Stop it as its operator would, and expect that to be clean. Raises: AssertionError."""
        if self.is_running():
            self.signal(signal.SIGTERM)
        try:
            code = self.wait()
        except TimeoutError:
            code = self.abort()
        assert code == 0, f"the broker ended with exit code {code}:\n{self.output.text}"
        assert "Traceback" not in self.output.text, f"the broker had an accident:\n{self.output.text}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop it, unless it is gone already or the test has failed, which ends it at once."""
        if error is not None:
            self.kill()
        elif self._process.returncode is None:
            self.stop()


class MemoryMark:
    """How much memory a broker had at some moment, to be compared with the most it has had since."""

    def __init__(self, broker: BrokerProcess, before_bytes: int) -> None:
        self._broker = broker
        self.before_bytes = before_bytes

    def growth_bytes(self) -> int:
        """By how much its memory was larger than then, at most."""
        return self._broker.memory_peak_bytes() - self.before_bytes
