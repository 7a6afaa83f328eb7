"""A cluster as its keys and objects show it, to somebody who only looks."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from crc32c import crc32c

from logmq.errors import StartupError
from logmq.storage.cluster.etcd import EtcdKeys
from logmq.storage.cluster.formats import BROKERS, LANES, Extent, MalformedObject, decode_head
from logmq.storage.cluster.identity import ForeignObjects, check
from logmq.storage.cluster.object_store import connect
from logmq.storage.cluster.services import Keys, ObjectMissing, Objects, OutcomeUnknown
from logmq.storage.cluster.takeover import load


@dataclass(frozen=True, slots=True)
class BrokerOverview:
    """A broker that lives."""

    incarnation: str
    address: str
    version: str
    leads: bool


@dataclass(frozen=True, slots=True)
class LaneOverview:
    """A lane's head."""

    lane: int
    term: int
    commits: int
    object: str | None
    checkpoint: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """All brokers and all lanes."""

    brokers: list[BrokerOverview]
    lanes: list[LaneOverview]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


async def look(cluster: str) -> Overview:
    """A cluster now. Raises: StartupError: etcd does not answer."""
    keys = await EtcdKeys.connect(cluster)
    try:
        return await overview(keys)
    except OutcomeUnknown as error:
        raise StartupError(str(error)) from error
    finally:
        await keys.close()


async def overview(keys: Keys) -> Overview:
    """What the keys say. Raises: OutcomeUnknown."""
    heads = [decode_head(one.value) for _, one in sorted((await keys.under(LANES)).items())]
    owner = heads[0].owner if heads else None
    brokers = []
    for key, stored in sorted((await keys.under(BROKERS)).items()):
        facts = json.loads(stored.value or b"{}")
        incarnation = key.removeprefix(BROKERS)
        address = f"{facts.get('host', '?')}:{facts.get('port', '?')}"
        brokers.append(BrokerOverview(incarnation, address, facts.get("version", "?"), incarnation == owner))
    lanes = [
        LaneOverview(lane, head.term, head.number, head.object, head.checkpoint) for lane, head in enumerate(heads)
    ]
    return Overview(brokers, lanes)


async def damage(cluster: str, objects_url: str) -> tuple[list[str], int]:
    """What is missing or damaged of all that the lanes reach, and how many bytes were looked at.

    Beside a broker that leads, what it has trimmed meanwhile may be found missing. Raises: StartupError.
    """
    keys = await EtcdKeys.connect(cluster)
    try:
        objects = await connect(objects_url)
        await check(keys, objects)
        heads = [decode_head(one.value) for _, one in sorted((await keys.under(LANES)).items())]
        return await _damage(objects, heads)
    except (ForeignObjects, OutcomeUnknown) as error:
        raise StartupError(str(error)) from error
    finally:
        await keys.close()


async def _damage(objects: Objects, heads: list[Any]) -> tuple[list[str], int]:
    findings: list[str] = []
    checked = 0
    try:
        lanes, _ = await load(objects, heads)
    except (ObjectMissing, MalformedObject) as error:
        return [f"the lanes cannot be read: {error}"], 0
    for lane in lanes:
        for log_id, log in lane.logs.items():
            for extent in log.extents:
                wrong = await _wrong(objects, extent)
                if wrong is not None:
                    findings.append(
                        f"log {log_id}, offsets {extent.first_offset} to {extent.next_offset}: {extent.object} {wrong}"
                    )
                checked += extent.size
    return findings, checked


async def _wrong(objects: Objects, extent: Extent) -> str | None:
    try:
        data = await objects.get(extent.object, extent.position, extent.size)
    except ObjectMissing:
        return "is missing"
    return None if crc32c(data) == extent.crc else "does not match its checksum"
