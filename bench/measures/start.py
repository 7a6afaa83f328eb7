"""How long a start takes, and what an idle broker costs."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from statistics import median

from bench.measures.figure import MB, Figure
from bench.peers.logmq import LogMQServer
from bench.rounds import temporary

STARTS = 5
CONNECTIONS = 1000
_SETTLE_S = 1.0


def measure(parent: Path) -> list[Figure]:
    """Start to first OK on an empty directory, then memory, then memory with 1,000 connections more."""
    return [_first_ok(parent), *_idle(parent)]


def _first_ok(parent: Path) -> Figure:
    seconds = []
    for _ in range(STARTS):
        with temporary(parent) as directory, LogMQServer(directory) as server:
            with _connect(server) as connection:
                connection.sendall(b"PRODUCE first hello-world\n")
                answer = connection.recv(100)
            seconds.append(time.monotonic() - server.started_s)
            assert answer == b"OK 0\n", answer
    middle = median(seconds)
    details = {"seconds": [round(each, 3) for each in seconds]}
    return Figure("start to the first OK, empty directory", "under 0.4 s", f"{middle:.3f} s", middle < 0.4, details)


def _connect(server: LogMQServer) -> socket.socket:
    return socket.create_connection((server.address.host, server.address.port), 10)


def _idle(parent: Path) -> list[Figure]:
    with temporary(parent) as directory, LogMQServer(directory) as server:
        with _connect(server) as connection:
            connection.sendall(b"PRODUCE first hello-world\n")
            connection.recv(100)
        time.sleep(_SETTLE_S)
        alone = server.memory_bytes()
        silent = _with_connections(server, b"") - alone
        used = _with_connections(server, b"CONSUME first 0\n") - alone
    return [
        Figure("idle memory", "under 60 MB", f"{alone / MB:.1f} MB", alone < 60 * MB, {"bytes": alone}),
        Figure(
            f"{CONNECTIONS:,} idle connections add",
            "under 20 MB",
            f"{silent / MB:.1f} MB silent, {used / MB:.1f} MB after one request each",
            max(silent, used) < 20 * MB,
            {"silent_bytes": silent, "used_bytes": used},
        ),
    ]


def _with_connections(server: LogMQServer, request: bytes) -> int:
    """The broker's memory while so many connections are open, each after `request`, if any, was answered."""
    connections = [_connect(server) for _ in range(CONNECTIONS)]
    try:
        if request:
            for connection in connections:
                connection.sendall(request)
                connection.recv(100)
        time.sleep(_SETTLE_S)
        return server.memory_bytes()
    finally:
        for connection in connections:
            connection.close()
