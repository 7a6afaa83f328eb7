"""What is counted of Kafka requests."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.unit.protocols.kafka.kafka_session import (
    Stage,
    batch,
    fetch_fields,
    produce_fields,
    stage,
    until,
)

from logmq.model import Format
from logmq.protocols.kafka.api import APIS

_NO_OPERATIONS = {"include_cluster_authorized_operations": False, "include_topic_authorized_operations": False}


def counts(staged: Stage) -> dict[str, int]:
    """Requests by API."""
    return {kind: requests.count for kind, requests in staged.broker.metrics.kafka.items()}


def errors(staged: Stage) -> dict[tuple[str, str], int]:
    """Errors by API and code."""
    counted = staged.broker.metrics.kafka.items()
    return {(kind, code): count for kind, requests in counted for code, count in requests.errors.items()}


def test_names_are_kafkas() -> None:
    """As its documentation and its metrics write them."""
    titles = {api.title for api in APIS.values()}
    assert {"Produce", "ApiVersions", "OffsetForLeaderEpoch", "ConsumerGroupHeartbeat"} <= titles
    assert len(titles) == len(APIS)


async def test_requests_count_when_they_are_answered(tmp_path: Path) -> None:
    """Whether the answer is there at once or later, and how long it took from the request's arrival."""
    async with stage(tmp_path) as staged:
        await staged.broker.broker.create_topic("t", format=Format.BATCH)
        session = staged.session()
        await session.ask("api_versions", 3, client_software_name="x", client_software_version="1")
        staged.broker.held = True
        session.send("produce", 9, **produce_fields("t", batch(b"a")))
        await until(lambda: staged.broker.appends)
        assert counts(staged) == {"ApiVersions": 1}
        staged.clock.seconds += 0.25
        await staged.broker.commit()
        await session.response()
        assert counts(staged) == {"ApiVersions": 1, "Produce": 1}
        assert staged.broker.metrics.kafka["Produce"].seconds.sum == 0.25
        assert errors(staged) == {}


async def test_errors_count_by_api_and_code(tmp_path: Path) -> None:
    """One for each partition, topic or group that an answer says it of; of APIs packed by hand and of the others."""
    async with stage(tmp_path) as staged:
        await staged.broker.broker.create_topic("t", format=Format.BATCH)
        session = staged.session()
        await session.ask("produce", 9, **produce_fields("t", batch(b"a"), batch(b"b"), batch(b"c")))
        await session.ask("fetch", 11, **fetch_fields("t", {0: 5, 1: 0}))
        names = [{"name": name, "topic_id": None} for name in ("nothing", "t")]
        await session.ask("metadata", 9, topics=names, allow_auto_topic_creation=False, **_NO_OPERATIONS)
        await session.ask("delete_topics", 1, topic_names=["nothing", "neither"], timeout=timedelta(seconds=1))
        await session.ask("heartbeat", 1, group_id="g", generation_id=3, member_id="m")
        assert errors(staged) == {
            ("Produce", "UNKNOWN_TOPIC_OR_PARTITION"): 2,
            ("Fetch", "OFFSET_OUT_OF_RANGE"): 1,
            ("Fetch", "UNKNOWN_TOPIC_OR_PARTITION"): 1,
            ("Metadata", "UNKNOWN_TOPIC_OR_PARTITION"): 1,
            ("DeleteTopics", "UNKNOWN_TOPIC_OR_PARTITION"): 2,
            ("Heartbeat", "UNKNOWN_MEMBER_ID"): 1,
        }


async def test_unknown_apis_count_together(tmp_path: Path) -> None:
    """What a client makes up is no label."""
    async with stage(tmp_path) as staged:
        session = staged.session()
        for key in (4000, 4001):
            header = key.to_bytes(2, "big") + bytes(2) + b"\x00\x00\x00\x07" + b"\xff\xff"
            session.connection.data_received(len(header).to_bytes(4, "big") + header)
        assert counts(staged) == {"Unknown": 2}
        assert errors(staged) == {("Unknown", "UNSUPPORTED_VERSION"): 2}
