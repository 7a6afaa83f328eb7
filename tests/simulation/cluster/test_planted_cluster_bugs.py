"""The campaign finds the bugs that it is there for: each is planted, and the audit must turn red."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from tests.simulation.cluster.campaign import Campaign
from tests.simulation.cluster.virtual_time import run
from tests.simulation.cluster.world import Link, LinkObjects

from logmq.storage.cluster import garbage, store, takeover
from logmq.storage.cluster.formats import LANE_COUNT, LANES, Head, decode_head, head_key
from logmq.storage.cluster.plan import Batch
from logmq.storage.cluster.services import OutcomeUnknown

Plant = Callable[[pytest.MonkeyPatch], None]
ClusterStore = store.ClusterStore


def heads_are_not_compared(patch: pytest.MonkeyPatch) -> None:
    """A commit goes through whoever leads."""
    whole = Link.commit

    async def commit(
        self: Link, expected: Mapping[str, int], puts: Mapping[str, bytes], deletes: Iterable[str] = ()
    ) -> int | None:
        moved = {
            key: value for key, value in expected.items() if not key.startswith(LANES) or len(expected) > LANE_COUNT
        }
        return await whole(self, moved, puts, deletes)

    patch.setattr(Link, "commit", commit)


def heads_are_not_taken(patch: pytest.MonkeyPatch) -> None:
    """A new leader goes on from the heads as they are, so that the old one may, too."""

    async def take(keys: Link, incarnation: str, presence: Any) -> tuple[list[Head], int] | None:
        stored = await keys.under(LANES)
        if not stored:
            return await whole(keys, incarnation, presence)
        heads = [decode_head(stored[head_key(lane)].value) for lane in range(LANE_COUNT)]
        mine = [Head(head.term, incarnation, head.number, head.object, head.checkpoint) for head in heads]
        revisions.update({key: one.revision for key, one in stored.items()})
        return mine, stored[head_key(0)].revision

    whole, revisions = takeover.take, dict[str, int]()
    patch.setattr(store, "take", take)
    original = ClusterStore.__init__

    def begin(self: ClusterStore, *arguments: Any) -> None:
        original(self, *arguments)
        self._revisions = [revisions.get(head_key(lane), self._revisions[lane]) for lane in range(LANE_COUNT)]

    patch.setattr(ClusterStore, "__init__", begin)


def acknowledged_before_the_transaction(patch: pytest.MonkeyPatch) -> None:
    """Once the object is written."""
    whole = ClusterStore._commit

    async def commit(self: ClusterStore, batch: Batch) -> None:
        for call, results in zip(batch.calls, batch.results, strict=True):
            self._count_out(call)
            call.complete(results)
        batch.calls = []
        await whole(self, batch)

    patch.setattr(ClusterStore, "_commit", commit)


def a_lost_answer_is_taken_for_a_failure(patch: pytest.MonkeyPatch) -> None:
    """Producers are told that nothing was stored, and what was is forgotten."""

    async def move(self: ClusterStore, expected: Mapping[str, int], heads: Mapping[int, Head]) -> int:
        puts = {head_key(lane): store.encode_head(head) for lane, head in heads.items()}
        with suppress(OutcomeUnknown):
            revision = await self._keys.commit(expected, puts)
            if revision is not None:
                return revision
        raise store.Fenced(stored=False)

    patch.setattr(ClusterStore, "_move", move)


def living_incarnations_are_collected(patch: pytest.MonkeyPatch) -> None:
    """Whatever this leader does not reach is removed, although others may commit it yet."""

    async def collect(
        keys: Link, objects: LinkObjects, incarnation: str, reachable: set[str], still: Callable[[], Awaitable[bool]]
    ) -> int:
        names = [name for kind in garbage._KINDS for name in await objects.names(kind)]
        gone = [name for name in names if name not in reachable]
        await objects.delete(gone)
        return len(gone)

    patch.setattr(store, "collect", collect)


def names_are_used_again(patch: pytest.MonkeyPatch) -> None:
    """A broker that starts again counts from one under its old name."""
    whole = ClusterStore._flush

    def flush(self: ClusterStore) -> None:
        own, self._incarnation = self._incarnation, self._incarnation.split("-")[0]
        whole(self)
        self._incarnation = own

    patch.setattr(ClusterStore, "_flush", flush)


def a_checkpoint_is_named_before_it_is_written(patch: pytest.MonkeyPatch) -> None:
    """And its object comes later, or never."""
    whole = ClusterStore._put

    async def put(self: ClusterStore, name: str, data: bytes) -> None:
        if name.startswith("checkpoints/"):
            asyncio.get_running_loop().call_later(3, lambda: asyncio.ensure_future(whole(self, name, data)))
            return
        await whole(self, name, data)

    patch.setattr(ClusterStore, "_put", put)


PLANTED: list[Plant] = [
    heads_are_not_compared,
    heads_are_not_taken,
    acknowledged_before_the_transaction,
    a_lost_answer_is_taken_for_a_failure,
    living_incarnations_are_collected,
    names_are_used_again,
    a_checkpoint_is_named_before_it_is_written,
]
SEEDS = 12


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
