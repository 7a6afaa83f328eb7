"""The dashboard and the alerts: each metric and label that they name is one that a broker serves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.certificates import Authority
from tests.exposition import Exposition
from tests.integration.broker import BrokerProcess

from logmq.config import load_config

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY.parent / "compose.yaml").read_text())
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "logmq.json").read_text())
ALERTS: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
SCRAPING: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())

PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SCRAPED_LABELS = {"instance", "job"}
"""What Prometheus adds to each series."""
UP = "up"
"""What Prometheus says of a target itself."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposition]:
    """What a broker serves that has done a little of everything."""
    pair = Authority(tmp_path_factory.mktemp("certificates")).sign("server")
    tls = (f"--tls-cert={pair.certificate}", f"--tls-key={pair.key}")
    with BrokerProcess(tmp_path_factory.mktemp("monitored") / "data", *tls) as broker:
        broker.ask(b"PRODUCE t a", b"CONSUME t 0", b"CONSUME nothing 0", b"COMMIT g t 5")
        with closing(HTTPConnection("127.0.0.1", broker.port, timeout=30)) as client:
            for _ in range(2):
                client.request("GET", "/metrics")
                text = client.getresponse().read().decode()
        yield Exposition(text)


def expressions() -> dict[str, str]:
    """All PromQL that we give away, by where it stands."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in ALERTS}
    for panel in PANELS:
        found |= {f"panel {panel['title']} {target['refId']}": target["expr"] for target in panel["targets"]}
    found |= {f"annotation {each['name']}": each["expr"] for each in DASHBOARD["annotations"]["list"]}
    variables = [each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    return found | {query: query for query in variables}


def metrics_in(expression: str) -> set[str]:
    """The names of metrics in a PromQL expression."""
    return set(re.findall(r"\b(?:logmq|kafka|process|python)_\w+|\bup\b", expression))


def labels_in(expression: str) -> set[str]:
    """The labels that it picks or groups by."""
    picked = [
        name for matchers in re.findall(r"\{(.*?)\}", expression) for name in re.findall(r"(\w+)\s*[=!]", matchers)
    ]
    grouped = [name.strip() for names in re.findall(r"\bby \((.*?)\)", expression) for name in names.split(",")]
    return {*picked, *grouped}


@pytest.mark.parametrize("where", list(expressions()))
def test_every_metric_is_served(served: Exposition, where: str) -> None:
    """With the labels that the expression needs."""
    expression = expressions()[where]
    metrics = metrics_in(expression)
    assert metrics, expression
    assert metrics - {UP} <= served.names()
    samples = [sample for family in served.families for sample in family.samples if sample.name in metrics]
    known = {label for sample in samples for label in sample.labels}
    assert labels_in(expression) <= known | SCRAPED_LABELS


def test_each_family_of_ours_can_be_seen(served: Exposition) -> None:
    """What a broker counts is on the dashboard or watched by an alert, but for facts that only a person asks for."""
    shown = {name for expression in expressions().values() for name in metrics_in(expression)}
    ours = {name for name in served.names() if name.startswith("logmq_")}
    ours = {name for name in ours if not name.startswith("logmq_cluster_")}  # the dashboard is one broker's
    hidden = {name for name in ours if not any(name.startswith(each.removesuffix("_bucket")) for each in shown)}
    assert hidden <= {
        "logmq_topics", "logmq_partitions", "logmq_group_members", "logmq_connections_max", "logmq_journal_files",
        "logmq_append_queue_calls", "logmq_log_segments", "logmq_log_start_offset", "logmq_log_high_watermark",
        "logmq_recovery_seconds", "logmq_recovery_replayed_commits", "logmq_recovery_undone_commits",
        "logmq_recovery_cut_bytes", "logmq_recovery_repaired_indexes", "logmq_tls_handshakes_total",
        "logmq_tls_handshake_failures_total",
    }  # fmt: skip


def test_legends_name_labels_that_are_left() -> None:
    """A legend can only show what the expression groups by, or every label where it does not group."""
    for panel in PANELS:
        for target in panel["targets"]:
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            grouped = labels_in(target["expr"]) | SCRAPED_LABELS
            assert shown <= grouped, panel["title"]


def test_panels_lie_side_by_side() -> None:
    """None covers another, none leaves the 24 columns, and each has an id of its own."""
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for one, other in combinations([panel["gridPos"] for panel in DASHBOARD["panels"]], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above
        assert one["x"] + one["w"] <= 24


def test_each_alert_says_what_it_means() -> None:
    """A name of its own, how bad it is, and two sentences for the person who is woken."""
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)
    for rule in ALERTS:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"] and rule["annotations"]["description"].endswith(".")
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}


def test_compose_lets_prometheus_ask_the_broker() -> None:
    """The target is the service, its name is one that the broker goes by, and the files are where programs look."""
    broker, prometheus, grafana = (COMPOSE["services"][name] for name in ("logmq", "prometheus", "grafana"))
    (target,) = SCRAPING["scrape_configs"][0]["static_configs"][0]["targets"]
    host, _, port = target.partition(":")
    config = load_config({}, broker["environment"])
    assert (host, int(port)) == ("logmq", config.port)
    assert host in config.http_allowed_hosts
    for service in (prometheus, grafana):
        assert service["profiles"] == ["monitoring"]
        assert all(each.startswith("127.0.0.1:") for each in service["ports"])
        mounted = [volume.split(":")[0] for volume in service["volumes"]]
        assert all((DEPLOY.parent / each).exists() for each in mounted if each.startswith("."))
        assert {each for each in mounted if not each.startswith(".")} <= set(COMPOSE["volumes"])
    assert SCRAPING["rule_files"] == ["alerts.yml"]
    provider = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "dashboards" / "logmq.yaml").read_text())
    folder = provider["providers"][0]["options"]["path"]
    assert any(volume.split(":")[1].startswith(folder + "/") for volume in grafana["volumes"])
