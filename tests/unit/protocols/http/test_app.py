"""What all calls have in common: paths, methods, types, parameters they do not know."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.protocols.http.http_session import HttpStage


async def test_a_slash_at_the_end_changes_nothing(http: HttpStage) -> None:
    """Neither for reading nor for writing."""
    assert (await http.client.post("/topics/", json={"name": "orders"})).status_code == 201
    assert (await http.client.get("/topics/orders/")).json() == (await http.client.get("/topics/orders")).json()
    assert (await http.client.get("/topics/orders//")).status_code == 404


async def test_a_name_may_have_a_slash_in_it(http: HttpStage) -> None:
    """Encoded, as in groups of Kafka; it never makes another path of it."""
    await http.client.post("/topics", json={"name": "orders"})
    body = {"offsets": [{"topic": "orders", "partition": 0, "offset": 0}]}
    for name, path in (
        ("eu/billing", "eu%2Fbilling"),
        ("a/offsets", "a%2foffsets"),
        ("%2F", "%252F"),
        ("größe ☃", "gr%C3%B6%C3%9Fe%20%E2%98%83"),
    ):
        assert (await http.client.put(f"/groups/{path}/offsets", json=body)).status_code == 200
        assert (await http.client.get(f"/groups/{path}")).json()["group"] == name


@pytest.mark.parametrize(
    "path",
    [
        "/topics/%2e%2e/broker", "/topics/../broker%00", "/topics//orders", "/topics/x%2F..%2F..%2Fbroker/more",
        "/%74opics", "/topics%2Forders", "/topics;x", "/.%2e/etc/passwd", "/topics/..%5C..%5Cetc", "/TOPICS",
    ],
)  # fmt: skip
async def test_no_trick_with_a_path_leads_anywhere_else(http: HttpStage, path: str) -> None:
    """It is a path that is not there, or a name that no topic can have."""
    await http.client.post("/topics", json={"name": "orders"})
    answer = await http.client.get(path)
    assert (answer.status_code, answer.json()["code"]) in {(404, "NOT_FOUND"), (400, "INVALID_TOPIC")}


async def test_a_path_that_is_no_utf8_is_refused(http: HttpStage) -> None:
    """Rather than taken for a name that somebody else may have."""
    answer = await http.client.get("/groups/%ff%fe")
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_INPUT")


async def test_a_method_that_is_not_taken_is_told_which_are(http: HttpStage) -> None:
    """By the header Allow; OPTIONS asks for it, HEAD goes where GET goes."""
    for method in ("PUT", "TRACE"):
        answer = await http.client.request(method, "/topics")
        assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    answer = await http.client.options("/topics/x")
    assert (answer.status_code, answer.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH, POST")
    assert (await http.client.options("/nothing")).status_code == 404
    answer = await http.client.head("/topics")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize("query", ["partitions=1", "limit=1&limit=2", "%ff=1", "search=%ff"])
async def test_parameters_that_a_call_does_not_know_are_refused(http: HttpStage, query: str) -> None:
    """A misspelt one does not pass for none, nor one that is there twice, nor one that is no text."""
    await http.client.post("/topics", json={"name": "orders"})
    for path in ("/topics", "/topics/orders", "/groups", "/broker"):
        answer = await http.client.get(f"{path}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_INPUT")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200), ("*/*", 200), ("application/*", 200), ("text/html, */*;q=0.1", 200), ("", 200),
        ("application/xml", 406), ("text/html", 406), ("application/json;q=0", 406), (";;,,;q=x", 406),
    ],
)  # fmt: skip
async def test_an_answer_is_of_a_type_that_the_client_takes(http: HttpStage, accept: str, status: int) -> None:
    """Or it is a problem that names the types there are. Probes are answered whatever is asked for."""
    answer = await http.client.get("/topics", headers={"accept": accept})
    assert answer.status_code == status
    assert (await http.client.get("/healthz", headers={"accept": accept})).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json; charset=utf-8"}, 201),
        ({"content-type": "application/x-www-form-urlencoded"}, 201),
        ({"content-type": "application/merge-patch+json"}, 201),
        ({}, 201),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "multipart/form-data; boundary=x"}, 415),
        ({"content-encoding": "gzip"}, 415),
    ],
)
async def test_a_body_is_of_a_type_that_the_call_takes(http: HttpStage, headers: dict[str, str], status: int) -> None:
    """What a form of another site's page can send is not."""
    answer = await http.client.post("/topics", content=b'{"name": "orders"}', headers=headers)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None), (b"{", None), (b"null", None), (b"[]", None), (b"{}", "name"), (b'{"name": "x"} x', None),
        (b'{"name": 1}', "name"), (b'{"nome": "x"}', "nome"),
        (b'{"name": "\xff"}', None), (b'{"name": "\\ud800"}', None),
        (b"[" * 100_000, None), (b'{"name": ' + b"[" * 100_000, "name"),
        (b'{"name": "x", "partitions": 1e400}', "partitions"),
        (b'{"name": "x", "partitions": ' + b"9" * 5000 + b"}", "partitions"),
        (b'{"name": "x", "settings": {"retention.ms": []}}', "settings[...]"),
    ],
)  # fmt: skip
async def test_a_body_that_is_no_json_or_another_is_the_clients_error(http: HttpStage, body: bytes, field: Any) -> None:
    """Whatever it is, the answer is a 400 that names the input where there is one."""
    answer = await http.client.post("/topics", content=body)
    assert (answer.status_code, answer.json()["code"]) in {(400, "INVALID_INPUT"), (400, "INVALID_TOPIC")}, answer.text
    assert answer.json().get("field") == field, answer.text
