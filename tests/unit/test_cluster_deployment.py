"""The files under deploy/ for a cluster say what the broker understands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from logmq.config import Config, load_config
from logmq.config.quantities import parse_duration

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "cluster" / "compose.yaml").read_text())
KUBERNETES: dict[str, Any] = {
    one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "kubernetes" / "logmq.yaml").read_text())
}
POD: dict[str, Any] = KUBERNETES["Deployment"]["spec"]["template"]


def settings(variables: dict[str, str]) -> Config:
    """Those of LogMQ's own among some variables, read as the broker reads them."""
    return load_config({}, {name: value for name, value in variables.items() if name.startswith("LOGMQ_")})


def test_compose_has_three_of_what_must_not_be_alone() -> None:
    """Brokers, which are alike but for their port, and etcd, whose nodes know each other and compact."""
    services = COMPOSE["services"]
    brokers = [services[f"broker{number}"] for number in (1, 2, 3)]
    assert len({broker["ports"][0] for broker in brokers}) == 3
    for broker in brokers:
        config = settings(broker["environment"])
        assert config.cluster == "etcd://etcd1:2379,etcd2:2379,etcd3:2379/logmq"
        assert config.objects == "s3://logmq/records"
        assert broker["restart"] == "always"
        assert parse_duration(broker["stop_grace_period"]) >= 2 * config.drain_timeout_ms
        assert "volumes" not in broker
    for number in (1, 2, 3):
        command = services[f"etcd{number}"]["command"]
        assert f"--name=etcd{number}" in command
        assert "--auto-compaction-retention=1000" in command


def test_the_brokers_of_compose_know_the_s3_servers_key() -> None:
    """It stands in the server's own file."""
    (identity,) = json.loads((DEPLOY / "cluster" / "s3.json").read_text())["identities"]
    (key,) = identity["credentials"]
    environment = COMPOSE["services"]["broker1"]["environment"]
    assert key["accessKey"] == environment["AWS_ACCESS_KEY_ID"]
    assert key["secretKey"] == environment["AWS_SECRET_ACCESS_KEY"]


def test_kubernetes_keeps_nothing_on_its_nodes() -> None:
    """Three alike, which anybody may throw away; credentials are in a secret."""
    assert KUBERNETES["Deployment"]["spec"]["replicas"] == 3
    assert POD["spec"]["volumes"] == [{"name": "scratch", "emptyDir": {}}]
    (container,) = POD["spec"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": KUBERNETES["Secret"]["metadata"]["name"]}}]
    plain = {one["name"]: one["value"] for one in container["env"]}
    config = settings(KUBERNETES["Secret"]["stringData"] | plain)
    assert config.cluster is not None
    assert config.objects is not None
    assert config.advertise == ("logmq", 8080)


def test_kubernetes_finds_the_leader_by_its_port() -> None:
    """A broker that stands by does not listen, so it is not ready, and no rollout may wait for it."""
    (container,) = POD["spec"]["containers"]
    assert container["readinessProbe"]["tcpSocket"] == {"port": Config().port}
    assert "livenessProbe" not in container
    assert KUBERNETES["Service"]["spec"]["selector"] == POD["metadata"]["labels"]
    assert KUBERNETES["Service"]["spec"]["ports"][0]["targetPort"] == Config().port
    assert KUBERNETES["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 3
