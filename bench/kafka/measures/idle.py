"""What a broker costs before anybody uses it."""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping

from bench.kafka import requests, usage
from bench.peers.process import ServerProcess

_SETTLE_S = 1.0
_TIMEOUT_S = 60.0


def measure(server: ServerProcess) -> Mapping[str, float]:
    """Seconds from the start of the process to its first good answer, and MB of memory a second later."""
    start_s = _answered_s(server) - server.started_s
    time.sleep(_SETTLE_S)
    return {"start": start_s, "idle-memory": usage.memory_bytes(server.pid) / 1e6}


def _answered_s(server: ServerProcess) -> float:
    """When ApiVersions was answered without an error. Raises: RuntimeError."""
    while time.monotonic() < server.started_s + _TIMEOUT_S:
        try:
            (error,) = struct.unpack_from(">h", requests.ask(server.address, requests.api_versions()))
        except (OSError, EOFError):
            error = -1
        if error == 0:
            return time.monotonic()
        time.sleep(0.002)
    raise RuntimeError("the broker does not answer")
