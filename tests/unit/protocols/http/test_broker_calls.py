"""The broker over HTTP: what it is, how it is set, what it has counted, whether it takes requests."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.protocols.http.http_session import HttpStage

from logmq import __version__
from logmq.config import SETTINGS
from logmq.errors import Unavailable
from logmq.metrics import COMMIT_BUCKETS_S
from logmq.model import Format


async def asked(http: HttpStage, path: str, status: int = 200) -> Any:
    """What a GET answers."""
    answer = await http.client.get(path)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_the_broker_is_described(http: HttpStage) -> None:
    """What a person wants to know first; the broker's own topics do not count."""
    await http.broker.broker.create_topic("orders", format=Format.BATCH, partition_count=3)
    await http.post("orders", {"records": [{"value": "x", "partition": 1}]})
    http.context.broker.metrics.connections.open |= {"http": [1, 2], "text": [3]}
    described = await asked(http, "/broker")
    assert (described["version"], described["cluster_id"]) == (__version__, http.context.broker.cluster_id)
    assert (described["topic_count"], described["partition_count"]) == (1, 3)
    assert described["data_dir"] == str(http.context.config.data_dir)
    assert (described["sync"], described["ready"], described["status"]) == ("never", True, "ready")
    assert described["connections"] == {"text": 1, "kafka": 0, "http": 2, "undecided": 0, "total": 3, "max": 10000}
    assert described["tls"] == {"mode": "off", "certificate_expires_ms": None}
    assert described["disk"]["log_size_bytes"] > 60
    assert 0 < described["disk"]["free_bytes"] < described["disk"]["total_bytes"]
    assert described["recovery"]["clean"]
    assert described["started_ms"] == http.clock.now_ms()


async def test_every_setting_is_listed(http: HttpStage) -> None:
    """With value and default as a person writes them, and where it can be set."""
    lines = {line["name"]: line for line in (await asked(http, "/broker/settings"))["settings"]}
    assert list(lines) == list(SETTINGS)
    assert lines["sync"] == {
        "name": "sync",
        "value": "never",
        "default": "always",
        "flag": "--sync",
        "variable": "LOGMQ_SYNC",
        "meaning": SETTINGS["sync"].meaning,
    }


async def test_statistics_grow_with_what_is_done(http: HttpStage) -> None:
    """So that the difference of two of them is what happened in between."""
    before = await asked(http, "/broker/statistics")
    await http.post("orders", {"records": [{"value": "x" * 100}] * 20})
    await http.read("orders")
    await asked(http, "/topics/nothing", 404)
    after = await asked(http, "/broker/statistics")
    assert after["appended_records"] - before["appended_records"] == 20
    assert (
        after["appended_bytes"] - before["appended_bytes"] == after["log_size_bytes"] - before["log_size_bytes"] > 2000
    )
    assert after["read_bytes"] - before["read_bytes"] >= 2000
    assert after["requests"]["http"] - before["requests"]["http"] == 4
    assert after["errors"] - before["errors"] == 1
    durations = after["commit_seconds"]
    assert durations["count"] - before["commit_seconds"]["count"] == after["commits"] - before["commits"] > 0
    assert [end for end, _ in durations["buckets"]] == list(COMMIT_BUCKETS_S)
    assert durations["buckets"][-1][1] <= durations["count"]
    assert (after["waiting_bytes"], after["disk_free_bytes"] > 0) == (0, True)


async def test_probes(http: HttpStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that stops is alive and not ready; after a failed sync it is neither, and says why."""
    for path in ("/healthz", "/readyz"):
        assert (await asked(http, path))["status"] == "ready"
    http.context.broker.health.drain()
    assert (await asked(http, "/healthz"))["status"] == "draining"
    assert (await asked(http, "/readyz", 503))["status"] == "draining"
    assert (await asked(http, "/broker"))["ready"] is False
    failure = Unavailable("the broker has stopped taking messages: fdatasync of journal.1 failed")
    monkeypatch.setattr(http.context.broker._store, "_failure", failure)
    for path in ("/healthz", "/readyz"):
        answer = await asked(http, path, 503)
        assert (answer["status"], answer["reason"]) == ("failed", str(failure))
