"""Appends that wait for their commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from typing import Any

from logmq.storage.engine import Append, AppendResult

_log = logging.getLogger(__name__)


class WaitingCall:
    """A call whose caller waits: an `Appending`."""

    __slots__ = ("_callbacks", "_done", "appends", "atomic", "results", "size")

    def __init__(self, appends: Sequence[Append], *, atomic: bool = False) -> None:
        self.appends = appends
        self.atomic = atomic
        self.size = sum([len(append.data) for append in appends])
        self.results: list[AppendResult] = []
        self._done = False
        self._callbacks: tuple[Callable[[Any], object], ...] = ()

    def done(self) -> bool:
        """See `Appending.done`."""
        return self._done

    def result(self) -> list[AppendResult]:
        """See `Appending.result`."""
        assert self._done
        return self.results

    def add_done_callback(self, callback: Callable[[Any], object], /) -> None:
        """See `Appending.add_done_callback`."""
        if self._done:
            callback(self)
        else:
            self._callbacks += (callback,)

    def complete(self, results: list[AppendResult]) -> None:
        """Tell whoever waits."""
        self.results = results
        self._done = True
        for callback in self._callbacks:
            try:
                callback(self)
            except Exception:  # one caller's mistake must not keep others from their results
                _log.exception("an append's callback failed")

    def __await__(self) -> Generator[Any, None, list[AppendResult]]:
        if not self._done:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.add_done_callback(lambda _: None if future.done() else future.set_result(None))
            yield from future
        return self.results
