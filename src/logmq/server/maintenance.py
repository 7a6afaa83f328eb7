"""What is due in the background, done every second for as long as the broker runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from logmq.storage.engine import LogStore

_log = logging.getLogger(__name__)

_INTERVAL_S = 1.0
_INTERVAL_MAX_S = 60.0


async def maintain(store: LogStore, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
    """Call `store.maintain` until cancelled.

    An error that the store did not expect is logged, and tried again less and less often: what is due can wait, and a
    broker that takes and gives messages is worth more than one that its supervisor starts again and again. (A failed
    sync is another matter: the store reports it by itself, and the broker stops.)
    """
    interval_s = _INTERVAL_S
    while True:
        await sleep(interval_s)
        try:
            await store.maintain()
        except Exception as error:
            interval_s = min(_INTERVAL_MAX_S, 2 * interval_s)
            _log.error(
                "background work failed in an unexpected way: retention and checkpoints wait",
                exc_info=error,
                extra={"again_in_s": interval_s},
            )
        else:
            interval_s = _INTERVAL_S
