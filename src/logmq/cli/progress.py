"""A progress line on standard error for work that takes a while, where somebody looks at it."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_PATIENCE_S = 0.5
"""Work shorter than this shows no progress, and does not load Rich."""


class Progress(Protocol):
    """Something that is told how far the work is."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def advance(self, done: int, messages: int) -> None:
        """`done` more of the total and `messages` more messages are through."""
        ...


class Silence:
    """Progress where nobody looks."""

    def __enter__(self) -> Silence:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, done: int, messages: int) -> None:
        """Nothing to show."""


class ProgressLine:
    """A bar (when the total is known), a count and a rate, shown once the work takes longer than a moment."""

    def __init__(self, words: str, total: int | None) -> None:
        self._words = words
        self._total = total
        self._started = time.monotonic()
        self._done = 0
        self._messages = 0
        self._shown: tuple[RichProgress, TaskID] | None = None

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown is not None:
            self._shown[0].stop()

    def advance(self, done: int, messages: int) -> None:
        """Count on, and show the line when it is time."""
        self._done += done
        self._messages += messages
        if self._shown is None and time.monotonic() - self._started > _PATIENCE_S:
            self._shown = self._show()
        if self._shown is not None:
            rich, task = self._shown
            rate = self._messages / (time.monotonic() - self._started)
            count = f"{self._messages:,} messages, {rate:,.0f}/s"
            rich.update(task, completed=self._done, count=count)

    def _show(self) -> tuple[RichProgress, TaskID]:
        from rich.console import Console  # noqa: PLC0415 - only work that takes a while loads it
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
        from rich.progress import Progress as RichProgress  # noqa: PLC0415

        known = [BarColumn(), TextColumn("{task.percentage:3.0f} %"), TimeRemainingColumn()] if self._total else []
        rich = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            *known,
            TextColumn("{task.fields[count]}"),
            console=Console(stderr=True),
            transient=True,
        )
        task = rich.add_task(self._words, total=self._total, count="")
        rich.start()
        return rich, task


def progress(words: str, total: int | None, *, wanted: bool = True) -> Progress:
    """Progress of work on `total` (None = unknown) bytes or offsets; shown on a terminal, if `wanted`."""
    return ProgressLine(words, total) if wanted and sys.stderr.isatty() else Silence()
