"""What a leader may do and nobody else: move the heads.

Each move is one transaction: IF every head has the revision that this broker last gave it, AND this broker's own key is
there, THEN the new heads. An answer that does not come leaves three cases, which the heads tell apart: it was carried
out; it was not, and is sent again; another broker leads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from functools import partial

from logmq.storage.cluster.formats import BROKERS, LANES, Head, decode_head, encode_head, head_key
from logmq.storage.cluster.services import RETRY_S, Keys, OutcomeUnknown, Presence, until_answered

_log = logging.getLogger(__name__)


class Fenced(Exception):
    """Another broker leads now, or this one was taken for dead.

    `stored` says whether the last move was carried out nevertheless; None: nobody can tell.
    """

    def __init__(self, stored: bool | None) -> None:
        super().__init__("another broker has taken over")
        self.stored = stored


class Leadership:
    """The heads as this broker last wrote them, one for each lane."""

    def __init__(self, keys: Keys, incarnation: str, presence: Presence, heads: list[Head], revision: int) -> None:
        """`heads` were written by one transaction, which had this `revision`."""
        self.incarnation = incarnation
        self.heads = heads
        self.keys = keys
        """Where the heads are."""
        self.alive = {BROKERS + incarnation: presence.revision}
        """What every transaction expects: while this broker is announced nobody takes anything from it."""
        self.retries = 0
        """Transactions whose answer did not come."""
        self._revisions = [revision] * len(heads)

    async def move(self, heads: Mapping[int, Head], also: Iterable[int] = ()) -> None:
        """Write these heads, by lane; the heads of lanes in `also` must still be this broker's. Raises: Fenced."""
        expected = self._expected(heads.keys() | set(also))
        puts = {head_key(lane): encode_head(head) for lane, head in heads.items()}
        revision: int | None = None
        while revision is None:
            try:
                revision = await self.keys.commit(expected, puts)
            except OutcomeUnknown as error:
                self._count_retry(error)
            if revision is None:
                revision = await self._find_out(expected, heads)
        for lane, head in heads.items():
            self.heads[lane] = head
            self._revisions[lane] = revision

    def _expected(self, lanes: Iterable[int]) -> dict[str, int]:
        return {head_key(lane): self._revisions[lane] for lane in lanes} | self.alive

    def _count_retry(self, error: OutcomeUnknown) -> None:
        self.retries += 1
        _log.warning("a commit has no answer, looking what became of it", extra={"reason": str(error)})

    async def _find_out(self, expected: Mapping[str, int], heads: Mapping[int, Head]) -> int | None:
        """What became of a move: its revision if it was carried out, None to send it again. Raises: Fenced.

        Also asked when it was refused: an earlier sending of it may have been carried out without an answer. This
        broker's own key is looked at first: once it is gone nothing can be carried out any more, and the head tells
        what was.
        """
        lane = self._telling(heads)
        present = await until_answered(partial(self.keys.get, BROKERS + self.incarnation))
        stored = await until_answered(partial(self.keys.get, head_key(lane)))
        assert stored is not None, "heads are never removed"
        found = decode_head(stored.value)
        if found == heads[lane]:
            return stored.revision
        if found.owner != self.incarnation:
            raise Fenced(self._outcome(found, heads[lane], lane))
        if present is None or {BROKERS + self.incarnation: present.revision} != self.alive:
            raise Fenced(stored=False)
        assert stored.revision == expected[head_key(lane)], "only this broker moves its heads"
        await asyncio.sleep(RETRY_S)
        return None

    def _telling(self, heads: Mapping[int, Head]) -> int:
        """A lane whose head tells what became of a move, whoever owns it later: one that gets a commit. Heads that only
        name a checkpoint look the same in the hands of a successor, whether they were moved or not."""
        longer = (lane for lane, head in heads.items() if head.number > self.heads[lane].number)
        return next(longer, next(iter(heads)))

    def _outcome(self, found: Head, mine: Head, lane: int) -> bool | None:
        return _was_stored(found, mine) if mine.number > self.heads[lane].number else None

    async def prove(self, lanes: Iterable[int]) -> None:
        """Make sure that this broker still leads these lanes. Raises: Fenced."""
        expected = self._expected(lanes)
        if await until_answered(partial(self.keys.commit, expected, {})) is None:
            raise Fenced(stored=False)

    async def finds_itself(self) -> bool:
        """`is_mine`, asked until it is answered."""
        return await until_answered(self.is_mine)

    async def is_mine(self) -> bool:
        """Whether every head still names this broker. Raises: OutcomeUnknown."""
        stored = await self.keys.under(LANES)
        return all(decode_head(one.value).owner == self.incarnation for one in stored.values())


def _was_stored(found: Head, mine: Head) -> bool | None:
    """Whether this broker's last head was there before another one took over, as far as the other's head tells."""
    if found.object == mine.object and found.number == mine.number:
        return True
    return False if found.number < mine.number else None
