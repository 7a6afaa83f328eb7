"""Limits of the storage engine made so small that a few hundred kilobytes reach all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

import pytest

from logmq.storage.local import commit, journal, recovery, repair, segment, tail


@dataclass(frozen=True, slots=True)
class SmallLimits:
    """Sizes in bytes; the segment size is a topic's setting, the others replace those of `logmq.limits`."""

    segment_size: int
    index_interval: int
    span_size_min: int
    inline_size_max: int
    journal_file_size: int
    open_files_max: int

    @classmethod
    def drawn(cls, rng: Random) -> SmallLimits:
        """Such that rolls, spans, journal files and checkpoints that commits must wait for all come up often."""
        inline_size_max = rng.choice((9_000, 20_000))
        return cls(
            segment_size=rng.choice((6_000, 20_000, 60_000)),
            index_interval=rng.choice((300, 1_000, 4_096)),
            span_size_min=rng.choice((1_500, 5_000, 50_000)),
            inline_size_max=inline_size_max,
            journal_file_size=4_096 + inline_size_max * rng.choice((1, 2, 4)),
            open_files_max=rng.choice((2, 8, 100)),
        )

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Patch them into the modules that use them. The journal's salts are drawn from a seed meanwhile."""
        salts = Random(1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tail, "INDEX_INTERVAL", self.index_interval)
            patch.setattr(segment, "INDEX_INTERVAL", self.index_interval)
            patch.setattr(repair, "_SCAN_SIZE", 3 * self.index_interval)
            patch.setattr(commit, "SPAN_SIZE_MIN", self.span_size_min)
            patch.setattr(commit, "INLINE_SIZE_MAX", self.inline_size_max)
            patch.setattr(recovery, "JOURNAL_FIRST_FILE_SIZE", self.journal_file_size)
            patch.setattr(recovery, "OPEN_FILES_MAX", self.open_files_max)
            patch.setattr(journal, "_draw_salt", lambda: salts.getrandbits(64))
            yield
