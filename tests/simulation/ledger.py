"""The plain model that an engine is audited against: what was sent in which order, and how much of it must survive.

In the plain format a record's offset is its position, so a partition is a string of bytes and every state it may be
in is told by two numbers: where it begins and where it ends. A commit moves the ends of all its partitions at once,
which makes a history of states; a crash must lead back to one of them, no earlier than the last one that was synced.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from logmq.model import TopicPartition
from logmq.storage.calls import Call
from logmq.storage.engine import Append, Appended
from logmq.storage.local.log import Log


class Violation(AssertionError):
    """A promise of the storage engine does not hold."""


def demand(holds: bool, *words: object) -> None:
    """Raise Violation with these words unless it holds."""
    if not holds:
        raise Violation(" ".join(map(str, words)))


@dataclass(slots=True)
class Stream:
    """All frames that were sent to a partition, those that failed left out; `starts` are their offsets."""

    data: bytearray = field(default_factory=bytearray)
    starts: list[int] = field(default_factory=list)

    def add(self, append: Append) -> None:
        """Put the frames of an append at the end."""
        end = len(self.data)
        self.starts += [end + start for start in append.starts]
        self.data += append.data

    def cut(self, end: int) -> None:
        """Forget the frames from `end` on."""
        del self.data[end:]
        del self.starts[bisect_left(self.starts, end) :]

    def first_at_or_after(self, offset: int) -> int:
        """The offset of the first frame there, the end if there is none."""
        number = bisect_left(self.starts, offset)
        return self.starts[number] if number < len(self.starts) else len(self.data)


@dataclass(frozen=True, slots=True)
class State:
    """Where the partitions end and begin after some commit; a partition that is not there is empty."""

    ends: Mapping[TopicPartition, int]
    log_starts: Mapping[TopicPartition, int]

    def __str__(self) -> str:
        places = sorted(self.ends.keys() | self.log_starts.keys())
        return "  ".join(f"{one} [{self.log_starts.get(one, 0)}, {self.ends.get(one, 0)})" for one in places)

    def is_of(self, logs: Mapping[TopicPartition, Log]) -> bool:
        """Whether these logs, without anything unpublished, are in it."""
        return all(
            log.committed.offset == self.ends.get(partition, 0)
            and log.log_start_offset == self.log_starts.get(partition, 0)
            for partition, log in logs.items()
        )


class Ledger:
    """Streams and the history of states since the last sync."""

    def __init__(self) -> None:
        self.streams: dict[TopicPartition, Stream] = {}
        self.states = [State({}, {})]
        """The first one is durable. The last one may be half carried out, if `pending`."""
        self.pending = False
        self.read_ends: dict[TopicPartition, int] = {}
        """Up to where records were read that may never vanish again."""

    def propose(self, calls: Iterable[Call]) -> None:
        """Take note of a commit that is about to be written: from now on it may be found after a crash."""
        ends = dict(self.states[-1].ends)
        for call in calls:
            for append in call.appends:
                stream = self.streams.setdefault(append.partition, Stream())
                stream.add(append)
                ends[append.partition] = len(stream.data)
        self._push(State(ends, self.states[-1].log_starts))

    def propose_trim(self, partition: TopicPartition, offset: int) -> None:
        """Take note of a trim that is about to be written."""
        self._push(State(self.states[-1].ends, {**self.states[-1].log_starts, partition: offset}))

    def _push(self, state: State) -> None:
        self.states.append(state)
        self.pending = True

    def accept(self) -> None:
        """What was proposed has been carried out."""
        self.pending = False

    def reject(self) -> None:
        """What was proposed has failed as a whole and left nothing."""
        self.states.pop()
        self.pending = False
        self._cut_streams()

    def settle(self, calls: Sequence[Call]) -> None:
        """Check the results of the proposed commit, and leave out the appends that failed."""
        before, after = self.states[-2:]
        cursors, failed = dict(before.ends), set()
        for append, result in [pair for call in calls for pair in zip(call.appends, call.results, strict=True)]:
            partition = append.partition
            if isinstance(result, Appended):
                first_offset = cursors.get(partition, 0)
                cursors[partition] = first_offset + append.offset_count
                demand(result.first_offset == first_offset, partition, "was given", result, "not", first_offset)
                demand(result.next_offset == cursors[partition], partition, "was given", result)
                demand(partition not in failed, partition, "has a hole")
            else:
                failed.add(partition)
        demand(all(cursors.get(one, 0) == before.ends.get(one, 0) for one in failed), "an append came and failed")
        self.states[-1] = State(cursors, after.log_starts)
        self.pending = False
        self._cut_streams()

    def forget(self, partition: TopicPartition) -> None:
        """The partition is dropped, with all that was in it."""
        self.streams.pop(partition, None)
        self.read_ends.pop(partition, None)
        self.states = [
            State(
                {one: end for one, end in state.ends.items() if one != partition},
                {one: start for one, start in state.log_starts.items() if one != partition},
            )
            for state in self.states
        ]

    def synced(self) -> None:
        """Everything so far is durable."""
        self.states = self.states[-1:]

    def read(self, partition: TopicPartition, next_offset: int) -> None:
        """Records before `next_offset` were read and may not vanish."""
        self.read_ends[partition] = max(next_offset, self.read_ends.get(partition, 0))

    def reopened(self, logs: Mapping[TopicPartition, Log], *, nothing_lost: bool) -> None:
        """Check that recovery led to a state of the history, and go on from that one.

        With `nothing_lost` (the process died, the machine did not) no commit may be missing that was written whole.
        """
        least = max(0, len(self.states) - 1 - self.pending) if nothing_lost else 0
        found = [state for state in self.states[least:] if state.is_of(logs)]
        if not found:
            now = State(
                {partition: log.committed.offset for partition, log in logs.items()},
                {partition: log.log_start_offset for partition, log in logs.items()},
            )
            allowed = "\n".join(map(str, self.states[least:]))
            raise Violation(f"recovery led to\n{now}, which is none of\n{allowed}")
        for partition, end in self.read_ends.items():
            demand(found[-1].ends.get(partition, 0) >= end, partition, "was read up to", end, "and has lost it")
        self.states = found[-1:]
        self.pending = False
        self._cut_streams()

    def _cut_streams(self) -> None:
        for partition, stream in self.streams.items():
            stream.cut(self.states[-1].ends.get(partition, 0))
