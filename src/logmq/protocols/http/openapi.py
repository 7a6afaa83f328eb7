"""The OpenAPI 3.1 document, from the table of calls and the types that they name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias

import logmq
from logmq.protocols.http.bodies import JSON
from logmq.protocols.http.examples import EXAMPLES, PARTS_OF_PATHS
from logmq.protocols.http.operations import Operation
from logmq.protocols.http.problems import MEDIA_TYPE, Problem
from logmq.protocols.http.rest_proxy.errors import ErrorAnswer
from logmq.protocols.http.schemas import Schemas

Node: TypeAlias = dict[str, Any]

_NO_CONTENT = frozenset({204, 304})
_ABOUT = (
    "A durable log: topics are made, written, read, followed and searched. Times are milliseconds since 1970, sizes are"
    " bytes. Errors are problem documents (RFC 9457). Parameters and fields that a call does not know are refused."
)
_REFERENCE = re.compile(r"\s*Durability: as `[^.]*\.")
_REST_PROXY = "REST Proxy"
_SUBJECTS = {
    "Topics": "Made, described, changed and deleted.",
    "Records": "Stored, read, waited for, searched.",
    "Live": "Records as they come.",
    "Groups": "Who reads what together, and how far they have come.",
    "Broker": "What it is, what it does, and whether it is well.",
    "Durable Streams": "The Durable Streams protocol: streams that are topics.",
    _REST_PROXY: "Calls that programs written for the Kafka REST Proxy make.",
}


def openapi_of(operations: Iterable[Operation]) -> Node:
    """The document as JSON has it."""
    calls = sorted(operations, key=lambda each: list(_SUBJECTS).index(each.subject))
    kinds = [kind for each in calls for kind in (each.query, each.body, each.answer)]
    schemas = Schemas(_distinct([Problem, *kinds, ErrorAnswer]))
    queries = {kind: schemas.forget(kind) for kind in _distinct(each.query for each in calls)}
    paths: dict[str, Node] = {}
    for each in calls:
        parameters = [*_path_parameters(each), *([] if each.query is None else _query_parameters(queries[each.query]))]
        paths.setdefault(each.path, {})[each.method.lower()] = _call(each, parameters, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "LogMQ",
            "version": logmq.__version__,
            "description": _ABOUT,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "the broker that gave this document"}],
        "tags": [{"name": name, "description": text} for name, text in _SUBJECTS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {"Problem": _problem(schemas), "RestProxyProblem": _rest_proxy_problem(schemas, calls)},
        },
    }


def _distinct(kinds: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for kind in kinds:
        if kind is not None and kind not in found:
            found.append(kind)
    return found


def operation_id(operation: Operation) -> str:
    """The name of a call, as generators of clients use it."""
    words = [operation.method.lower(), *re.findall(r"[a-z0-9_]+", operation.path)]
    return "_".join(words)


def _call(operation: Operation, parameters: Sequence[Node], schemas: Schemas) -> Node:
    call: Node = {
        "operationId": operation_id(operation),
        "tags": [operation.subject],
        "summary": operation.summary,
        "description": _description(operation),
        "parameters": parameters,
        "responses": _answers(operation, schemas, has_inputs=bool(parameters) or operation.body is not None),
    }
    example = EXAMPLES.get((operation.method, operation.path))
    if example is not None and example.query:
        call["x-example-query"] = example.query
    if operation.body is not None or operation.method in {"POST", "PUT"}:
        call["requestBody"] = _body(operation, schemas)
    return call


def _description(operation: Operation) -> str:
    text = " ".join((inspect.getdoc(operation.endpoint) or "").split())
    return _REFERENCE.sub("", text) or f"{operation.summary}."


def _path_parameters(operation: Operation) -> list[Node]:
    found = []
    for name in re.findall(r"\{(\w+)\}", operation.path):
        part = PARTS_OF_PATHS[name]
        schema: Node = {"type": "string", "minLength": 1}
        if part.pattern is not None:
            schema["pattern"] = part.pattern
        found.append(
            {
                "name": name, "in": "path", "required": True, "description": part.meaning, "schema": schema,
                "example": part.example,
            }
        )  # fmt: skip
    return found


def _query_parameters(query: Node) -> list[Node]:
    found = []
    for name, given in query["properties"].items():
        schema = dict(given)
        description = schema.pop("description", "")
        parameter: Node = {"name": name, "in": "query", "required": name in query["required"], "schema": schema}
        found.append({**parameter, **({"description": description} if description else {})})
    return found


def _body(operation: Operation, schemas: Schemas) -> Node:
    example = EXAMPLES.get((operation.method, operation.path))
    content: dict[str, Node] = {}
    for media_type in operation.body_types:
        node = _content(media_type, operation.body, schemas)
        if example is not None and example.body is not None and media_type == example.body_type:
            node["example"] = example.body
        content[media_type] = node
    return {"required": operation.body is not None, "content": content}


def _answers(operation: Operation, schemas: Schemas, *, has_inputs: bool) -> Node:
    kind = "RestProxyProblem" if operation.subject == _REST_PROXY else "Problem"
    problem = {"$ref": f"#/components/responses/{kind}"}
    failures = sorted({*operation.problems, *([400] if has_inputs else [])})
    return {
        **{str(status): _answer(operation, status, schemas) for status in (operation.status, *operation.statuses)},
        **{str(status): problem for status in failures},
        "default": problem,
    }


def _answer(operation: Operation, status: int, schemas: Schemas) -> Node:
    answer: Node = {"description": HTTPStatus(status).phrase}
    if status in _NO_CONTENT:
        return answer
    answer["content"] = {each: _content(each, operation.answer, schemas) for each in operation.answer_types}
    if operation.subject == _REST_PROXY and operation.body is not None:  # errors of single records stand among them
        for node in answer["content"].values():
            node["schema"] = {"anyOf": [node["schema"], schemas.of(ErrorAnswer)]}
    example = EXAMPLES.get((operation.method, operation.path))
    if status == operation.status and example is not None and example.answer is not None:
        answer["content"][operation.answer_types[0]]["example"] = example.answer
    return answer


def _content(media_type: str, kind: Any, schemas: Schemas) -> Node:
    """JSON has a schema, text is a string; of events and bytes a schema could say nothing."""
    if kind is not None and (media_type == JSON or media_type.endswith("+json")):
        return {"schema": schemas.of(kind)}
    return {"schema": {"type": "string"}} if _is_text(media_type) else {}


def _is_text(media_type: str) -> bool:
    return media_type == "text/plain" or media_type.endswith("ndjson")


def _problem(schemas: Schemas) -> Node:
    example = {
        "type": "urn:logmq:error:unknown-topic", "title": "Unknown topic", "status": 404, "code": "UNKNOWN_TOPIC",
        "detail": "There is no topic 'orders'; the first message to it makes one", "field": "topic",
    }  # fmt: skip
    return {
        "description": "It was not done: `code` says why to programs, `detail` to people; `field` names the input.",
        "content": {MEDIA_TYPE: {"schema": schemas.of(Problem), "example": example}},
    }


def _rest_proxy_problem(schemas: Schemas, calls: Iterable[Operation]) -> Node:
    """What these calls say of errors, in the type of the answer; what no call gets to see is a problem all the same."""
    types = _distinct(kind for each in calls if each.subject == _REST_PROXY for kind in each.answer_types)
    return {
        "description": "It was not done.",
        "content": {
            **{each: {"schema": schemas.of(ErrorAnswer)} for each in types},
            MEDIA_TYPE: {"schema": schemas.of(Problem)},
        },
    }
