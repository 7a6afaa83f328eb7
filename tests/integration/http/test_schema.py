"""A real broker keeps to its own OpenAPI document, whatever is sent: schemathesis makes requests up from it.

Half of them are what the document allows, half are not. No answer is an error of the broker, each is of a status, a
type and a form that the document has, and nothing is logged as an accident.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from tests.integration.broker import BrokerProcess
from tests.integration.http.raw_client import HOST, RawClient

from logmq.protocols.http.routes import OPERATIONS

schemathesis = pytest.importorskip("schemathesis")

SEED = 20261124
EXAMPLES = 20
EXAMPLES_LONG = 1000
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
ENDLESS = {("GET", "/topics/{topic}/stream")}
"""Streams have tests of their own; they do not end."""
WAIT_MAX_MS = 10
CALLS = [
    pytest.param(each.method, each.path, id=f"{each.method} {each.path}")
    for each in OPERATIONS
    if (each.method, each.path) not in ENDLESS
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BrokerProcess, Any]]:
    """A broker with topics of both formats and a group, and its document."""
    with BrokerProcess(tmp_path_factory.mktemp("broker") / "data", "--sync=never") as broker:
        post(broker, "/topics", b'{"name": "orders", "partitions": 2}')
        post(broker, "/topics/orders/records", b'{"records": [{"key": "k", "value": {"n": 1}, "partition": 0}]}')
        assert broker.ask(b"PRODUCE lines two", b"COMMIT billing orders 1", b"COMMIT billing lines 0")[2] == b"OK"
        yield broker, schemathesis.openapi.from_url(f"http://127.0.0.1:{broker.port}/openapi.json")
        assert [line for line in broker.output.records() if line["level"] not in {"info", "debug"}] == []


def post(broker: BrokerProcess, path: str, body: bytes) -> None:
    """Send JSON, which must work."""
    head = f"POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n".encode()
    with RawClient(broker.port) as client:
        assert client.ask(head + HOST + b"\r\n" + body).status in {200, 201}


def check(served: tuple[BrokerProcess, Any], method: str, path: str, count: int) -> None:
    """Make so many requests of one call."""
    broker, schema = served
    checks = _checks()
    known = {
        "topic": ["orders", "lines"], "group": ["billing"], "cluster": [_cluster_id(broker)], "partition": ["0"],
        "offset": ["0"],
    }  # fmt: skip
    call = schema[path][method]
    modes = schemathesis.GenerationMode
    any_request = st.one_of([call.as_strategy(generation_mode=each) for each in (modes.POSITIVE, modes.NEGATIVE)])

    @seed(SEED)
    @settings(
        max_examples=count, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(request=any_request, choice=st.integers(0, 2))
    def run(request: Any, choice: int) -> None:
        if choice and method != "DELETE":  # made-up names are hardly ever of something that is there
            for name in request.path_parameters or {}:
                if name in known:
                    request.path_parameters[name] = known[name][choice % len(known[name])]
        if "timeout_ms" in (request.query or {}) and str(request.query["timeout_ms"]).isdecimal():
            request.query["timeout_ms"] = str(min(int(request.query["timeout_ms"]), WAIT_MAX_MS))
        (request.query or {}).pop("live", None)
        request.validate_response(request.call(timeout=20), checks=checks)

    run()


def _checks() -> Any:
    from schemathesis.checks import CHECKS as all_checks  # noqa: PLC0415 - only where schemathesis is installed
    from schemathesis.checks import load_all_checks  # noqa: PLC0415

    load_all_checks()
    return all_checks.get_by_names(CHECKS)


def _cluster_id(broker: BrokerProcess) -> str:
    with RawClient(broker.port) as client:
        body = client.ask(b"GET /broker HTTP/1.1\r\n" + HOST + b"\r\n").body
    return body.partition(b'"cluster_id":"')[2].partition(b'"')[0].decode()


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_call_keeps_to_its_document(served: tuple[BrokerProcess, Any], method: str, path: str) -> None:
    """The first requests of a long row."""
    check(served, method, path, EXAMPLES)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_call_keeps_to_its_document_for_long(served: tuple[BrokerProcess, Any], method: str, path: str) -> None:
    """The whole row."""
    check(served, method, path, EXAMPLES_LONG)
