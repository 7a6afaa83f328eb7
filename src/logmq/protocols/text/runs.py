"""Taking runs of lines apart in one go: the hot path of the parser, pure functions on a received chunk.

    PRODUCE t one\\n           prefix `PRODUCE t `, and the first line of a run
    PRODUCE t two\\n           as long as each newline is followed by the same prefix the run goes on,
    PRODUCE t three\\n         so one `split` on newline + prefix gives all payloads
    PRODUCE u four\\n          another prefix: another run, but the same request

Everything here is an optimisation: a line that does not fit is left to `commands.parse_line`, which knows all of the
grammar and all errors, and gives the same request for the lines that do fit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from logmq.errors import LogMQError
from logmq.limits import COMMAND_LINE_SIZE_MAX, TOPIC_NAME_SIZE_MAX
from logmq.model import TopicPartition
from logmq.protocols.text.arguments import parse_offsets, parse_partition
from logmq.protocols.text.requests import Consume, Produce

REACH_MIN = 1024
"""Bytes that the search for the end of a run looks ahead at first, and at least."""

PREFIX_SIZE_MAX = len(b"PRODUCE ") + TOPIC_NAME_SIZE_MAX + len(b"/0000 ")
"""A longer prefix is left to the grammar, so that none of the prefixes kept below is large."""

_PREFIX_COUNT_MAX = 8192
"""Prefixes kept parsed, of all connections together: some 5 MB if all are as long as can be."""

RETURN = 0x0D
PRODUCE_SIZE = len(b"PRODUCE ")
_CONSUME_SIZE = len(b"CONSUME ")
_OFFSET_SIZE_MAX = 19
_STREAK_MIN = 4
"""Lines of the same prefix in a row before a run is looked for, when there was none just before: a look costs as much
as that many lines."""


@lru_cache(_PREFIX_COUNT_MAX)
def target(prefix: bytes, command: bytes) -> TopicPartition | None:
    """The partition that `<command> <topic>[/<partition>] ` names; None for anything else."""
    word, _, rest = prefix.partition(b" ")
    if word.upper() != command or not rest.endswith(b" "):
        return None
    try:
        return parse_partition(rest[:-1])
    except LogMQError:
        return None


def take_run(
    data: bytes, start: int, newline: int, last: int, prefix: bytes, reach: int
) -> tuple[list[bytes], int, int]:
    """What follows the prefixes of a run, the newline that ends the run, and the reach to begin the next search with.

    The first line's rest begins at `start` and ends at `newline`; `last` is the last newline in `data`.
    """
    if last - newline <= reach:  # most often the run goes on to the end: then one split has to be right
        run = data[start:last]
        rests = run.split(b"\n" + prefix)
        if len(rests) == run.count(b"\n") + 1:
            return _without_returns(rests, run), last, reach * 4
    end, reach = _find_end(data, newline, last, b"\n" + prefix, max(reach // 4, REACH_MIN))
    run = data[start:end]
    return _without_returns(run.split(b"\n" + prefix), run), end, reach


def _find_end(data: bytes, newline: int, last: int, separator: bytes, reach: int) -> tuple[int, int]:
    """The newline that ends a run, from the one on that ends its first line.

    All newlines in a stretch are followed by the prefix if both occur equally often, so a stretch is checked with two
    counts. It grows while that holds and shrinks when not: the work is in proportion to the run, not to the data.
    """
    end = newline
    while end < last:
        probe = last if last - end <= reach else data.rfind(b"\n", end + 1, end + reach)
        if probe > end and data.count(b"\n", end, probe) == data.count(separator, end, probe):
            end = probe
            reach *= 4
        elif reach > REACH_MIN:
            reach = max(reach // 4, REACH_MIN)
        else:
            while end < last and data.startswith(separator, end):
                end = data.find(b"\n", end + 1)
            break
    return end, reach


def _without_returns(rests: list[bytes], run: bytes) -> list[bytes]:
    return [rest.removesuffix(b"\r") for rest in rests] if b"\r" in run else rests


class _Gathered:
    """PRODUCE lines by partition, and in which order they came."""

    __slots__ = ("_line_size_max", "_slot_of", "limits", "order", "partitions", "payloads", "slots")

    def __init__(self, line_size_max: Callable[[TopicPartition], int]) -> None:
        self._line_size_max = line_size_max
        self.slots: dict[bytes, int] = {}
        self._slot_of: dict[TopicPartition, int] = {}
        self.partitions: list[TopicPartition] = []
        self.payloads: list[list[bytes]] = []
        self.order: list[int] = []
        self.limits: dict[int, int] = {}

    def slot(self, prefix: bytes) -> int | None:
        """The number of the partition that a new prefix names; None if it names none."""
        partition = target(prefix, b"PRODUCE")
        if partition is None:
            return None
        # Several prefixes may name one partition (`t`, `t/0`), whose messages must stay in order.
        slot = self.slots[prefix] = self._slot_of.setdefault(partition, len(self.partitions))
        if slot == len(self.partitions):
            self.partitions.append(partition)
            self.payloads.append([])
        return slot

    def limit(self, slot: int) -> int:
        """How long a line may be."""
        limit = self.limits.get(slot)
        if limit is None:
            limit = self.limits[slot] = self._line_size_max(self.partitions[slot])
        return limit

    def request(self, size: int) -> Produce | None:
        """All of it; None if there is nothing."""
        if self.payloads and not self.payloads[-1]:  # the line that named this partition was too long
            self.payloads.pop()
            self.partitions.pop()
        if not self.payloads:
            return None
        order = self.order if len(self.payloads) > 1 else None
        return Produce(self.partitions, self.payloads, order, size)


def take_produces(
    data: bytes, position: int, last: int, reach: int, line_size_max: Callable[[TopicPartition], int]
) -> tuple[Produce | None, int, int]:
    """All PRODUCE lines from `position` on, up to the first line that is something else, wrong or too long.

    `last` is the last newline in `data`. `line_size_max` is asked only about long lines and runs.
    Returns the request (None if not even the first line fits), the position behind it, and the next reach.
    """
    begin, streak = position, 0
    gathered = _Gathered(line_size_max)
    slots, payloads, order = gathered.slots, gathered.payloads, gathered.order
    find, startswith = data.find, data.startswith
    while position <= last and data[position] in b"Pp":
        newline = find(b"\n", position)
        space = find(b" ", position + PRODUCE_SIZE, newline)
        if space - position > PREFIX_SIZE_MAX:
            break
        prefix = data[position : space + 1]
        slot = slots.get(prefix)
        if slot is None and (slot := gathered.slot(prefix)) is None:
            break
        if newline - position > COMMAND_LINE_SIZE_MAX and newline - position > gathered.limit(slot):
            break
        streak = streak + 1 if startswith(prefix, newline + 1) else 0
        if streak and (reach > REACH_MIN or streak > _STREAK_MIN):
            # No further than a line may be long: so none of these is longer.
            limit = gathered.limit(slot)
            stop = last if last - position <= limit else data.rfind(b"\n", newline, position + limit + 1)
            rests, newline, reach = take_run(data, space + 1, newline, stop, prefix, reach)
            payloads[slot].extend(rests)
            order.extend([slot] * len(rests))
        else:
            payloads[slot].append(data[space + 1 : newline - (data[newline - 1] == RETURN)])
            order.append(slot)
        position = newline + 1
    return gathered.request(position - begin), position, reach


def take_consumes(data: bytes, position: int, last: int, reach: int) -> tuple[Consume | None, int, int]:
    """All CONSUME lines from `position` on that name the same partition in the same way, and one offset each.

    Returns the request (None if the run has lines of another form), the position behind the run, and the next reach.
    """
    newline = data.find(b"\n", position)
    space = data.find(b" ", position + _CONSUME_SIZE, newline)
    if space - position > PREFIX_SIZE_MAX:
        return None, position, reach
    prefix = data[position : space + 1]
    partition = target(prefix, b"CONSUME")
    if partition is None:
        return None, position, reach
    if not data.startswith(prefix, newline + 1):
        offset = data[space + 1 : newline]
        if not offset.isdigit() or len(offset) >= _OFFSET_SIZE_MAX:
            return None, position, reach
        return Consume(partition, [int(offset)]), newline + 1, reach
    rests, newline, reach = take_run(data, space + 1, newline, last, prefix, reach)
    offsets = parse_offsets(rests)
    return None if offsets is None else Consume(partition, offsets), newline + 1, reach
