"""Who may ask: DNS rebinding, requests that pages of other sites make, and those that may."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.unit.protocols.http.http_session import HttpStage, http_stage

from logmq.config import Config
from logmq.protocols.http.guard import Guard

TOPIC = {"name": "orders"}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8080",
        "LOCALHOST.",
        "127.0.0.1",
        "10.1.2.3:80",
        "[::1]",
        "[fe80::1]:80",
        "broker",
        "a.localhost",
    ],
)
async def test_addresses_and_names_that_only_we_give_are_hosts(http: HttpStage, host: str) -> None:
    """Whoever else gives a name to the broker needs a dot in it."""
    assert (await http.client.get("/topics", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "1.2.3"],
)
async def test_a_name_that_somebody_pointed_at_the_broker_is_refused(http: HttpStage, host: str) -> None:
    """DNS rebinding: the page is of that name, so that its origin is no help."""
    headers = {"host": host, "origin": f"http://{host}"}
    answer = await http.client.post("/topics", json=TOPIC, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (421, "HOST_NOT_ALLOWED")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_names_may_be_allowed(tmp_path: Path) -> None:
    """By the setting, in any letter case; others stay refused."""
    async with http_stage(tmp_path, http_allowed_hosts=("Broker.Example",)) as http:
        assert (await http.client.get("/topics", headers={"host": "broker.example:80"})).status_code == 200
        assert (await http.client.get("/topics", headers={"host": "x.broker.example"})).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "null", "host": ""},
        {"origin": ""},
        {"origin": "http://localhost:9999", "host": "localhost:8080"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "localhost"},
        {"origin": "ftp://localhost"},
        {"origin": "http://localhost@evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
async def test_a_page_of_another_site_changes_nothing(http: HttpStage, headers: dict[str, str]) -> None:
    """Neither by a form as text/plain, nor from a sandboxed frame, nor from another port of this machine."""
    content = b'{"name": "orders"}'
    for given in ({}, {"content-type": "text/plain"}):
        answer = await http.client.post("/topics", content=content, headers={"host": "localhost", **headers, **given})
        assert (answer.status_code, answer.json()["code"]) == (403, "CROSS_SITE")
        assert "access-control-allow-origin" not in answer.headers
    assert len(http.broker.topics()) == 1


async def test_a_page_of_another_site_embeds_nothing(http: HttpStage) -> None:
    """An image whose URL is a search would keep the broker busy; a link that somebody follows is fine."""
    for mode, status in (("no-cors", 403), ("cors", 403), ("websocket", 403), ("navigate", 200)):
        headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": mode}
        assert (await http.client.get("/topics", headers=headers)).status_code == status
    for site in ("same-origin", "same-site", "none"):
        assert (await http.client.get("/topics", headers={"sec-fetch-site": site})).status_code == 200


async def test_a_page_of_another_site_reads_nothing(http: HttpStage) -> None:
    """A simple GET is answered, but no browser shows the answer to the page."""
    answer = await http.client.get("/topics", headers={"origin": "http://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    answer = await http.client.options(
        "/topics", headers={"origin": "http://evil.example", "access-control-request-method": "PUT"}
    )
    assert "access-control-allow-methods" not in answer.headers


async def test_the_brokers_own_pages_may_do_everything(http: HttpStage) -> None:
    """Through a proxy that adds TLS, too: the scheme of the page may differ."""
    headers = {"origin": "https://localhost", "sec-fetch-site": "same-origin"}
    assert (await http.client.post("/topics", json=TOPIC, headers=headers)).status_code == 201


async def test_origins_that_are_allowed_may_do_everything(tmp_path: Path) -> None:
    """They ask first, and are told what they may send and see; caches learn that answers differ by origin."""
    async with http_stage(tmp_path, http_allowed_origins=("https://App.example/",)) as http:
        origin = {"origin": "https://app.example", "sec-fetch-site": "cross-site"}
        asked = {"access-control-request-method": "PUT", "access-control-request-headers": "content-type,x-mine"}
        answer = await http.client.options("/topics", headers={**origin, **asked})
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert answer.headers["access-control-allow-headers"] == "content-type,x-mine"
        assert "PUT" in answer.headers["access-control-allow-methods"]
        assert "access-control-allow-credentials" not in answer.headers
        answer = await http.client.post("/topics", json=TOPIC, headers=origin)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (201, "https://app.example")
        assert "Location" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"
        assert (await http.client.get("/topics")).headers["vary"] == "Origin"
        assert (
            await http.client.post("/topics", json=TOPIC, headers={"origin": "https://app.example.evil"})
        ).status_code == 403
        assert (await http.client.post("/topics", json=TOPIC, headers={"origin": "null"})).status_code == 403


async def test_what_is_reflected_is_only_what_can_be(tmp_path: Path) -> None:
    """Bytes that no header of an answer may have are not taken over from one of the request."""
    async with http_stage(tmp_path, http_allowed_origins=("*",)) as http:
        for odd in (b"x\xffy", b"a,\tb", b"a" * 100 + b";b"):
            headers: list[tuple[Any, Any]] = [
                ("origin", "https://a.example"), ("access-control-request-method", "PUT"),
                (b"access-control-request-headers", odd),
            ]  # fmt: skip
            answer = await http.client.options("/topics", headers=headers)
            assert answer.headers["access-control-allow-headers"] == "Content-Type"
        answer = await http.client.get("/topics", headers=[(b"origin", b"https://a\xff b")])
        assert "access-control-allow-origin" not in answer.headers
        assert (await http.client.post("/topics", json=TOPIC, headers={"origin": "null"})).status_code == 403


@pytest.mark.parametrize(
    ("headers", "opened"),
    [
        ({}, True),
        ({"origin": "http://localhost"}, True),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"host": "evil.example"}, False),
    ],
)
async def test_a_websocket_is_opened_by_our_own_pages_alone(headers: dict[str, str], opened: bool) -> None:
    """Browsers let any page open one: the server has to look at its origin."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    async def send(message: Any) -> None:
        sent.append(message)

    given = [(name.encode(), text.encode()) for name, text in {"host": "localhost", **headers}.items()]
    scope = {"type": "websocket", "path": "/", "headers": given, "extensions": {"websocket.http.response": {}}}
    await Guard(app, Config())(scope, asyncio.Queue[Any]().get, send)
    if opened:
        assert sent == [{"type": "websocket.accept"}]
    else:
        assert (sent[0]["type"], sent[0]["status"]) in {
            ("websocket.http.response.start", 403),
            ("websocket.http.response.start", 421),
        }


async def test_what_is_no_request_passes(tmp_path: Path) -> None:
    """The guard looks at requests only."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await Guard(app, Config())({"type": "lifespan"}, asyncio.Queue[Any]().get, asyncio.Queue[Any]().put)
    assert seen == ["lifespan"]
