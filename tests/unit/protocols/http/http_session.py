"""The application over the real broker on real files, asked without a socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import httpx
from tests.unit.protocols.kafka.kafka_session import HeldBroker, MovedClock, stage

from logmq.broker.broker import Broker
from logmq.config import Config, SyncMode
from logmq.protocols.http.app import make_app
from logmq.protocols.http.context import Context


@dataclass
class HttpStage:
    """A broker, the application around it, and a client of that."""

    broker: HeldBroker
    clock: MovedClock
    context: Context
    client: httpx.AsyncClient

    async def post(self, topic: str, body: Any, **given: Any) -> httpx.Response:
        """Produce: an object or list as JSON, bytes as they are."""
        content = {"content": body} if isinstance(body, bytes) or hasattr(body, "__aiter__") else {"json": body}
        return await self.client.post(f"/topics/{topic}/records", **content, **given)

    async def read(self, topic: str, **query: Any) -> Any:
        """What a GET of records answers, which must work."""
        answer = await self.client.get(f"/topics/{topic}/records", params={"offset": "earliest", **query})
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def http_stage(directory: Path, **settings: Any) -> AsyncIterator[HttpStage]:
    """A broker on an empty directory, with these settings."""
    config = replace(Config(data_dir=directory, sync=SyncMode("never")), **settings)
    async with stage(directory, config) as made:
        context = Context(cast(Broker, made.broker), config, made.clock)
        transport = httpx.ASGITransport(app=cast(Any, make_app(context)))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield HttpStage(made.broker, made.clock, context, client)


class Client:
    """One request as the server's side of ASGI sees it: a body that comes piece by piece, and may break off."""

    def __init__(self, method: str, path: str, query: str = "", headers: dict[str, str] | None = None) -> None:
        self.scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(name.lower().encode(), text.encode()) for name, text in (headers or {}).items()],
            "server": ("localhost", 80), "client": ("127.0.0.1", 1),
        }  # fmt: skip
        self._coming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.status: int | None = None
        self.body = bytearray()
        self.ended = False

    def send(self, data: bytes, more: bool = True) -> None:
        """A piece of the body."""
        self._coming.put_nowait({"type": "http.request", "body": data, "more_body": more})

    def go(self) -> None:
        """The client has gone."""
        self._coming.put_nowait({"type": "http.disconnect"})

    @property
    def taken(self) -> bool:
        """Whether all that was sent has been taken."""
        return self._coming.empty()

    async def run(self, app: Any) -> None:
        """Let the application answer."""
        await app(self.scope, self._coming.get, self._take)

    async def _take(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message.get("body", b"")
            self.ended = not message.get("more_body", False)


@asynccontextmanager
async def running(client: Client, app: Any) -> AsyncIterator[asyncio.Task[None]]:
    """A request being answered; cancelled at the end, if it still is."""
    task = asyncio.create_task(client.run(app))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
