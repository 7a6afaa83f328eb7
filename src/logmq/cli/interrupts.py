"""Ctrl-C during work on an event loop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`, as `asyncio.run` does; Ctrl-C cancels it whenever it comes. Raises: KeyboardInterrupt.

    `asyncio.run` by itself does not notice a signal that comes as the loop is about to sleep, until something else
    wakes it: Python has looked for signals by then. Source: `signal.set_wakeup_fd`, which is there for that.
    """
    return asyncio.run(_woken_by_signals(work))


async def _woken_by_signals(work: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    woken, wakes = socket.socketpair()
    with woken, wakes:
        woken.setblocking(False)
        wakes.setblocking(False)
        loop.add_reader(woken, woken.recv, 64)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        try:
            return await work
        finally:
            signal.set_wakeup_fd(-1)
            loop.remove_reader(woken)
