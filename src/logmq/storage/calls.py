"""Calls of `LogStore.append` on their way to their results, the same for every engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from typing import Any

from logmq.storage.engine import Append, AppendResult
from logmq.storage.waiters import settle

_log = logging.getLogger(__name__)


class Call:
    """One call of `LogStore.append` on its way through a commit; `results` is complete when it was written."""

    __slots__ = ("appends", "atomic", "results")

    def __init__(self, appends: Sequence[Append], atomic: bool = False) -> None:
        self.appends = appends
        self.atomic = atomic
        self.results: list[AppendResult] = []


class PendingCall(Call):
    """A call whose caller waits: an `Appending`. Belongs to the loop's thread but for `results`."""

    __slots__ = ("_callbacks", "_done", "size")

    def __init__(self, appends: Sequence[Append], size: int, *, atomic: bool) -> None:
        super().__init__(appends, atomic)
        self.size = size
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
            self.add_done_callback(lambda _: settle(future, None, None))
            yield from future
        return self.results
