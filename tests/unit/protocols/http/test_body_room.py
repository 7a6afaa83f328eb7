"""Bodies of all clients together have bounded room; small ones need none of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.protocols.http.http_session import Client, HttpStage, http_stage, running
from tests.unit.protocols.kafka.kafka_session import until

from logmq.errors import Throttled
from logmq.limits import HTTP_BODIES_SIZE_MAX, HTTP_BODY_TIME_MAX_S, HTTP_SMALL_BODY_SIZE, MIB
from logmq.protocols.http.app import make_app
from logmq.protocols.http.body_room import BodyRoom, Claim


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """An application that does nothing."""


def test_a_claim_grows_until_there_is_no_room() -> None:
    """And what it holds is free again when it is released."""
    room = BodyRoom(nothing, 10 * HTTP_SMALL_BODY_SIZE)
    first, second = Claim(room), Claim(room)
    first.grow(6 * HTTP_SMALL_BODY_SIZE)
    second.grow(2 * HTTP_SMALL_BODY_SIZE)
    second.grow(4 * HTTP_SMALL_BODY_SIZE)
    with pytest.raises(Throttled):
        second.grow(4 * HTTP_SMALL_BODY_SIZE + 1)
    Claim(room).grow(HTTP_SMALL_BODY_SIZE)
    first.release()
    second.grow(10 * HTTP_SMALL_BODY_SIZE)
    assert room.left == 0
    second.release()
    second.release()
    assert room.left == 10 * HTTP_SMALL_BODY_SIZE


async def test_half_received_bodies_do_not_fill_the_memory(http: HttpStage) -> None:
    """Beyond the room large ones are told to come again, small ones are stored; what leaves makes room."""
    app = make_app(http.context)
    piece, count = b" " * (8 * MIB), HTTP_BODIES_SIZE_MAX // (8 * MIB)
    headers = {"host": "localhost", "content-type": "application/json"}
    clients = [Client("POST", "/topics/t/records", headers=headers) for _ in range(count)]
    tasks = [running(client, app) for client in clients]
    for task in tasks:
        await task.__aenter__()
    for client in clients:
        client.send(piece)
    await until(lambda: all(client.taken for client in clients))
    large, small = (Client("POST", "/topics/t/records", headers=headers) for _ in range(2))
    large.send(piece, more=False)
    small.send(b'{"value": 1}', more=False)
    await large.run(app)
    await small.run(app)
    assert (large.status, small.status) == (429, 200)
    clients[0].go()
    await until(lambda: clients[0].ended)
    large = Client("POST", "/topics/t/records", headers=headers)
    large.send(piece[: 4 * MIB])
    large.send(b'{"value": 2}', more=False)
    await large.run(app)
    assert large.status == 200
    for task in tasks:
        await task.__aexit__(None, None, None)


async def test_a_body_that_keeps_room_for_long_is_refused(tmp_path: Path) -> None:
    """However often a piece of it comes."""
    async with http_stage(tmp_path / "data") as http:
        client = Client("POST", "/topics/t/records", headers={"host": "localhost", "content-type": "application/json"})
        async with running(client, make_app(http.context)) as task:
            client.send(b" " * (2 * HTTP_SMALL_BODY_SIZE))
            await until(lambda: client.taken)
            http.clock.seconds += HTTP_BODY_TIME_MAX_S + 1
            client.send(b" ")
            await task
        assert (client.status, b"BODY_TOO_SLOW" in client.body) == (408, True)
