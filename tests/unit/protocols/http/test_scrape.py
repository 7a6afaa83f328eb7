"""`GET /metrics`, read by Prometheus' own parsers, on the real broker."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from tests.exposition import Exposition
from tests.unit.protocols.http.http_session import HttpStage

from logmq.broker.broker import Broker
from logmq.broker.groups.offsets import CommittedOffset
from logmq.errors import UnknownTopic
from logmq.model import Bounds, Format, TopicPartition
from logmq.protocols.http.metrics.families import FAMILIES
from logmq.protocols.http.metrics.series import group_series, partition_series

DOCS = Path(__file__).parents[4] / "docs" / "metrics.md"
OPEN_METRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
"""As Prometheus 2 asks."""
ODD_NAME = 'a "group"\nwith \\ and ä'


async def scraped(http: HttpStage, accept: str = "text/plain") -> Exposition:
    """All that a scrape says."""
    answer = await http.client.get("/metrics", headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/openmetrics-text") == ("openmetrics" in accept)
    return Exposition(answer.text)


async def filled(http: HttpStage) -> None:
    """A topic with three partitions, of which two hold records, and a group that has read some."""
    await http.broker.broker.create_topic("orders", format=Format.BATCH, partition_count=3)
    for partition, count in ((0, 5), (2, 2)):
        for _ in range(count):
            await http.post("orders", {"records": [{"value": "x", "partition": partition}]})
    offsets = {TopicPartition("orders", 0): CommittedOffset(2, 0), TopicPartition("orders", 2): CommittedOffset(2, 0)}
    await http.broker.broker.groups.offsets.commit(ODD_NAME, offsets)


@pytest.mark.parametrize("accept", ["", OPEN_METRICS])
async def test_both_formats_say_the_same(http: HttpStage, accept: str) -> None:
    """Strict parsers accept them, with every family of the table, its kind and its labels; and no others."""
    await filled(http)
    await http.client.get("/topics/nothing")
    http.context.broker.metrics.connections.open["http"] = [http.client]
    http.context.broker.metrics.tls.certificate_expiry_s = 1.8e9
    found = {family.name: family for family in (await scraped(http, accept)).families}
    for name, family in FAMILIES.items():
        parsed = found.pop(name.removesuffix("_total"))
        assert (parsed.type, parsed.documentation) == (family.kind, family.help)
        assert {tuple(sorted(set(each.labels) - {"le"})) for each in parsed.samples} <= {tuple(sorted(family.labels))}
        assert parsed.samples
    assert all(name.startswith(("process_", "python_")) for name in found)


async def test_series_formatted_here_are_as_the_library_would_write_them(http: HttpStage) -> None:
    """Byte for byte but for how whole numbers are written."""
    await filled(http)
    text = await partition_series(http.context.broker) + await group_series(http.context.broker)
    again = "".join([generate_latest(cast(Any, _Again(family))).decode() for family in Exposition(text).families])
    assert re.sub(r"\.0$", "", again, flags=re.M) == text


class _Again:
    """A family that was parsed, for the library to write once more with labels in our order."""

    def __init__(self, parsed: Metric) -> None:
        family = FAMILIES[parsed.name]
        self._metric = GaugeMetricFamily(parsed.name, family.help, labels=family.labels)
        for sample in parsed.samples:
            self._metric.add_metric([sample.labels[name] for name in family.labels], sample.value)

    def collect(self) -> list[Metric]:
        return [self._metric]


async def test_partitions_and_groups_are_told_as_they_are(http: HttpStage) -> None:
    """Under LogMQ's names and under those of kafka_exporter, whose boards need these labels."""
    await filled(http)
    found = await scraped(http)
    for name in ("logmq_log_high_watermark", "kafka_topic_partition_current_offset"):
        assert found.series(name, topic="orders") == {("0", "orders"): 5, ("1", "orders"): 0, ("2", "orders"): 2}
    for partition in http.context.broker.topic("orders").partitions():
        labels = {"topic": "orders", "partition": str(partition.index)}
        kept = http.context.broker.statistics(partition)
        assert found.value("logmq_log_size_bytes", **labels) == kept.size_bytes
        assert found.value("logmq_log_segments", **labels) == 1
        assert found.value("kafka_topic_partition_oldest_offset", **labels) == 0
        assert found.value("kafka_topic_partition_leader", **labels) == 0
        assert found.value("kafka_topic_partition_under_replicated_partition", **labels) == 0
    group = {"consumergroup": ODD_NAME}
    assert found.value("kafka_topic_partitions", topic="orders") == 3
    assert found.value("kafka_consumergroup_members", **group) == 0
    assert found.series("logmq_groups") == {("Empty", "classic"): 1}
    assert found.value("logmq_group_members") == 0
    assert found.value("kafka_consumergroup_lag", **group, topic="orders", partition="0") == 3
    assert found.value("kafka_consumergroup_lag", **group, topic="orders", partition="2") == 0
    assert found.value("kafka_consumergroup_lag_sum", **group, topic="orders") == 3
    assert found.value("kafka_consumergroup_current_offset_sum", **group, topic="orders") == 4


async def test_counters_add_up(http: HttpStage) -> None:
    """Appends, records, bytes and requests are those that were made."""
    before = await scraped(http)
    await filled(http)
    await http.post("orders", {"records": [{"value": "x" * 100}] * 50})
    await http.client.get("/topics/nothing")
    await http.client.get("/no/such/path")
    await http.client.put("/topics")
    after = await scraped(http)

    def grown(name: str, **labels: str) -> float:
        return after.total(name, **labels) - before.total(name, **labels)

    # What the group committed is stored, too: one append of two messages.
    assert grown("logmq_appended_records_total") == 7 + 50 + 2
    assert grown("logmq_appended_bytes_total") == grown("logmq_log_size_bytes")
    assert grown("logmq_commit_seconds_count") == grown("logmq_commits_total") > 8
    assert grown("logmq_requests_total", api="POST /topics/{topic}/records") == 8
    assert grown("logmq_request_seconds_count", api="POST /topics/{topic}/records") == 8
    assert grown("logmq_request_errors_total", api="GET /topics/{topic}", code="UNKNOWN_TOPIC") == 1
    assert grown("logmq_requests_total", api="Unmatched") == 2
    assert grown("logmq_request_errors_total", api="Unmatched", code="METHOD_NOT_ALLOWED") == 1
    assert after.value("logmq_append_queue_bytes") == after.value("logmq_append_queue_calls") == 0


async def test_a_scrape_is_made_in_slices(http: HttpStage) -> None:
    """Others have their turn between them."""
    for number in range(5):
        await http.broker.broker.create_topic(f"t{number}", format=Format.BATCH, partition_count=200)
    turns = 0
    scraping = asyncio.ensure_future(partition_series(http.context.broker))
    while not scraping.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 5
    assert len(Exposition(scraping.result()).series("logmq_log_size_bytes", topic="t4")) == 200


async def test_what_is_dropped_meanwhile_is_left_out(http: HttpStage) -> None:
    """A topic that was there at the beginning of a scrape may be gone when its turn comes."""
    await filled(http)
    broker = cast(Broker, _Dropping(http.context.broker))
    assert not Exposition(await partition_series(broker)).series("logmq_log_size_bytes", topic="orders")
    assert not Exposition(await group_series(broker)).series("kafka_consumergroup_lag")


@dataclass
class _Dropping:
    """A broker whose topic `orders` goes as soon as it was listed."""

    broker: Broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self.broker, name)

    def bounds(self, partition: TopicPartition) -> Bounds:
        if partition.topic == "orders":
            raise UnknownTopic("orders")
        return self.broker.bounds(partition)


async def test_the_documentation_has_every_metric(http: HttpStage) -> None:
    """With kind, labels and meaning, and none that is not served."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$", DOCS.read_text(), re.M)
    documented = {name: (kind, tuple(re.findall(r"\w+", labels)), help) for name, kind, labels, help in rows}
    ours = {name: (family.kind, family.labels, family.help) for name, family in FAMILIES.items()}
    library: dict[str, Any] = {}
    for family in (await scraped(http)).families:
        if family.name.startswith(("process_", "python_")):
            name = family.samples[0].name
            library[name] = (family.type, tuple(family.samples[0].labels), family.documentation)
    assert documented == ours | library
