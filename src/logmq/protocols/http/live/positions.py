"""Where a subscriber is in the partitions of a topic, and how the id of an event says it.

    41              the offset of the last record sent: of the one partition that is followed
    0=41,1=-1,2=7   the same of each partition, where all partitions of a topic of several are followed

A stream goes on behind it. -1 is before the first record. A partition that an id does not name was added later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from logmq.protocols.http.problems import InvalidInput

_ONE = re.compile(r"-1|[0-9]{1,19}")
_OF_SEVERAL = re.compile(r"[0-9]{1,9}=(?:-1|[0-9]{1,19})(?:,[0-9]{1,9}=(?:-1|[0-9]{1,19}))*")


def parse(text: str) -> int | Mapping[int, int]:
    """The offsets to go on from: one, or by partition. Raises: InvalidInput."""
    if _ONE.fullmatch(text):
        return int(text) + 1
    if _OF_SEVERAL.fullmatch(text):
        pairs = [pair.split("=") for pair in text.split(",")]
        return {int(partition): int(last) + 1 for partition, last in pairs}
    raise InvalidInput(f"{text[:60]!r} is no id of an event of this broker", "Last-Event-ID")


class Positions(dict[int, int]):
    """The offset of the next record, by partition."""

    def __init__(self, offsets: Mapping[int, int], *, follows_all: bool) -> None:
        """`follows_all`: all partitions of the topic are followed, those too that it gets later."""
        super().__init__(offsets)
        self.follows_all = follows_all

    @property
    def several(self) -> bool:
        """Whether ids must say which partition they mean."""
        return self.follows_all and len(self) > 1

    def copy(self) -> Positions:
        """The same, to be moved on its own."""
        return Positions(self, follows_all=self.follows_all)

    def render(self) -> str:
        """The id of an event behind which all this is still to come."""
        if not self.several:
            (offset,) = self.values()
            return str(offset - 1)
        return ",".join([f"{partition}={offset - 1}" for partition, offset in self.items()])

    def around(self, partition: int) -> tuple[str, str]:
        """What stands before and behind the offset of a record of this partition in the id of its event."""
        if not self.several:
            return "", ""
        texts = [f"{other}={offset - 1}" for other, offset in self.items()]
        index = list(self).index(partition)
        return ",".join([*texts[:index], f"{partition}="]), "".join([f",{text}" for text in texts[index + 1 :]])
