"""The page at /docs: every call with its parameters, a curl line and its answers, made from the OpenAPI document.

It is plain HTML without a script, so that its policy can forbid all of them. `BASE` stands for the broker's own URL.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from html import escape
from typing import Any, TypeAlias
from urllib.parse import quote

Node: TypeAlias = dict[str, Any]

BASE = "http://broker.invalid"
"""Replaced by the URL by which the page was asked for, when it is given out."""
_EVENTS = "text/event-stream"
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0f766e"/>'
    '<path d="M7 10h9M7 16h18M7 22h13" stroke="#fff" stroke-width="3.5" stroke-linecap="round"/></svg>'
)
"""In the page itself: a browser would ask for /favicon.ico otherwise, and log that there is none."""


def manual_of(document: Node) -> str:
    """The page, without the URL of the broker."""
    title = f"{document['info']['title']} {document['info']['version']}: HTTP"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n"
        f'<link rel="icon" href="data:image/svg+xml,{quote(_ICON)}">\n'
        '<link rel="stylesheet" href="/docs/style.css">\n</head>\n<body>\n'
        f"<header>\n<h1>{escape(title)}</h1>\n<p>{_text(document['info']['description'])}</p>\n"
        '<p>The same for programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).'
        ' <a href="/">The console</a> shows what the broker holds.</p>\n</header>\n'
        f"{_navigation(document)}<main>\n"
        f"{''.join(_subject(document, tag) for tag in document['tags'])}{_types(document)}</main>\n</body>\n</html>\n"
    )


def _calls(document: Node, subject: str) -> list[tuple[str, str, Node]]:
    """Method, path and description of each call about a subject."""
    return [
        (method.upper(), path, call)
        for path, methods in document["paths"].items()
        for method, call in methods.items()
        if call["tags"] == [subject]
    ]


def _navigation(document: Node) -> str:
    parts = ['<nav aria-label="Calls">\n']
    for tag in document["tags"]:
        parts.append(f"<h2>{escape(tag['name'])}</h2>\n<ul>\n")
        for method, path, call in _calls(document, tag["name"]):
            title = escape(f"{method} {path}")
            parts.append(f'<li><a href="#{call["operationId"]}" title="{title}">{escape(call["summary"])}</a></li>\n')
        parts.append("</ul>\n")
    parts.append('<h2><a href="#types">Types</a></h2>\n</nav>\n')
    return "".join(parts)


def _subject(document: Node, tag: Node) -> str:
    calls = "".join(_call(document, *each) for each in _calls(document, tag["name"]))
    return f"<h2>{escape(tag['name'])}</h2>\n<p>{_text(tag['description'])}</p>\n{calls}"


def _call(document: Node, method: str, path: str, call: Node) -> str:
    return (
        f'<section id="{call["operationId"]}">\n'
        f'<h3><span class="method">{method}</span> <code>{escape(path)}</code></h3>\n'
        f"<p><strong>{escape(call['summary'])}.</strong> {_text(call['description'])}</p>\n"
        f"{_parameters(call['parameters'])}{_body(call)}"
        f"<h4>Try it</h4>\n<pre>{escape(curl_line(document, method, path))}</pre>\n{_answers(call)}</section>\n"
    )


def _parameters(parameters: Iterable[Node]) -> str:
    rows = []
    for each in parameters:
        needed = "in the path" if each["in"] == "path" else "needed" if each["required"] else ""
        rows.append(
            (each["name"], _type(each["schema"]), needed or _default(each["schema"]), each.get("description", ""))
        )
    return f"<h4>Parameters</h4>\n{_table(rows)}" if rows else ""


def _table(rows: Iterable[tuple[str, str, str, str]]) -> str:
    """Names with type (as markup), default and meaning."""
    lines = [
        f"<tr><th scope=row><code>{escape(name)}</code></th><td>{kind}</td><td>{escape(default)}</td>"
        f"<td>{_text(meaning)}</td></tr>\n"
        for name, kind, default, meaning in rows
    ]
    return f'<div class="wide"><table>\n{"".join(lines)}</table></div>\n'


def _body(call: Node) -> str:
    if "requestBody" not in call:
        return ""
    parts = ["<h4>Body</h4>\n"]
    for media_type, content in call["requestBody"]["content"].items():
        parts.append(f"<p><code>{escape(media_type)}</code> {_type(content.get('schema', {}))}</p>\n")
    return "".join(parts)


def _answers(call: Node) -> str:
    parts, problems = [], []
    for status, answer in call["responses"].items():
        if "$ref" in answer:
            problems.append(status)
            continue
        parts.append(f"<h4>Answer {escape(status)} {escape(answer['description'])}</h4>\n")
        for media_type, content in answer.get("content", {}).items():
            parts.append(f"<p><code>{escape(media_type)}</code> {_type(content.get('schema', {}))}</p>\n")
            if "example" in content:
                parts.append(f"<pre>{escape(_shown(content['example']))}</pre>\n")
    named = ", ".join(escape(status) for status in problems if status != "default")
    parts.append(f'<p class="problems">Problems: {named or "none of its own"} (<a href="#Problem">Problem</a>)</p>\n')
    return "".join(parts)


def _types(document: Node) -> str:
    parts = ['<h2 id="types">Types</h2>\n']
    for name, schema in document["components"]["schemas"].items():
        parts.append(f'<section id="{escape(name)}">\n<h3><code>{escape(name)}</code></h3>\n')
        parts.append(f"<p>{_text(schema.get('description', ''))}</p>\n")
        if "properties" in schema:
            parts.append(
                _table(
                    (field, _type(each), _default(each), each.get("description", ""))
                    for field, each in schema["properties"].items()
                )
            )
        else:
            parts.append(f"<p>{_type(schema)}</p>\n")
        parts.append("</section>\n")
    return "".join(parts)


# -- schemas in words --------------------------------------------------------------------------------------------------


def _type(schema: Node) -> str:
    """What a schema takes, as markup."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(each))}</code>" for each in schema["enum"])
    if schema.get("type") == "array":
        kinds = schema.get("prefixItems") or [schema.get("items", {})]
        return f"list of {', '.join(_type(each) for each in kinds)}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return escape(" ".join(filter(None, [schema.get("type", "anything"), _bounds(schema)])))


def _bounds(schema: Node) -> str:
    least = schema.get("minimum")
    most = schema.get("maximum", schema["exclusiveMaximum"] - 1 if "exclusiveMaximum" in schema else None)
    if least is None and most is None:
        return ""
    return f"from {least} to {most}" if None not in {least, most} else f"from {least}" if most is None else f"to {most}"


def _default(schema: Node) -> str:
    return "" if schema.get("default") in (None, "") else json.dumps(schema["default"])


def _text(words: str) -> str:
    """Words whose `code` is between backquotes, as markup."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(words))


def _shown(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example, indent=2)


# -- curl --------------------------------------------------------------------------------------------------------------


def curl_line(document: Node, method: str, path: str) -> str:
    """A line for the shell that makes the call with what its example has."""
    call = document["paths"][path][method.lower()]
    parts = {each["name"]: each["example"] for each in call["parameters"] if each["in"] == "path"}
    url = BASE + path.format(**parts)
    if call.get("x-example-query"):
        url += f"?{call['x-example-query']}"
    words = ["curl"]
    if _EVENTS in next(iter(call["responses"].values())).get("content", {}):
        words.append("--no-buffer")
    kind, body = _sent(call)
    if method not in {"GET", "POST"} or (method == "POST" and body is None):
        words += ["--request", method]
    words.append(url)
    if body is not None:
        words += ["--header", f"Content-Type: {kind}", "--data-binary", body]
    return shlex.join(words)


def _sent(call: Node) -> tuple[str, str | None]:
    """Type and text of the body in the example."""
    for media_type, content in call.get("requestBody", {}).get("content", {}).items():
        if "example" in content:
            example = content["example"]
            kind = "text/plain" if media_type == "*/*" else media_type
            return kind, example if isinstance(example, str) else json.dumps(example)
    return "", None
