"""How many files and sockets the process may have open, and how many of them may be connections."""

from __future__ import annotations

import logging
import resource
from contextlib import suppress
from dataclasses import replace

from logmq.config import Config
from logmq.limits import DESCRIPTOR_RESERVE

_log = logging.getLogger(__name__)


def raise_descriptor_limit() -> int:
    """Take as many descriptors as the system lets us have; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft


def with_connections_that_fit(config: Config, descriptors: int) -> Config:
    """The settings with no more connections than there are descriptors for, beside those that files need.

    A client that is refused knows it and goes elsewhere; one that is let in and leaves no descriptor for the logs takes
    the broker away from everybody.
    """
    if descriptors == resource.RLIM_INFINITY:
        return config
    fitting = max(1, descriptors - min(DESCRIPTOR_RESERVE, descriptors // 2))
    if config.connections_max <= fitting:
        return config
    _log.warning(
        "fewer connections than connections_max: the process may not have more descriptors (ulimit -Hn)",
        extra={"connections": fitting, "connections_max": config.connections_max, "descriptors": descriptors},
    )
    return replace(config, connections_max=fitting)
