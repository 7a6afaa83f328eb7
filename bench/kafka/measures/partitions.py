"""A topic of 1,000 partitions: made, described, and divided among the ten members of a new group."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from statistics import median

from confluent_kafka import Consumer

from bench.kafka import client, requests
from bench.peers.process import ServerProcess

PARTITIONS = 1000
MEMBERS = 10
_TOPIC = "wide"
_ASKED = 5
_JOIN_TIMEOUT_S = 60.0
_POLL_S = 0.002


def measure(server: ServerProcess) -> Mapping[str, float]:
    """Milliseconds of creation, of a Metadata request (median of five), of the join. Raises: RuntimeError."""
    start_s = time.monotonic()
    client.create(server.address, _TOPIC, PARTITIONS)
    create_s = time.monotonic() - start_s
    return {
        "partitions-create": create_s * 1000,
        "partitions-metadata": _metadata_s(server) * 1000,
        "partitions-join": _join_s(server) * 1000,
    }


def _metadata_s(server: ServerProcess) -> float:
    seconds = []
    with socket.create_connection((server.address.host, server.address.port), 30) as connection:
        for _ in range(_ASKED):
            start_s = time.monotonic()
            answer = requests.ask_on(connection, requests.metadata(_TOPIC))
            seconds.append(time.monotonic() - start_s)
            if len(answer) < PARTITIONS * 18:  # error, index, leader and the counts of a partition alone take as much
                raise RuntimeError(f"Metadata of {PARTITIONS} partitions took {len(answer)} bytes only")
    return median(seconds)


def _join_s(server: ServerProcess) -> float:
    """Seconds from the first subscription until every member has its hundred partitions."""
    members = [client.consumer(server.address, "wide") for _ in range(MEMBERS)]
    try:
        start_s = time.monotonic()
        for member in members:
            member.subscribe([_TOPIC])
        while not _divided(members):
            if time.monotonic() > start_s + _JOIN_TIMEOUT_S:
                raise RuntimeError(f"the group had no members with equal shares in {_JOIN_TIMEOUT_S:g} s")
            for member in members:
                member.poll(0)
            time.sleep(_POLL_S)
        return time.monotonic() - start_s
    finally:
        for member in members:
            member.close()


def _divided(members: list[Consumer]) -> bool:
    return all(len(member.assignment()) == PARTITIONS // MEMBERS for member in members)
