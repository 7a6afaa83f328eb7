"""How soon a broker with 1 GiB of small messages answers again, after a clean stop and after kill -9."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from bench.measures.figure import Figure
from bench.peers.logmq import LogMQServer
from bench.peers.peer import TOPIC
from bench.rounds import fill
from bench.scenarios import DEPTH, SIZE
from logmq.client.load.plan import Load, Plan
from logmq.client.load.result import Result
from logmq.client.load.run import run

LOG_SIZE = 1 << 30
_FRAME_SIZE = 4 + SIZE
_KILL_AFTER_S = 2.0
_CONSUME_AT_MIDDLE = LOG_SIZE // 2 // _FRAME_SIZE * _FRAME_SIZE


def measure(directory: Path) -> list[Figure]:
    """Fill, stop, start; then kill under load, start again, and look whether all that was acknowledged is there."""
    with LogMQServer(directory) as server:
        filled = fill(server, LOG_SIZE // _FRAME_SIZE)
    server = LogMQServer(directory)
    try:
        clean_s = _answering_s(server)
        acknowledged = filled.message_count_total + _kill_under_load(server).message_count_total
    finally:
        server.stop()
    with LogMQServer(directory) as server:
        killed_s = _answering_s(server)
        stored = server.stored_count(SIZE)
    if stored < acknowledged:
        raise RuntimeError(f"{acknowledged:,} messages were acknowledged before kill -9, {stored:,} are left")
    details = {"acknowledged": acknowledged, "stored": stored, "fill_messages_per_second": round(filled.rate)}
    return [
        Figure("1 GiB: ready after a clean stop", "under 1 s", f"{clean_s:.2f} s", clean_s < 1, details),
        Figure("1 GiB: ready after kill -9 under load", "under 5 s", f"{killed_s:.2f} s", killed_s < 5, details),
    ]


def _answering_s(server: LogMQServer) -> float:
    """Seconds from the start of the process to the first message read from the middle of the log."""
    with server.client() as client:
        message = client.consume(TOPIC, _CONSUME_AT_MIDDLE)
    assert message is not None
    assert message.offset == _CONSUME_AT_MIDDLE
    assert len(message.payload) == SIZE
    return time.monotonic() - server.started_s


def _kill_under_load(server: LogMQServer) -> Result:
    """kill -9 while a connection produces as fast as it can; what it was told to be stored."""
    timer = threading.Timer(_KILL_AFTER_S, server.kill)
    timer.start()
    load = Load("killed", server.produce(SIZE), 1, DEPTH)
    (result,) = run(Plan(server.address, (load,), 10 * _KILL_AFTER_S))
    timer.join()
    return result
