"""What a run is to do: which loads, against which address, for how long."""

from __future__ import annotations

from dataclasses import dataclass, replace

from logmq.client.address import Address
from logmq.client.load.wire import Wire


@dataclass(frozen=True, slots=True)
class Load:
    """So many clients doing the same thing.

    `depth` is how many requests a client leaves unanswered (1: one at a time). `rate` is requests a second over all
    `clients_total` clients; 0 asks again as soon as an answer is there. `budget` ends each client after so many
    requests (of a stream: messages). `first_client` and `clients_total` place a share in the whole load.
    """

    name: str
    wire: Wire
    clients: int
    depth: int = 1
    rate: float = 0.0
    budget: int | None = None
    first_client: int = 0
    clients_total: int = 0

    def share(self, index: int, count: int) -> Load:
        """Part `index` of `count`: some of the clients, paced so that all parts together make the whole."""
        first = self.clients * index // count
        last = self.clients * (index + 1) // count
        return replace(self, clients=last - first, first_client=first, clients_total=self.clients)


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: all loads begin together, are warm after `warmup_s` and are then measured for `duration_s`.

    `drain_timeout_s` is how long the last answers are awaited afterwards, not measured but checked.
    """

    server: Address
    loads: tuple[Load, ...]
    duration_s: float
    warmup_s: float = 0.0
    drain_timeout_s: float = 10.0

    def share(self, index: int, count: int) -> Plan:
        """Part `index` of `count` parts that run at the same time."""
        return replace(self, loads=tuple(load.share(index, count) for load in self.loads))
