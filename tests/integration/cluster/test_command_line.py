"""`logmq cluster`: one command for a cluster on this machine, and two that look at one."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.integration.broker import environment, logmq
from tests.integration.output import Output


def three_ports() -> int:
    """The first of three that nobody listens on."""
    for first in range(21_000, 30_000, 3):
        try:
            with ExitStack() as stack:
                for port in range(first, first + 3):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
                return first
        except OSError:
            continue
    raise AssertionError("no three ports are free")


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Output]]:
    if shutil.which("etcd") is None:
        pytest.skip("etcd is not installed")
    command = [sys.executable, "-m", "logmq", "cluster", "dev", str(tmp_path), "--port", str(three_ports())]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stderr is not None
        output = Output(process.stderr)
        try:
            yield process, output
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(40)
            output.join()


def test_a_cluster_in_one_command(dev: tuple[subprocess.Popen[bytes], Output], tmp_path: Path) -> None:
    """It says who leads; status and verify agree with it; damage is found; Ctrl-C ends all of it."""
    process, output = dev
    cluster = output.wait_for(r"--cluster=(\S+)")[1]
    objects = output.wait_for(r"--objects=(\S+)")[1]
    leader = output.wait_for(r"(\S+) leads")[1]
    assert logmq("produce", "--server", leader, "t", "hello") == (0, "0\n")
    code, printed = logmq("cluster", "status", "--cluster", cluster, "--format", "json")
    assert code == 0
    found = json.loads(printed)
    assert len(found["brokers"]) == 3
    assert [one["address"] for one in found["brokers"] if one["leads"]] == [leader]
    assert sum(lane["commits"] for lane in found["lanes"]) >= 1
    code, printed = logmq("cluster", "status", "--cluster", cluster)
    assert re.search(rf"{leader} .*leads", printed)
    assert logmq("cluster", "verify", "--cluster", cluster, "--objects", objects)[0] == 0
    (name,) = [path for path in (tmp_path / "objects" / "wal").glob("*/*") if b"hello" in path.read_bytes()]
    name.write_bytes(name.read_bytes().replace(b"hello", b"jello"))
    code, printed = logmq("cluster", "verify", "--cluster", cluster, "--objects", objects)
    assert code == 1
    assert "does not match its checksum" in printed
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(leader.rpartition(":")[2])), 1)


def test_a_cluster_that_cannot_be_reached_is_explained() -> None:
    """In one sentence."""
    code, printed = logmq("cluster", "status", "--cluster", "etcd://127.0.0.1:1/x")
    assert code != 0
    assert "does not answer" in printed
    assert "Traceback" not in printed
