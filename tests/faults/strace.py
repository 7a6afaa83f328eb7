"""Faults of the system under a running broker, put there by strace (man 1 strace, -e inject).

An injection names system calls, what happens instead, and when: `fdatasync:error=EIO:when=2` fails the second call of
each thread that makes it, counted from the moment strace is there. With a path only calls on that file count.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from tests.integration.broker import BrokerProcess
from tests.integration.output import Output


@cache
def why_not() -> str:
    """Why strace cannot be used here; empty if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    command = ["strace", "-f", "-e", "inject=fsync:error=EIO", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"strace may not trace here: {done.stderr.strip()}"


needs_strace = pytest.mark.skipif(bool(why_not()), reason=why_not() or "strace works")


def _calls(injection: str) -> str:
    return injection.partition(":")[0]


def under(*injections: str) -> Sequence[str]:
    """A command line to put before a broker's, so that it runs with these injections from its start.

    strace stays beside it: the broker is our child, with its own process id and exit code.
    """
    calls = ",".join(map(_calls, injections))
    injected = [word for injection in injections for word in ("-e", f"inject={injection}")]
    return ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", f"trace={calls}", *injected, "--"]


@contextmanager
def attached(broker: BrokerProcess, *injections: str, paths: Sequence[Path] = ()) -> Iterator[Output]:
    """Put injections under a broker that runs already; yields the calls as strace prints them.

    When the block ends they end too, if the broker has not ended before.
    """
    calls = ",".join(map(_calls, injections))
    command = ["strace", "-f", "-p", str(broker.pid), "-e", f"trace={calls}"]
    command += [word for injection in injections for word in ("-e", f"inject={injection}")]
    command += [word for path in paths for word in ("-P", str(path))]
    strace = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert strace.stderr is not None
    output = Output(strace.stderr)
    try:
        output.wait_for(rf"Process {broker.pid} attached")
        yield output
    finally:
        strace.terminate()
        strace.wait()
        output.join()
