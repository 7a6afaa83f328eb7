"""Which seeds a campaign runs, and what a failure tells."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

SEED_VARIABLE = "LOGMQ_SEED"
_STORY_LINES = 400


def seeds(count: int) -> Sequence[int]:
    """The first `count` seeds, or only the one that the environment names."""
    seed = os.environ.get(SEED_VARIABLE)
    return range(count) if seed is None else [int(seed)]


@contextmanager
def told(seed: int, trace: list[str]) -> Iterator[None]:
    """Add the seed and the disk's story to whatever goes wrong."""
    try:
        yield
    except Exception as error:
        error.add_note("The disk's last calls:\n" + "\n".join(trace[-_STORY_LINES:]))
        error.add_note(f"To run it again: {SEED_VARIABLE}={seed}")
        raise
