"""Tells the clients of a paced load when a request of theirs is due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Pushed(Protocol):
    """What a pacer pushes."""

    def push(self, now_ns: int) -> None:
        """Send what is due."""
        ...


class Pacer:
    """Request number i of the whole load is due at `start_ns + i * spacing_ns`, the clients taking turns.

    It pushes the clients `[first_client, first_client + len(clients))` of `clients_total`; the others may live in
    other processes.
    """

    __slots__ = ("_clients", "_first", "_period_ns", "_spacing_ns", "_start_ns", "_turn")

    def __init__(
        self, clients: Sequence[Pushed], first_client: int, clients_total: int, start_ns: int, rate: float
    ) -> None:
        self._clients = clients
        self._first = first_client
        self._start_ns = start_ns
        self._spacing_ns = 1e9 / rate
        self._period_ns = self._spacing_ns * clients_total
        self._turn = 0

    def client_start_ns(self, index: int) -> float:
        """When the first request of the pushed client number `index` is due."""
        return self._start_ns + (self._first + index) * self._spacing_ns

    @property
    def period_ns(self) -> float:
        """The time between two requests of the same client."""
        return self._period_ns

    @property
    def next_due_ns(self) -> float:
        """When somebody has to be pushed next."""
        rounds, index = divmod(self._turn, len(self._clients))
        return self.client_start_ns(index) + rounds * self._period_ns

    def push(self, now_ns: int) -> None:
        """Push everyone who has something due since the last time, each once."""
        count = len(self._clients)
        rounds, within_ns = divmod(max(now_ns - self._start_ns, 0), self._period_ns)
        due = int(within_ns / self._spacing_ns) + 1 - self._first
        turn = int(rounds) * count + min(max(due, 0), count)
        for each in range(max(self._turn, turn - count), turn):
            self._clients[each % count].push(now_ns)
        self._turn = max(turn, self._turn)
