"""What a client is told when the operating system cannot do what a request needs, and nothing is broken.

Such an error is undone and fails one request; every other one is not understood and ends the broker.
"""

from __future__ import annotations

import errno

from logmq.errors import DiskFull, RetriableError, Throttled

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""A full disk, a quota, a limit to the size of files."""

NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})
"""Only opening or creating a file fails so: nothing was written."""

_RETRY_MS = 1000
"""Descriptors come back when clients leave, which takes longer than a commit."""


def refusal_of(error: OSError) -> RetriableError | None:
    """The refusal for an error that fails one request; None for an error that is not understood."""
    if error.errno in NO_ROOM:
        return DiskFull(error.strerror or str(error))
    if error.errno in NO_DESCRIPTOR:
        return Throttled(
            "no file descriptor is left, nothing was stored: close connections or raise the limit (ulimit -n)",
            _RETRY_MS,
        )
    return None
