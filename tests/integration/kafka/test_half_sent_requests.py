"""Many clients that begin large requests and do not finish them: memory stays bounded, and others go on."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import confluent_kafka
from tests.integration.broker import MIB, BrokerProcess

REQUEST_SIZE = 40 * MIB
SENT_SIZE = REQUEST_SIZE // 2
CLIENT_COUNT = 30
ROOM = 64 * MIB
CHUNK_SIZE_MAX = MIB
"""More than a loop reads of one connection at a time."""
HEADER = struct.pack(">ihhih", REQUEST_SIZE - 4, 0, 9, 1, -1)


def offer(clients: list[socket.socket]) -> list[int]:
    """Let each send half of a Produce, as far as the broker takes it; returns how many bytes that were of each."""
    data = memoryview(HEADER + bytes(SENT_SIZE - len(HEADER)))
    sent = dict.fromkeys(clients, 0)
    progress = time.monotonic()
    while time.monotonic() - progress < 0.3:
        for client in clients:
            with suppress(BlockingIOError):
                size = client.send(data[sent[client] :], socket.MSG_DONTWAIT)
                sent[client] += size
                progress = time.monotonic() if size else progress
    return list(sent.values())


def produce(port: int, value: bytes) -> None:
    """One message through librdkafka, delivered."""
    errors: list[object] = []
    producer = confluent_kafka.Producer({"bootstrap.servers": f"127.0.0.1:{port}", "linger.ms": 0})
    producer.produce("orders", value, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(20) == 0
    assert errors == [None]


def test_half_sent_requests_cost_bounded_memory_and_hold_up_nobody(tmp_path: Path) -> None:
    """30 clients offer 600 MiB of unfinished requests; the broker reads what there is room for, and serves others."""
    flags = (f"--kafka-receive-queue-size-bytes={ROOM}",)
    with BrokerProcess(tmp_path / "data", *flags) as broker, ExitStack() as stack:
        produce(broker.port, b"first")  # so that all is loaded
        mark = broker.memory_mark()
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", broker.port))) for _ in range(CLIENT_COUNT)
        ]
        offered = offer(clients)
        assert sum(size == SENT_SIZE for size in offered) < 3  # one is read to its end, the others are not
        produce(broker.port, b"x" * 900_000)
        assert broker.ask(b"CONSUME orders 0") == [b"MESSAGE 0 5 first"]
        assert mark.growth_bytes() < ROOM + CLIENT_COUNT * CHUNK_SIZE_MAX
