"""Whether memory stays flat under clients that ask for more than can be done, or do not take what they asked for."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.measures.figure import MB, Figure
from bench.peers.logmq import LogMQServer
from bench.peers.peer import TOPIC
from bench.rounds import fill, temporary
from bench.scenarios import SIZE
from logmq.client.load.plan import Load, Plan
from logmq.client.load.run import run
from logmq.client.load.text import TextProduce

_DURATION_S = 8.0
_SAMPLE_INTERVAL_S = 0.1
_FLAT = 8 * MB
"""What allocators may do at their leisure."""
_CLIENTS = 8
_LARGE = 64 * 1024
_LARGE_DEPTH = 256
"""8 clients with 256 messages of 64 KiB each press with 128 MiB, more than the broker may queue."""
_LOG_MESSAGES = 1_000_000
_REQUESTS = b"CONSUME bench earliest 1000000\n" * 2000


def measure(parent: Path) -> list[Figure]:
    """Both kinds of pressure, each on a fresh broker."""
    return [_producers(parent), _never_reading(parent)]


def _producers(parent: Path) -> Figure:
    with temporary(parent) as directory, LogMQServer(directory) as server:
        load = Load("press", TextProduce(TOPIC, _LARGE), _CLIENTS, _LARGE_DEPTH)

        def press() -> None:
            (result,) = run(Plan(server.address, (load,), _DURATION_S))
            details["megabytes_per_second"] = round(result.bytes_per_second / MB, 1)
            details["errors"] = dict(result.errors)

        details: dict[str, object] = {}
        samples = _sampled(server, press)
    return _figure("memory under producers faster than the disk", samples, details)


def _never_reading(parent: Path) -> Figure:
    """Followers and consumers that ask for the whole log many times over and take nothing."""
    with temporary(parent) as directory, LogMQServer(directory) as server:
        fill(server, _LOG_MESSAGES, SIZE)

        def press() -> None:
            address = (server.address.host, server.address.port)
            with contextlib.ExitStack() as stack:
                for index in range(_CLIENTS):
                    connection = stack.enter_context(socket.create_connection(address))
                    connection.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        connection.send(_REQUESTS if index % 2 else b"FOLLOW bench earliest\n")
                time.sleep(_DURATION_S)

        samples = _sampled(server, press)
    return _figure("memory under clients that never read", samples, {})


def _sampled(server: LogMQServer, press: Callable[[], None]) -> list[int]:
    """The broker's memory, sampled while `press` runs; the first one is from before."""
    samples = [server.memory_bytes()]
    thread = threading.Thread(target=press)
    thread.start()
    while thread.is_alive():
        thread.join(_SAMPLE_INTERVAL_S)
        samples.append(server.memory_bytes())
    return samples


def _figure(title: str, samples: list[int], details: dict[str, object]) -> Figure:
    """Flat is what lies no higher in the last quarter than in the second one, the filling of all queues left out."""
    before, under = samples[0], samples[1:]
    quarter = len(under) // 4
    early, late = median(under[quarter : 2 * quarter]), median(under[3 * quarter :])
    measured = f"{(late - early) / MB:+.1f} MB (before {before / MB:.0f} MB, highest {max(under) / MB:.0f} MB)"
    details["samples_mb"] = [round(sample / MB, 1) for sample in samples]
    goal = f"grows by under {_FLAT // MB} MB from second to last quarter"
    return Figure(title, goal, measured, late - early < _FLAT, details)
