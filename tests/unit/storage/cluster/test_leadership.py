"""What a leader says of a commit whose answer it never got, once another one leads."""

from __future__ import annotations

from random import Random

import pytest
from tests.simulation.cluster.virtual_time import run
from tests.simulation.cluster.world import Faults, Link, World

from logmq.storage.cluster.formats import BROKERS, Head
from logmq.storage.cluster.leadership import Fenced, Leadership
from logmq.storage.cluster.services import OutcomeUnknown
from logmq.storage.cluster.takeover import another_leads, take


class Deaf(Link):
    """A link whose next transaction has no answer; it is carried out, or not."""

    lost: bool | None = None

    async def commit(self, *arguments: object) -> int | None:
        lost, self.lost = self.lost, None
        if lost is None:
            return await super().commit(*arguments)  # type: ignore[arg-type]
        if lost is False:
            await super().commit(*arguments)  # type: ignore[arg-type]
        raise OutcomeUnknown("no answer")


async def lead(world: World, incarnation: str) -> tuple[Deaf, Leadership]:
    link = Deaf(world, Random(1), Faults(delay_max_s=0))
    presence = await link.announce(BROKERS + incarnation, b"", 1e9)
    leadership = await take(link, incarnation, presence)
    assert leadership is not None
    return link, leadership


async def succeed(world: World, first: str) -> None:
    """The first is taken for dead, and another one takes over."""
    del world.leases[BROKERS + first]
    del world.values[BROKERS + first]
    await lead(world, "second")


def longer(head: Head, checkpoint: str | None = None) -> Head:
    return Head(head.term, head.owner, head.number + 1, "wal/first/1", checkpoint)


async def end_of(move: dict[int, Head], *, carried_out: bool) -> bool | None:
    world = World()
    link, leadership = await lead(world, "first")
    link.lost = not carried_out
    find_out = leadership._find_out

    async def after_a_takeover(*arguments: object) -> int | None:
        await succeed(world, "first")
        return await find_out(*arguments)  # type: ignore[arg-type]

    leadership._find_out = after_a_takeover  # type: ignore[method-assign,assignment]
    with pytest.raises(Fenced) as fenced:
        await leadership.move(move)
    return fenced.value.stored


def test_a_commit_without_an_answer_is_found_in_the_successors_head() -> None:
    """Carried out or not: its lane tells."""
    first = Head(1, "first")
    assert run(end_of({3: longer(first)}, carried_out=True)) is True
    assert run(end_of({3: longer(first)}, carried_out=False)) is False


def test_a_head_that_only_names_a_checkpoint_tells_nothing() -> None:
    """It looks the same in the hands of a successor, so that one with a commit is asked; without any nobody knows."""
    named = Head(1, "first", checkpoint="checkpoints/first/1")
    both = {0: named, 3: longer(Head(1, "first"), "checkpoints/first/1")}
    assert run(end_of(both, carried_out=False)) is False
    assert run(end_of(both, carried_out=True)) is True
    assert run(end_of({0: named}, carried_out=False)) is None


def test_a_first_sending_that_comes_late_changes_nothing() -> None:
    """The second was carried out, and a further commit after it."""

    async def late() -> None:
        world = World()
        link, leadership = await lead(world, "first")
        expected = leadership._expected([3])
        sent: list[object] = []
        commit = link.commit

        async def keep(*arguments: object) -> int | None:
            sent.append(arguments)
            return await commit(*arguments)

        link.commit = keep  # type: ignore[method-assign]
        await leadership.move({3: longer(leadership.heads[3])})
        await leadership.move({3: longer(leadership.heads[3])})
        assert sent[0][0] == expected  # type: ignore[index]
        assert await commit(*sent[0]) is None  # type: ignore[misc]

    run(late())


def test_a_takeover_without_an_answer_is_recognized() -> None:
    """Also when it is carried out later: who is named by the heads leads, and does not wait for itself."""

    async def takes() -> None:
        world = World()
        link = Deaf(world, Random(1), Faults(delay_max_s=0))
        presence = await link.announce(BROKERS + "only", b"", 1e9)
        link.lost = False
        leadership = await take(link, "only", presence)
        assert leadership is not None
        assert leadership.heads[0] == Head(1, "only")
        assert not await another_leads(link, "only")
        assert await another_leads(link, "other")
        assert await take(link, "other", await link.announce(BROKERS + "other", b"", 1e9)) is None

    run(takes())
