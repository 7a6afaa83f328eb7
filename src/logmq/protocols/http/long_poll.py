"""Waiting for a client's sake: it ends when there is nobody left to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.requests import Request

from logmq.protocols.http.context import context_of


async def wait_for_client(request: Request, waiting: Coroutine[Any, Any, Any]) -> bool:
    """Wait for something; False if the client has gone or the broker begins to stop first. Raises: what it raises."""
    wanted = asyncio.ensure_future(waiting)
    ends = [asyncio.ensure_future(gone(request)), asyncio.ensure_future(context_of(request).stopping.wait())]
    try:
        await asyncio.wait([wanted, *ends], return_when=asyncio.FIRST_COMPLETED)
        if not wanted.done():
            return False
        wanted.result()
        return True
    finally:
        for task in (wanted, *ends):
            task.cancel()
        await asyncio.gather(wanted, *ends, return_exceptions=True)


async def gone(request: Request) -> None:
    """Return when the client has gone. What it still sends is of no interest."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
