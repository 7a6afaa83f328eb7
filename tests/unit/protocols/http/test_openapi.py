"""The documentation that the broker gives of itself: complete, true to the types, and harmless as a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from tests.unit.protocols.http.http_session import HttpStage

from logmq.protocols.http.examples import EXAMPLES
from logmq.protocols.http.manual import curl_line, manual_of
from logmq.protocols.http.openapi import openapi_of
from logmq.protocols.http.operations import Operation
from logmq.protocols.http.routes import OPERATIONS

DOCUMENT = openapi_of(OPERATIONS)
CALLS = [pytest.param(each, id=f"{each.method} {each.path}") for each in OPERATIONS]


def nodes(node: Any) -> Iterator[Any]:
    """Every object of a document."""
    if isinstance(node, dict):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(each)


@pytest.mark.parametrize("operation", CALLS)
def test_each_call_is_described(operation: Operation) -> None:
    """With its parameters, its body, its answers and, for anything else, problem documents."""
    call = DOCUMENT["paths"][operation.path][operation.method.lower()]
    assert call["summary"] == operation.summary
    assert call["description"].endswith(".")
    assert "as `" not in call["description"]
    in_path = [each["name"] for each in call["parameters"] if each["in"] == "path"]
    assert in_path == re.findall(r"\{(\w+)\}", operation.path)
    in_query = {each["name"] for each in call["parameters"] if each["in"] == "query"}
    assert in_query == {
        field.encode_name for field in (msgspec.structs.fields(operation.query) if operation.query else ())
    }
    if operation.body is not None:
        assert tuple(call["requestBody"]["content"]) == operation.body_types
    answer = call["responses"][str(operation.status)]
    assert tuple(answer.get("content", ())) == (() if operation.status == 204 else operation.answer_types)
    assert {str(status) for status in operation.problems} <= set(call["responses"])
    assert "default" in call["responses"]


def test_all_references_lead_somewhere() -> None:
    """And no two calls have the same name."""
    for node in nodes(DOCUMENT):
        if "$ref" in node:
            _, _, kind, name = node["$ref"].split("/")
            assert name in DOCUMENT["components"][kind]
    names = [call["operationId"] for methods in DOCUMENT["paths"].values() for call in methods.values()]
    assert len(names) == len(set(names)) == len(OPERATIONS)


def test_all_whole_numbers_are_wide() -> None:
    """Offsets and times do not fit into 32 bits."""
    assert {node.get("format") for node in nodes(DOCUMENT) if node.get("type") == "integer"} == {"int64"}


@pytest.mark.parametrize("operation", CALLS)
def test_examples_are_of_the_types_that_they_stand_for(operation: Operation) -> None:
    """What is sent is what the call takes; what is answered is what it gives, no field more or less."""
    example = EXAMPLES.get((operation.method, operation.path))
    if example is None:
        return
    if operation.body is not None:
        msgspec.json.decode(json.dumps(example.body), type=operation.body)
    if operation.query is not None and example.query:
        given = dict(each.split("=") for each in example.query.split("&"))
        msgspec.convert(given, operation.query, strict=False)
    if operation.answer is not None:
        answer = msgspec.json.decode(json.dumps(example.answer), type=operation.answer)
        assert json.loads(msgspec.json.encode(answer)) == example.answer


def test_all_examples_are_of_calls() -> None:
    """None stays behind when its call is gone."""
    assert set(EXAMPLES) <= {(each.method, each.path) for each in OPERATIONS}


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in {"meta", "link"}:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(str(value))
            if name in {"href", "src"}:
                self.links.add(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_shows_every_call_and_nothing_of_other_hosts() -> None:
    """No script, no inline style, no link that leads away or nowhere."""
    page = Page(manual_of(DOCUMENT))
    assert page.open == []
    assert not page.tags & {"script", "style", "img", "iframe", "form", "object"}
    assert not {name for name in page.attributes if name.startswith("on") or name == "style"}
    assert len(page.ids) == len(set(page.ids))
    (icon,) = {link for link in page.links if link.startswith("data:image/svg+xml,")}
    abroad = {link for link in page.links if not link.startswith("#")} - {icon}
    assert abroad == {"/docs/style.css", "/openapi.json", "/"}
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert {call["operationId"] for methods in DOCUMENT["paths"].values() for call in methods.values()} <= set(page.ids)


def test_what_descriptions_say_is_no_markup() -> None:
    """Wherever a text comes from."""
    evil = "<script>alert(1)</script>`<b>`"
    hostile = json.loads(json.dumps(DOCUMENT).replace("Make a topic", evil).replace("the name of the topic", evil))
    assert "<script" not in manual_of(hostile)
    assert "<b>" not in manual_of(hostile)


def test_a_curl_line_can_be_typed_as_it_is() -> None:
    """Quoted for the shell."""
    line = curl_line(DOCUMENT, "PUT", "/groups/{group}/offsets")
    assert line == (
        "curl --request PUT http://broker.invalid/groups/billing/offsets --header 'Content-Type: application/json'"
        """ --data-binary '{"offsets": [{"topic": "orders", "partition": 0, "offset": 1}]}'"""
    )


async def test_documents_are_given_with_a_strict_policy_and_once(http: HttpStage) -> None:
    """A client that has them already is told so."""
    for path, kind in (
        ("/openapi.json", "application/json"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/style.css", "text/css; charset=utf-8"),
    ):
        answer = await http.client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self';")
        assert "unsafe" not in policy
        again = await http.client.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert (await http.client.get("/openapi.json")).json() == DOCUMENT
    page = (await http.client.get("/docs", headers={"host": "localhost:1234"})).text
    assert "curl http://localhost:1234/topics" in page
    assert "broker.invalid" not in page
