"""How a broker becomes the leader: a transaction writes its name into every head, then it reads what is there.

From that transaction on no commit of an older leader can succeed, whatever its clock or its lease says: each commit
compares the heads' revisions. What it committed before is in the chain that is read then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from logmq.limits import MIB
from logmq.storage.cluster.formats import (
    BROKERS,
    LANE_COUNT,
    LANES,
    PREFIX_SIZE,
    WAL,
    Head,
    MalformedObject,
    Section,
    decode_checkpoint,
    decode_head,
    decode_header,
    encode_head,
    head_key,
    header_size,
)
from logmq.storage.cluster.lane import Lane, lane_from
from logmq.storage.cluster.leadership import Leadership
from logmq.storage.cluster.services import (
    Keys,
    ObjectMissing,
    Objects,
    OutcomeUnknown,
    Presence,
    Stored,
    until_answered,
)

_RETRY_S = 0.2
_FIRST_READ = 64 * 1024
_PREFETCH = 32
_CHECKPOINT_SIZE_MAX = 1024 * MIB


async def another_leads(keys: Keys, incarnation: str) -> bool:
    """Whether another broker, which is alive, is named by the heads. Raises: OutcomeUnknown."""
    stored = await keys.get(head_key(0))
    return stored is not None and await _is_another(keys, incarnation, decode_head(stored.value))


async def _is_another(keys: Keys, incarnation: str, head: Head) -> bool:
    return head.owner != incarnation and await keys.get(BROKERS + head.owner) is not None


async def take(keys: Keys, incarnation: str, presence: Presence) -> Leadership | None:
    """Write this incarnation into every head; None while another one leads, or when this one's key is gone.

    Nothing is taken from a broker whose key is there: it can rely on that. A transaction that was carried out without
    an answer, however late, is found by the heads. Tries until it knows.
    """
    while True:
        try:
            stored = await keys.under(LANES)
            heads = [decode_head(one.value) for _, one in sorted(stored.items())]
            if heads and all(head.owner == incarnation for head in heads):
                return Leadership(keys, incarnation, presence, heads, stored[head_key(0)].revision)
            own = await keys.get(BROKERS + incarnation)
            if own is None or own.revision != presence.revision:
                return None
            if heads and await _is_another(keys, incarnation, heads[0]):
                return None
            taken = [_next_term(stored.get(head_key(lane)), incarnation) for lane in range(LANE_COUNT)]
            expected = {head_key(lane): _revision(stored, lane) for lane in range(LANE_COUNT)}
            puts = {head_key(lane): encode_head(head) for lane, head in enumerate(taken)}
            revision = await keys.commit(expected | {BROKERS + incarnation: presence.revision}, puts)
            if revision is not None:
                return Leadership(keys, incarnation, presence, taken, revision)
        except OutcomeUnknown:
            await asyncio.sleep(_RETRY_S)


def _next_term(stored: Stored | None, incarnation: str) -> Head:
    if stored is None:
        return Head(1, incarnation)
    head = decode_head(stored.value)
    return Head(head.term + 1, incarnation, head.number, head.object, head.checkpoint)


def _revision(stored: Mapping[str, Stored], lane: int) -> int:
    one = stored.get(head_key(lane))
    return 0 if one is None else one.revision


async def load(objects: Objects, heads: list[Head]) -> tuple[list[Lane], list[str]]:
    """The lanes as the heads say, and the objects that were read since the checkpoint.

    Raises: MalformedObject, ObjectMissing: the store has lost or changed what was committed.
    """
    lanes = await _from_checkpoint(objects, heads)
    headers = _Headers(objects)
    recent: set[str] = set()
    for head, lane in zip(heads, lanes, strict=True):
        chain: list[tuple[Section, str, int]] = []
        name, number = head.object, head.number
        while number > lane.number:
            assert name is not None, (head, lane.number)
            sections, body = await headers.get(name)
            section = next((one for one in sections if one.lane == lane.lane), None)
            if section is None or section.number != number:
                raise MalformedObject(f"{name} does not hold commit {number} of lane {lane.lane}")
            chain.append((section, name, body))
            recent.add(name)
            name, number = section.previous, number - 1
        for section, name, body in reversed(chain):
            lane.apply(section, name, body)
    return lanes, sorted(recent)


async def _from_checkpoint(objects: Objects, heads: list[Head]) -> list[Lane]:
    lanes = [Lane(lane) for lane in range(LANE_COUNT)]
    checkpoints: dict[str, list[Lane]] = {}
    for head in heads:
        if head.checkpoint is not None and head.checkpoint not in checkpoints:
            data = await until_answered(partial(objects.get, head.checkpoint, 0, _CHECKPOINT_SIZE_MAX), _RETRY_S)
            checkpoints[head.checkpoint] = [lane_from(snapshot) for snapshot in decode_checkpoint(data).lanes]
    for number, head in enumerate(heads):
        if head.checkpoint is not None:
            lanes[number] = checkpoints[head.checkpoint][number]
    return lanes


class _Headers:
    """Headers of objects; since a chain mostly counts down, those before are fetched at the same time."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._tasks: dict[str, asyncio.Task[tuple[list[Section], int]]] = {}

    async def get(self, name: str) -> tuple[list[Section], int]:
        """The sections of an object, and where its body begins."""
        path, _, number = name.rpartition("/")
        for before in range(_PREFETCH):
            if int(number) - before >= 0:
                self._start(f"{path}/{int(number) - before:012d}")
        return await self._tasks[name]

    def _start(self, name: str) -> None:
        if name not in self._tasks:
            task = asyncio.ensure_future(_header(self._objects, name))
            task.add_done_callback(lambda task: task.cancelled() or task.exception())  # it may not be there at all
            self._tasks[name] = task


async def _header(objects: Objects, name: str) -> tuple[list[Section], int]:
    assert name.startswith(WAL), name
    start = await until_answered(partial(objects.get, name, 0, _FIRST_READ), _RETRY_S)
    size = PREFIX_SIZE + header_size(start)
    if size > len(start):
        start += await until_answered(partial(objects.get, name, len(start), size - len(start)), _RETRY_S)
    return decode_header(start)


__all__ = ["MalformedObject", "ObjectMissing", "another_leads", "load", "take"]
