"""Server processes: started, awaited, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from logmq.client.address import Address

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_KIB = 1024


def free_port() -> int:
    """A port on which nobody listens at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """A server started as a child process, ready when the constructor returns: it accepts connections."""

    def __init__(self, command: Sequence[str], address: Address, output: Path) -> None:
        """Start it; what it prints goes to `output`.

        Raises:
            RuntimeError: it ended, or did not listen in time; the message has the end of its output.
        """
        self.address = address
        self._output = output
        self.started_s = time.monotonic()
        with output.open("ab") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
        try:
            self._wait_for_listener()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise

    def _wait_for_listener(self) -> None:
        while time.monotonic() < self.started_s + _START_TIMEOUT_S:
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection((self.address.host, self.address.port), 1).close()
            except OSError:
                time.sleep(0.002)
            else:
                self.ready_s = time.monotonic() - self.started_s
                return
        raise RuntimeError(f"the server did not start:\n{self._output.read_text(errors='replace')[-2000:]}")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def memory_bytes(self) -> int:
        """Its resident memory now."""
        return self._status("VmRSS")

    def memory_peak_bytes(self) -> int:
        """The most resident memory it ever had."""
        return self._status("VmHWM")

    def _status(self, field: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return int(value.split()[0]) * _KIB
        raise RuntimeError(f"no {field} of process {self.pid}")

    def cpu_s(self) -> float:
        """CPU time it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that is of no use."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
