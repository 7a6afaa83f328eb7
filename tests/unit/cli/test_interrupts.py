"""Ctrl-C during work on an event loop."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import pytest

from logmq.cli.interrupts import run


def test_the_result_comes_back_and_signals_are_as_before() -> None:
    """Nothing of it is left when the work is done."""
    before = signal.getsignal(signal.SIGINT)

    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert run(work()) == 7
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_ctrl_c_cancels_the_work() -> None:
    """The work cleans up, and the caller gets KeyboardInterrupt."""
    cleaned: list[bool] = []

    async def work() -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        run(work())
    assert cleaned == [True]


def test_a_signal_wakes_the_loop_itself() -> None:
    """It does so without a system call of its being interrupted: here the signal comes to another thread."""

    async def work() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # not to this thread, so that no call ends by it
        sender = threading.Thread(target=send_to_myself)
        sender.start()
        try:
            await asyncio.Event().wait()
        finally:
            sender.join()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])

    with pytest.raises(KeyboardInterrupt):
        run(work())


def send_to_myself() -> None:
    """Get SIGINT in this thread: Python runs its handler in the main thread, when that looks."""
    time.sleep(0.05)  # until the loop sleeps; if it does not yet, it notices anyhow
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
