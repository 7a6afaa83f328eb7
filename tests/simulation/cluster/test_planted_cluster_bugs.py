"""The campaign finds the bugs that it is there for: each is planted, and the audit must turn red."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from tests.simulation.cluster import campaign
from tests.simulation.cluster.campaign import Campaign
from tests.simulation.cluster.virtual_time import run
from tests.simulation.cluster.world import Link, LinkObjects

from logmq.storage.cluster import garbage, takeover, upkeep
from logmq.storage.cluster.formats import CHECKPOINTS, COUNTERS, LANE_COUNT, LANES, Head, decode_head, head_key
from logmq.storage.cluster.leadership import Fenced, Leadership
from logmq.storage.cluster.meta import ClusterMeta
from logmq.storage.cluster.pipeline import Pipeline
from logmq.storage.cluster.plan import Batch, Plan
from logmq.storage.cluster.services import OutcomeUnknown

Plant = Callable[[pytest.MonkeyPatch], None]


def heads_are_not_compared(patch: pytest.MonkeyPatch) -> None:
    """A commit goes through whoever leads, and whether its broker lives or not."""
    patch.setattr(Leadership, "_expected", lambda self, lanes: {})


def heads_are_not_taken(patch: pytest.MonkeyPatch) -> None:
    """A new leader goes on from the heads as they are, so that the old one may, too."""
    whole, revisions = takeover.take, dict[str, int]()

    async def take(keys: Link, incarnation: str, presence: Any) -> Leadership | None:
        stored = await keys.under(LANES)
        if not stored:
            return await whole(keys, incarnation, presence)
        heads = [decode_head(stored[head_key(lane)].value) for lane in range(LANE_COUNT)]
        revisions.update({key: one.revision for key, one in stored.items()})
        mine = [Head(head.term, incarnation, *msgspec.structs.astuple(head)[2:]) for head in heads]
        return Leadership(keys, incarnation, presence, mine, 0)

    def begin(self: Leadership, *arguments: Any) -> None:
        original(self, *arguments)
        if not arguments[-1]:
            self._revisions = [revisions[head_key(lane)] for lane in range(LANE_COUNT)]

    original = Leadership.__init__
    patch.setattr(campaign, "take", take)
    patch.setattr(Leadership, "__init__", begin)


def acknowledged_before_the_transaction(patch: pytest.MonkeyPatch) -> None:
    """Once the object is written."""
    whole = Pipeline._commit

    async def commit(self: Pipeline, batch: Batch) -> None:
        for call, results in zip(batch.calls, batch.results, strict=True):
            self._answer(call, results)
        batch.calls, batch.results = [], []
        await whole(self, batch)

    patch.setattr(Pipeline, "_commit", commit)


def a_lost_answer_is_taken_for_a_failure(patch: pytest.MonkeyPatch) -> None:
    """Producers are told that nothing was stored."""

    async def find_out(self: Leadership, expected: Mapping[str, int], heads: Mapping[int, Head]) -> int | None:
        raise Fenced(stored=False)

    patch.setattr(Leadership, "_find_out", find_out)


def living_incarnations_are_collected(patch: pytest.MonkeyPatch) -> None:
    """Whatever this leader does not reach is removed, although it or others may commit it yet."""

    async def collect(_: Leadership, objects: LinkObjects, reachable: set[str], given: object) -> None:
        names = [name for kind in garbage._KINDS for name in await objects.names(kind)]
        await objects.delete([name for name in names if name not in reachable])

    patch.setattr(upkeep, "collect", collect)


def names_are_used_again(patch: pytest.MonkeyPatch) -> None:
    """A broker that starts again counts from one under its old name."""
    whole = Pipeline.flush

    def flush(self: Pipeline) -> None:
        own = self._leadership.incarnation
        self._leadership.incarnation = own.split("-")[0]
        whole(self)
        self._leadership.incarnation = own

    patch.setattr(Pipeline, "flush", flush)


def a_checkpoint_is_named_before_it_is_written(patch: pytest.MonkeyPatch) -> None:
    """And its object comes later, or never."""
    whole = Pipeline.put

    async def put(self: Pipeline, name: str, data: bytes) -> None:
        if name.startswith(CHECKPOINTS):
            asyncio.get_running_loop().call_later(3, lambda: asyncio.ensure_future(whole(self, name, data)))
            return
        await whole(self, name, data)

    patch.setattr(Pipeline, "put", put)


def a_living_leader_is_deposed(patch: pytest.MonkeyPatch) -> None:
    """Which goes on to change topics, unknown to the other."""

    async def is_another(*_: object) -> bool:
        return False

    patch.setattr(takeover, "_is_another", is_another)


def a_change_of_topics_may_be_carried_out_twice(patch: pytest.MonkeyPatch) -> None:
    """When an answer is late: the counters are not compared."""
    whole = ClusterMeta._commit

    async def commit(self: ClusterMeta, before: Any, made: Any, key: str | None) -> bool:
        if key is None:
            return await whole(self, before, made, key)
        puts = {} if made[1] is None else {key: json.dumps(made[1]).encode()}
        expected = {key: 0 if before[key] is None else before[key].revision, **self._alive}
        try:
            await self._keys.commit({}, {COUNTERS: json.dumps(made[0]).encode()})
            return await self._keys.commit(expected, puts, [key] if made[1] is None else []) is not None
        except OutcomeUnknown:
            return False

    patch.setattr(ClusterMeta, "_commit", commit)


def producers_are_forgotten_by_their_own_clock(patch: pytest.MonkeyPatch) -> None:
    """By the times of their records, which may be as old as they like."""
    whole = Plan._place

    def place(self: Plan, append: Any, *rest: Any) -> Any:
        now, self._now_ms = self._now_ms, append.timestamp_ms or 0
        try:
            return whole(self, append, *rest)
        finally:
            self._now_ms = now

    patch.setattr(Plan, "_place", place)


PLANTED: list[Plant] = [
    a_living_leader_is_deposed,
    a_change_of_topics_may_be_carried_out_twice,
    producers_are_forgotten_by_their_own_clock,
    heads_are_not_compared,
    heads_are_not_taken,
    acknowledged_before_the_transaction,
    a_lost_answer_is_taken_for_a_failure,
    living_incarnations_are_collected,
    names_are_used_again,
    a_checkpoint_is_named_before_it_is_written,
]
SEEDS = 30


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_the_audit_finds_it(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a few seeds."""
    plant(monkeypatch)
    for seed in range(SEEDS):
        try:
            ledger = run(Campaign(seed).run())
        except Exception as error:  # the engine's own assertions count
            print(f"{plant.__name__}: seed {seed}: {error!r}")
            return
        if ledger.violations:
            print(f"{plant.__name__}: seed {seed}: {ledger.violations[0]}")
            return
    pytest.fail(f"{SEEDS} runs did not notice")
