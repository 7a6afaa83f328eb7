"""What a handler knows beside its request."""

from __future__ import annotations

from dataclasses import dataclass

from logmq.broker.broker import Broker
from logmq.clock import Clock
from logmq.config import Config

BROKER_ID = 0
"""This broker's id in Metadata: there is one broker, and it leads every partition."""

TOPICS_CREATED_MAX = 100
"""Topics that one request may create by naming them. Each costs files and a few syncs; a client that names more is
told that the others have no leader yet, and gets the next hundred when it asks again, as it does after a moment."""


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """A connection's surroundings: one for each connection, which it stands for (none equals another).

    `host` and `port` are what clients are told to connect to: the address that this client itself connected to, unless
    `advertise` says otherwise.
    """

    broker: Broker
    config: Config
    clock: Clock
    host: str
    port: int
    cluster_id: str
    client_address: str
